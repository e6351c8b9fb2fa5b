"""Warm-up: decision processes and what is maximised."""

from __future__ import annotations

from pgcore.questions.answers import Choice, Option
from pgcore.questions.base import Asked, Link, Question, Topic

TOPIC = Topic("warm_up", "Warm-up", 0)

_PARTS = Asked(
    "A Markov decision process has four parts. Which four?",
    Choice(
        (
            Option(
                "states, actions, transition probabilities, rewards",
                "Where you can be, what you can do, what then happens, and what it pays.",
            ),
            Option(
                "states, actions, a policy, rewards",
                "The policy belongs to the agent. The process is the world that it acts in, and "
                "stays the same whatever the agent does.",
                "The agent taken for a part of the world",
            ),
            Option(
                "states, values, advantages, rewards",
                "Values and advantages are computed: from a process and a policy together.",
                "What is computed taken for what is given",
            ),
            Option(
                "episodes, steps, returns, a discount",
                "Those are samples of a process and a way to add them up. The process itself is "
                "what the samples are drawn from.",
                "The data taken for the process",
            ),
        )
    ),
    "In `pgcore.mdp.TabularMDP` they are tensors: states and actions are the axes, `transitions` "
    "holds $P(s'\\mid s,a)$ and `rewards` holds $r(s,a,s')$.",
    Link("mdp", "where each part is pointed at on a gridworld"),
    "Many texts list five parts, with the discount γ. It is no property of the world: it says how "
    "the agent adds up rewards, so it belongs to the objective. Code also needs a start "
    "distribution and which states are terminal.",
)

_MARKOV = Asked(
    "What does the **Markov property** say?",
    Choice(
        (
            Option(
                "Given the present state and action, the past says nothing more about what comes "
                "next",
                "The next state and reward are drawn from $P(\\cdot\\mid s_t,a_t)$, whatever the "
                "route to $s_t$ was.",
            ),
            Option(
                "The next state follows from the present state and action with certainty",
                "A slippery floor is Markov too: its dice look at the present state and action "
                "only.",
                "Markov taken for deterministic",
            ),
            Option(
                "The agent must not remember anything",
                "It is a property of the state, not a rule for the agent. It says that memory "
                "would not help.",
                "A property of the world taken for a rule",
            ),
            Option(
                "Each state is independent of the one before",
                "Each state depends on the one before. Given that one, it depends on none earlier.",
                "Markov taken for independent",
            ),
        )
    ),
    "$P(s_{t+1}\\mid s_t,a_t)=P(s_{t+1}\\mid s_t,a_t,s_{t-1},a_{t-1},\\dots)$",
    Link("mdp", "where CartPole loses the property when its velocities are hidden"),
)

_OBJECTIVE = Asked(
    "A policy-gradient method maximises $J(\\theta)$. What is it?",
    Choice(
        (
            Option(
                "the expected sum of discounted rewards of an episode that the policy plays",
                "$J(\\theta)=\\mathbb E_{\\pi_\\theta}\\big[\\sum_t\\gamma^t r_t\\big]$: a mean "
                "over the policy's own episodes, so changing θ changes what is averaged.",
            ),
            Option(
                "the expected reward of the next step",
                "That is the case γ = 0 only: such an agent never pays now for a reward later.",
                "Greed for the next step",
            ),
            Option(
                "the largest sum of rewards that the policy has ever reached",
                "One lucky episode says little about a random policy. The mean over episodes "
                "counts.",
                "The best episode taken for the mean",
            ),
            Option(
                "minus the loss that the optimizer prints",
                "The loss has the right gradient at one point. Its value is no estimate of J and "
                "may go up while the policy improves.",
                "The loss taken for the goal",
            ),
        )
    ),
    "Two sources of chance are averaged out: the policy's samples and the world's.",
    Link("mdp", "where a sampled mean return closes in on the exact value"),
    "The homework trains on discounted returns and plots undiscounted rewards. On CartPole both "
    "prefer longer episodes; in general the two goals can disagree.",
)

_OF_WHAT = Asked(
    "A *policy gradient* is the gradient of what, with respect to what?",
    Choice(
        (
            Option(
                "of the expected return, with respect to the policy's parameters",
                "$\\nabla_\\theta J(\\theta)$: one number for each weight of the policy network.",
            ),
            Option(
                "of the reward, with respect to the action",
                "Nobody can differentiate the environment. The log-derivative trick is there "
                "because this gradient is not needed.",
                "Differentiating the world",
            ),
            Option(
                "of the policy, with respect to the state",
                "That tells how the policy reacts to what it sees, and nothing of what is good.",
                "The input taken for the parameters",
            ),
            Option(
                "of the return, with respect to the rewards",
                "That is 1, γ, γ², …: known before anything is played.",
                "The weights of the sum taken for the gradient",
            ),
        )
    ),
    "The return depends on θ only through which actions get sampled. The gradient moves those "
    "probabilities.",
    Link("reinforce", "where the exact gradient and its samples are drawn as arrows"),
)

QUESTIONS = (
    Question("mdp_parts", "The parts of a decision process", _PARTS, "warm-up 1"),
    Question("markov", "The Markov property", _MARKOV, "warm-up 2"),
    Question("objective", "What is maximised", _OBJECTIVE, "warm-up 3"),
    Question("gradient_of_what", "Gradient of what, by what", _OF_WHAT, "warm-up 4"),
)
