"""Warm-up: distributions and CartPole."""

from __future__ import annotations

from pgcore.environments import OFFERED
from pgcore.questions.answers import Choice, Item, Option, Order
from pgcore.questions.base import Asked, Link, Question
from pgcore.questions.line import Line, Mistake
from pgcore.questions.warm_up_1 import TOPIC

__all__ = ["QUESTIONS", "TOPIC"]


CARTPOLE = OFFERED["CartPole-v1"]

_DISCRETE = Asked(
    "Is a categorical distribution discrete or continuous?",
    Choice(
        (
            Option(
                "discrete: it picks one of finitely many outcomes",
                "Its outcomes are counted: action 0, 1, …, each with a probability of its own.",
            ),
            Option(
                "continuous: its probabilities are real numbers",
                "Every discrete distribution has real-valued probabilities. The outcomes decide.",
                "The parameters taken for the outcomes",
            ),
            Option(
                "continuous: the network's output changes smoothly",
                "The probabilities change smoothly with θ, which is what makes a gradient "
                "possible. A sample is still one of the actions.",
                "The map taken for the outcome",
            ),
            Option(
                "discrete, but only if all outcomes are equally likely",
                "A loaded die is as discrete as a fair one.",
                "Discrete taken for uniform",
            ),
        )
    ),
    "So `sample()` returns whole numbers, without a gradient: the gradient flows through "
    "`log_prob`, not through the sample.",
    Link("log_probs", "where samples pile up on the actions"),
)

_LOG_PROB = Asked(
    "Fill in the log-probability of the actions that were sampled, one an environment.",
    Line(
        "distribution = Categorical(logits=policy(obs))   # obs (N, 4)\n"
        "actions = distribution.sample()                  # (N,)",
        "log_probs",
        "# log_probs (N,), with a graph to the policy",
        (
            "distribution.log_prob(actions)",
            "Categorical(logits=policy(obs)).log_prob(actions)",
            "distribution.logits.gather(-1, actions.unsqueeze(-1)).squeeze(-1)",
            "distribution.logits.gather(1, actions.unsqueeze(1)).squeeze(1)",
            "torch.log_softmax(policy(obs), dim=-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)",
            "distribution.logits[torch.arange(len(actions)), actions]",
        ),
        (
            Mistake(
                "distribution.log_prob(actions).detach()",
                "The cut graph",
                "No gradient reaches the policy: the homework's GAE agent never learned for this "
                "very reason.",
            ),
            Mistake(
                "distribution.log_prob(obs)",
                "The state taken for the action",
                "The distribution already belongs to the state. Ask it about the actions.",
            ),
            Mistake(
                "distribution.probs",
                "All probabilities",
                "That is (N, 2), and no logarithm: you want the taken action's entry only.",
            ),
            Mistake(
                "distribution.logits",
                "All actions at once",
                "That is (N, 2): the log-probability of every action, not of the one taken.",
            ),
            Mistake(
                "distribution.logits[actions]",
                "Picking rows",
                "Indexing with (N,) picks whole rows. It has to pick one entry in each row.",
            ),
            Mistake(
                "distribution.log_prob(actions).exp()",
                "The way back",
                "exp undoes the logarithm: those are probabilities.",
            ),
            Mistake(
                "distribution.log_prob(actions).mean()",
                "Averaging too early",
                "Each log-probability still has to be multiplied by its own return.",
            ),
            Mistake(
                "distribution.log_prob(actions).sum()",
                "Adding up too early",
                "Each log-probability still has to be multiplied by its own return.",
            ),
            Mistake(
                "torch.log(actions)",
                "The logarithm of the action",
                "An action is a name, 0 or 1. Its probability is what has a logarithm.",
            ),
            Mistake(
                "distribution.entropy()",
                "Entropy",
                "That is the mean of −log π over all actions: it does not know which one was "
                "taken.",
            ),
        ),
    ),
    "`log_prob` picks, in each row, the entry of the action taken from the normalised logits.",
    Link("log_probs", "where each action's log-probability is read off"),
)

_SPACES = Asked(
    "What are CartPole's observations and actions?",
    Choice(
        (
            Option(
                f"{len(CARTPOLE.observations)} continuous numbers; {len(CARTPOLE.actions)} "
                "discrete actions",
                "Position, velocity, angle, angular velocity; and a push to the left or right.",
            ),
            Option(
                "4 continuous numbers; 4 action features",
                "The action is one whole number, 0 or 1: which way to push. Nothing about it has "
                "four features.",
                "The observation's size taken for the action's",
            ),
            Option(
                "4 continuous numbers; 1 continuous action, the force",
                "The force always has the same size. Only its direction is chosen.",
                "A discrete choice taken for a force",
            ),
            Option(
                "an image of the cart; 2 discrete actions",
                "The picture is for us. The agent reads four numbers.",
                "The rendering taken for the observation",
            ),
        )
    ),
    "Observations: "
    + ", ".join(f"{each.name} ({each.unit})" for each in CARTPOLE.observations)
    + ". Actions: "
    + ", ".join(f"{i} = {name}" for i, name in enumerate(CARTPOLE.actions))
    + ".",
    Link("mdp", "where CartPole's state is four sliders"),
    "The original's answer gives the action four features. It has none: it is one of two labels. "
    "The policy network has four inputs and two outputs, the logits.",
)

_SIZES = {
    "cart position": "It opens the observation; too far from the middle, the episode ends.",
    "cart velocity": "Each rate of change follows the quantity that it changes.",
    "pole angle": "The pole's two numbers come after the cart's two.",
    "pole angular velocity": "It is the rate of change of the angle, and comes last.",
}

_ENTRIES = Asked(
    "Put the four entries of a CartPole observation in their order, entry 0 first.",
    Order(tuple(Item(each.name, _SIZES[each.name]) for each in CARTPOLE.observations)),
    "Two pairs, the cart's and the pole's, each a quantity and its rate of change. All four are "
    "real numbers; positions are in metres, angles in radians, rates per second.",
    Link("mdp", "where CartPole's state is four sliders"),
)

QUESTIONS = (
    Question("categorical", "A categorical distribution", _DISCRETE, "warm-up 13"),
    Question("log_prob_line", "The line for log-probabilities", _LOG_PROB, "warm-up 14"),
    Question("cartpole_spaces", "CartPole's spaces", _SPACES, "warm-up 15"),
    Question("cartpole_entries", "CartPole's four numbers", _ENTRIES, "warm-up 15"),
)
