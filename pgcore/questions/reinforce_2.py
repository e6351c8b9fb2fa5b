"""Chapter 3: the estimator, its noise and its mean."""

from __future__ import annotations

import math

import pandas as pd
import torch

from pgcore.questions.answers import Choice, Item, Mark, Option, Order, letters
from pgcore.questions.base import Asked, Link, Question, Rng, pick, shown
from pgcore.questions.number import Number, Trap
from pgcore.questions.reinforce_1 import TOPIC
from pgcore.studies import baselines

__all__ = ["QUESTIONS", "TOPIC"]


def _spread(rng: Rng) -> Asked:
    problem = baselines.problem_with(pick(rng, 0.3, 0.5, 0.7))
    _, variance = baselines.moments(problem, 0.0)
    small, factor = pick(rng, 4, 8, 16, 32), pick(rng, 4, 16)
    now, then = (math.sqrt(variance / size) for size in (small, small * factor))
    return Asked(
        f"A gradient estimate averaged over {small} samples scatters by {shown(now, 3)} around the "
        f"exact gradient (standard deviation). By how much with **{small * factor}** samples?",
        Number(
            then,
            (
                Trap(
                    now / factor,
                    "Variance for spread",
                    f"The *variance* falls {factor} times. The spread is its square root.",
                ),
                Trap(
                    now, "A bias taken for noise", "Noise averages out: more samples, less of it."
                ),
                Trap(
                    now / small / factor,
                    "One over the batch",
                    "The spread falls like one over the square root of the batch.",
                ),
            ),
        ),
        f"{factor} times the samples, the square root of {factor} times less spread: "
        f"{shown(now, 3)} / {math.sqrt(factor):g} = {shown(then, 3)}. On log axes, slope −1/2.",
        Link("reinforce", "where the slope −1/2 is measured", {"batch": f"{small * factor}"}),
    )


def _pushed_up(rng: Rng) -> Asked:
    names = letters(4)
    probs = torch.from_numpy(rng.permutation([0.1, 0.2, 0.3, 0.4]))
    rewards = torch.from_numpy(rng.permutation([2.0, 4.0, 6.0, 9.0]))
    problem = baselines.Bandit(probs.log(), rewards)
    gradient = baselines.exact_gradient(problem)
    mean = float(problem.expected_reward)
    right = frozenset(n for n, g in zip(names, gradient.tolist(), strict=True) if g > 0)
    wrong = {
        name: (
            "A positive reward taken for a push up",
            f"It pays {reward:g}, less than the policy's mean of {shown(mean, 3)}. What the others "
            "gain comes out of it.",
        )
        for name, reward in zip(names, rewards.tolist(), strict=True)
        if name not in right
    }
    return Asked(
        "Four actions; the bars are what they pay, all of it positive. The policy takes them with "
        "probabilities "
        + ", ".join(f"{n} {p:g}" for n, p in zip(names, probs.tolist(), strict=True))
        + ". Mark **all** actions whose logit the *expected* REINFORCE gradient raises.",
        Mark(
            pd.DataFrame({"name": names, "x": names, "y": rewards.numpy()}),
            right,
            wrong,
            "bars",
            "action",
            "reward",
            "Four bars, the rewards: "
            + ", ".join(f"{n} {r:g}" for n, r in zip(names, rewards.tolist(), strict=True))
            + ".",
            many=True,
        ),
        f"The expected gradient by logit j is π(j)(r(j) − J), and J = {shown(mean, 3)}. Exactly, "
        "by autograd: "
        + ", ".join(f"{n} {shown(g, 2)}" for n, g in zip(names, gradient.tolist(), strict=True))
        + ". A single sample with a positive reward does push its action up; the mean does not.",
        Link("reinforce", "where an offset on all rewards changes the samples, not their mean"),
    )


_TO_GO = Asked(
    "Weighing step t by the rewards **after** it instead of the whole episode's: what does it do "
    "to the gradient estimate?",
    Choice(
        (
            Option(
                "same mean, less variance",
                "An action cannot change what was paid before it. Those rewards add only noise.",
            ),
            Option(
                "it adds bias, because rewards are thrown away",
                "The terms that go have expectation zero: given the past, the score's mean is 0.",
                "Leaving out taken for bias",
            ),
            Option(
                "nothing at all: it is the same number",
                "Same expectation, another number in each sample.",
                "The mean taken for the sample",
            ),
            Option(
                "more variance, because fewer rewards are averaged",
                "Rewards are summed here, not averaged: each one left out takes its noise along.",
                "A sum taken for a mean",
            ),
        )
    ),
    "That is why R is the *reward-to-go*.",
    Link("reinforce", "where both are measured on the same samples"),
)

_ORDER = Asked(
    "Put one iteration of REINFORCE in order.",
    Order(
        (
            Item("play a rollout with the present policy", "On-policy: it begins with fresh data."),
            Item(
                "compute returns backwards through the rows",
                "They need all rewards of the rollout.",
            ),
            Item("form the loss from log-probabilities and returns", "It needs the returns."),
            Item("backpropagate", "There must be a loss to differentiate."),
            Item("take one optimizer step", "It needs the gradient."),
            Item(
                "begin again with the changed policy; the old rows are gone",
                "Only the step changes the policy.",
            ),
        )
    ),
    "One rollout, one step: that is the price of staying on-policy without a ratio.",
    Link("train", "where REINFORCE learns while you watch", {"algorithm": "reinforce"}),
)

QUESTIONS = (
    Question("spread", "Noise and batch", _spread),
    Question("pushed_up", "Which actions gain", _pushed_up),
    Question("reward_to_go", "Rewards of the past", _TO_GO),
    Question("reinforce_order", "One iteration", _ORDER),
)
