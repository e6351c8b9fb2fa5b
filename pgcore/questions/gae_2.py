"""Chapter 6: the backward pass."""

from __future__ import annotations

import pandas as pd
import torch

from pgcore.questions.answers import Mark, letters
from pgcore.questions.base import Asked, Link, Question, Rng, listed, pick, shown
from pgcore.questions.gae_1 import TOPIC
from pgcore.questions.line import Line, Mistake
from pgcore.studies.gae import td_weights

__all__ = ["QUESTIONS", "TOPIC"]


_LINE = Asked(
    "Fill in GAE's backward pass.",
    Line(
        "following = torch.zeros(n_envs)\n"
        "for t in reversed(range(n_steps)):\n"
        "    # deltas[t]; going_on[t] is 0 if the episode ended after step t, else 1",
        "following",
        "    advantages[t] = following",
        ("deltas[t] + gamma * lam * going_on[t] * following",),
        (
            Mistake(
                "deltas[t] + gamma * lam * following",
                "An advantage that leaks across the end",
                "Row t + 1 belongs to another episode once this one has ended.",
            ),
            Mistake(
                "deltas[t] + lam * going_on[t] * following",
                "γ left out",
                "One step further counts γλ times.",
            ),
            Mistake(
                "deltas[t] + gamma * going_on[t] * following",
                "λ left out",
                "That is λ = 1: return minus value.",
            ),
            Mistake(
                "going_on[t] * (deltas[t] + gamma * lam * following)",
                "Dropping the last TD error",
                "The step that ends an episode has a TD error too, and often the largest.",
            ),
            Mistake(
                "rewards[t] + gamma * lam * going_on[t] * following",
                "Rewards for TD errors",
                "That is a return, discounted by γλ. GAE adds up TD errors.",
            ),
            Mistake(
                "(1 - lam) * deltas[t] + gamma * lam * going_on[t] * following",
                "Normalising once more",
                "The factor 1 − λ belongs to the n-step advantages. In TD errors it has cancelled.",
            ),
            Mistake(
                "deltas[t] + (gamma * lam) ** t * going_on[t] * following",
                "A power too many",
                "Each step backwards multiplies once more by γλ: the powers build up by "
                "themselves.",
            ),
        ),
    ),
    "`pgcore.returns.gae` has this line, with the factor computed beforehand.",
    Link("gae", "where this line of the source lights up"),
)


def _ends(rng: Rng) -> Asked:
    gamma, lam, size = 0.9, 0.8, 9
    start, end = int(rng.integers(0, 2)), int(rng.integers(4, 7))
    going_on = torch.arange(size) != end
    deltas = torch.from_numpy(rng.choice([-2.0, -1.0, 1.0, 2.0], size))
    weights = td_weights(going_on, gamma, lam)[start]
    names = letters(size)
    right = names[int(weights.nonzero().max())]
    wrong = {
        name: (
            "An advantage that leaks across the end"
            if i > end
            else ("The past" if i < start else "Stopping too early"),
            "That row belongs to the next episode: the recursion stopped before it."
            if i > end
            else (
                "An advantage looks ahead only."
                if i < start
                else "Its weight is small but not zero, and so is that of the errors after it."
            ),
        )
        for i, name in enumerate(names)
        if name != right
    }
    ending, how = pick(
        rng,
        ("the pole falls", "terminated (the pole fell)"),
        ("the time limit cuts", "was truncated (the time limit)"),
    )
    return Asked(
        f"Bars are the TD errors of {size} rows of one environment. The episode {how} **after step "
        f"{names[end]}**. Mark the **last** TD error that counts in the advantage of step "
        f"{names[start]}, with γ = {gamma:g} and λ = {lam:g}.",
        Mark(
            pd.DataFrame({"name": names, "x": names, "y": deltas.numpy()}),
            frozenset({right}),
            wrong,
            "bars",
            "step",
            "TD error",
            f"{size} bars, the TD errors of steps {names[0]} to {names[-1]}: "
            + listed(deltas.tolist())
            + ".",
        ),
        "Weights: "
        + ", ".join(f"{n} {shown(w, 2)}" for n, w in zip(names, weights.tolist(), strict=True))
        + ". Terminated or truncated: both stop the recursion. They differ inside the last TD "
        "error, where truncation keeps the bootstrap.",
        Link(
            "gae",
            "where the end of an episode can be ignored, to see what leaks",
            {"ending": ending, "end": "ignored"},
        ),
    )


QUESTIONS = (
    Question("gae_line", "The line for GAE", _LINE),
    Question("last_that_counts", "The last TD error that counts", _ends),
)
