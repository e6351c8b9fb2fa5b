"""Chapter 3: returns and the loss."""

from __future__ import annotations

import torch

from pgcore.losses import policy_gradient_loss
from pgcore.questions.base import Asked, Link, Question, Rng, Topic, column, listed, pick, shown
from pgcore.questions.line import Line, Mistake
from pgcore.questions.number import Number, Trap
from pgcore.returns import discounted_returns

TOPIC = Topic("reinforce", "3 · REINFORCE", 4)


def _restart(rng: Rng) -> Asked:
    gamma = pick(rng, 0.5, 0.8, 0.9)
    rewards = [float(each) for each in rng.integers(1, 6, size=6)]
    end = pick(rng, 2, 3)
    going_on = [0.0 if t == end else 1.0 for t in range(6)]
    rows, t = column(*rewards), end - 1
    with_end = discounted_returns(rows, column(*going_on), gamma)
    leaking = discounted_returns(rows, torch.ones_like(rows), gamma)
    early = discounted_returns(rows, column(*going_on[1:], 1.0), gamma)
    return Asked(
        f"Six rows of one environment, with rewards {listed(rewards)}. The episode ends **after** "
        f"step {end} (steps count from 0); the next row starts another. γ = {gamma:g}. What is the "
        f"return $R_{t}$?",
        Number(
            float(with_end[t]),
            (
                Trap(
                    float(leaking[t]),
                    "A return that leaks across the end",
                    "The next episode's rewards are not this action's doing: the sum restarts.",
                ),
                Trap(
                    float(early[t]),
                    "Ending one step early",
                    f"The reward of step {end} still belongs to the episode that it ends.",
                ),
                Trap(
                    float(discounted_returns(rows, column(*going_on), 1.0)[t]),
                    "No discount",
                    "A reward one step later counts γ times.",
                ),
                Trap(
                    float(with_end[0]),
                    "The return of the whole episode",
                    f"$R_{t}$ starts at step {t}: what was paid before is past.",
                ),
            ),
        ),
        f"$R_{t} = r_{t} + \\gamma\\,r_{end}$ = {rewards[t]:g} + {gamma:g} · {rewards[end]:g} = "
        f"{shown(float(with_end[t]))}; after step {end} not_done is 0.",
        Link("reinforce", "where the table of rewards and ends is yours to edit"),
    )


_RETURNS = Asked(
    "Fill in the backward pass that computes returns, restarting where an episode ended.",
    Line(
        "following = torch.zeros(n_envs)\n"
        "for t in reversed(range(n_steps)):\n"
        "    # not_dones[t] is 0 if the episode ended after step t, else 1",
        "following",
        "    returns[t] = following",
        ("rewards[t] + gamma * not_dones[t] * following",),
        (
            Mistake(
                "rewards[t] + gamma * following",
                "A return that leaks across the end",
                "Rewards of the next episode flow into this one.",
            ),
            Mistake(
                "not_dones[t] * (rewards[t] + gamma * following)",
                "Dropping the last reward",
                "The reward of the step that ends an episode still belongs to it.",
            ),
            Mistake(
                "rewards[t] * not_dones[t] + gamma * following",
                "The wrong factor",
                "not_done stops what *follows*, not the reward of its own step.",
            ),
            Mistake(
                "gamma * (rewards[t] + not_dones[t] * following)",
                "Discounting the present",
                "A step's own reward has weight 1.",
            ),
            Mistake(
                "rewards[t] + not_dones[t] * following",
                "No discount",
                "A reward one step later counts γ times.",
            ),
            Mistake(
                "rewards[t] + gamma * not_dones[t + 1] * following",
                "One row off",
                "Whether step t ended the episode stands in row t.",
            ),
            Mistake(
                "rewards[t] + gamma ** t * not_dones[t] * following",
                "A power too many",
                "Each step backwards multiplies once more by γ: the powers build up by themselves.",
            ),
        ),
    ),
    "`pgcore.returns.discounted_returns` has this line.",
    Link("reinforce", "where this function's source stands under its figure"),
)


def _loss(rng: Rng) -> Asked:
    logs = [pick(rng, -0.2, -0.4), pick(rng, -1.0, -1.2), pick(rng, -0.5, -2.0)]
    log_probs = torch.tensor(logs, dtype=torch.float64)
    returns = torch.from_numpy(rng.permutation([1.0, 2.0, 5.0]))
    value = float(policy_gradient_loss(log_probs, returns))
    return Asked(
        f"Three steps have the log-probabilities {listed(log_probs.tolist())} and the returns "
        f"{listed(returns.tolist())}. What is REINFORCE's loss?",
        Number(
            value,
            (
                Trap(
                    -value,
                    "The missing minus sign",
                    "Optimizers minimise: this would train the worst policy.",
                ),
                Trap(
                    3 * value,
                    "The sum",
                    "The homework takes the mean over steps and "
                    "environments; with a sum, the step size depends on the rollout's length.",
                ),
                Trap(
                    float(-log_probs.mean() * returns.mean()),
                    "Averaging first",
                    "Each log-probability meets its own return. Averages apart forget which "
                    "action earned what.",
                ),
                Trap(
                    float(-(log_probs.exp() * returns).mean()),
                    "Probabilities for their logarithms",
                    "The gradient of π weighs frequent actions twice.",
                ),
            ),
        ),
        "$-\\frac{1}{3}\\sum\\log\\pi\\cdot R$ = " + shown(value) + ". Its value means nothing by "
        "itself; its gradient does.",
        Link("reinforce", "where each row's part of the loss is listed"),
    )


_LOSS_LINE = Asked(
    "Fill in REINFORCE's loss.",
    Line(
        "# log_probs (T, N) with a graph to the policy; returns (T, N), constants",
        "loss",
        "loss.backward()",
        ("-(log_probs * returns).mean()", "policy_gradient_loss(log_probs, returns)"),
        (
            Mistake(
                "(log_probs * returns).mean()",
                "The missing minus sign",
                "The optimizer descends: it would make good actions unlikely.",
            ),
            Mistake(
                "-(log_probs.detach() * returns).mean()",
                "The cut graph",
                "No gradient reaches the policy. The code runs, prints a loss, and never learns.",
            ),
            Mistake(
                "-(log_probs.mean() * returns.mean())",
                "Averaging first",
                "Then every action is pushed by the same number, the mean return.",
            ),
            Mistake(
                "-(log_probs * returns).sum()",
                "Sum for mean",
                "Same direction, but its length grows with the rollout: the learning rate would "
                "have to shrink with it.",
            ),
            Mistake(
                "-(log_probs.exp() * returns).mean()",
                "Probabilities for their logarithms",
                "The gradient of π weighs frequent actions twice.",
            ),
            Mistake(
                "-(log_probs + returns).mean()",
                "Adding the return",
                "A constant that is added has no gradient: the returns would not matter.",
            ),
            Mistake(
                "-returns.mean()",
                "Differentiating the return",
                "Returns carry no graph: backward() would find nothing to differentiate.",
            ),
            Mistake(
                "((log_probs - returns) ** 2).mean()",
                "A regression",
                "Log-probabilities are not meant to match returns.",
            ),
        ),
    ),
    "`pgcore.losses.policy_gradient_loss` is this line, after a check of the shapes.",
    Link("reinforce", "where the loss's source stands"),
)

QUESTIONS = (
    Question("return_restarts", "A return across an end", _restart),
    Question("returns_line", "The line for returns", _RETURNS),
    Question("loss_value", "The loss of three steps", _loss),
    Question("loss_line", "The line for the loss", _LOSS_LINE),
)
