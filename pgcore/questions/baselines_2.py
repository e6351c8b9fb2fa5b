"""Chapter 4: advantages in code, and the mean on the parabola."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from pgcore.questions.answers import Mark, letters
from pgcore.questions.base import Asked, Link, Question, Rng, pick, shown
from pgcore.questions.baselines_1 import TOPIC
from pgcore.questions.line import Line, Mistake
from pgcore.questions.number import Number, Trap
from pgcore.studies import baselines

__all__ = ["QUESTIONS", "TOPIC"]


def _shape(rng: Rng) -> Asked:
    rows = pick(rng, 32, 64, 128)
    difference = torch.zeros(rows) - torch.zeros(rows, 1)
    return Asked(
        f"`returns` has shape ({rows},) and `value(states)` has shape ({rows}, 1). How many "
        "numbers does `returns - value(states)` hold?",
        Number(
            float(difference.numel()),
            (
                Trap(
                    float(rows),
                    "Trust in matching sizes",
                    "PyTorch lines up shapes from the right: (B,) becomes (1, B), and both are "
                    "stretched.",
                ),
                Trap(float(2 * rows), "Stacking", "Subtraction does not put them side by side."),
                Trap(
                    0.0,
                    "Trust in error messages",
                    "It would be better if it failed. It broadcasts without a word.",
                ),
            ),
            within=0,
        ),
        f"({rows}, {rows}): every return minus every value. The mean of it is a number like any "
        "other, so the code runs, and V learns the mean return for all states. Squeeze the last "
        "dimension. pgcore refuses such shapes: `require_same_shape`.",
        Link("baselines", "where the agents' code is shown"),
    )


_FLAT = (
    ".squeeze(-1)",
    ".squeeze(1)",
    ".squeeze()",
    ".flatten()",
    ".view(-1)",
    ".reshape(-1)",
    "[:, 0]",
    "[..., 0]",
)
_LINE = Asked(
    "Fill in the advantage for the policy's loss, as a constant.",
    Line(
        "values = value(states)      # (B, 1), with a graph\n# returns (B,)",
        "advantages",
        "policy_loss = -(log_probs * advantages).mean()   # log_probs (B,)",
        tuple(
            form.format(flat)
            for flat in _FLAT
            for form in (
                "returns - values{}.detach()",
                "returns - values.detach(){}",
                "(returns - values{}).detach()",
            )
        ),
        (
            Mistake(
                "returns - values.detach()",
                "(B,) against (B, 1)",
                "That broadcasts to (B, B): every return minus every value.",
            ),
            Mistake(
                "returns - values",
                "(B,) against (B, 1)",
                "That broadcasts to (B, B), and it is not a constant either.",
            ),
            Mistake(
                "returns - values.squeeze(-1)",
                "The advantage not detached",
                "The policy's loss then also pushes the value network, away from what its own loss "
                "wants. The homework does this.",
            ),
            Mistake(
                "values.squeeze(-1).detach() - returns",
                "The sign",
                "Better than expected must be positive.",
            ),
            Mistake(
                "returns.detach() - values.squeeze(-1)",
                "Detaching the wrong one",
                "Returns have no graph. The values have.",
            ),
        ),
    ),
    "Two things to get right at once: the shape, and the cut.",
    Link("baselines", "where the agents' code is shown"),
)


def _parabola(rng: Rng) -> Asked:
    problem = baselines.problem_with(pick(rng, 0.5, 0.7, 0.9))
    mean, best = float(problem.expected_reward), baselines.optimal_baseline(problem)
    others = [b for b in (2.0, 5.0, 8.0, 11.0, 14.0, 17.0) if min(abs(b - best), abs(b - mean)) > 1]
    places = sorted([best, mean, *others])
    names = letters(len(places))
    by_name = dict(zip(names, places, strict=True))
    right = names[places.index(mean)]
    wrong = {
        name: (
            "Another baseline",
            f"That is {shown(place, 3)}; the mean reward is {shown(mean, 3)}.",
        )
        for name, place in by_name.items()
        if name != right
    }
    wrong[names[places.index(best)]] = (
        "The mean reward taken for the optimum",
        f"The lowest point is at {shown(best, 3)}. The mean reward is {shown(mean, 3)}: a fair "
        "baseline, and not the best one.",
    )
    dense = np.linspace(1, 18, 25)

    def variance(b: float) -> float:
        return baselines.moments(problem, b)[1]

    rewards = ", ".join(
        f"{reward:g} with probability {shown(float(p), 3)}"
        for reward, p in zip(problem.rewards, problem.probs, strict=True)
    )
    return Asked(
        f"Three actions pay {rewards}. The curve is the variance of the gradient estimate against "
        "the baseline. Mark the baseline that is the **expected reward** J.",
        Mark(
            pd.DataFrame({"name": names, "x": places, "y": [variance(b) for b in places]}),
            frozenset({right}),
            wrong,
            "points",
            "baseline",
            "variance",
            "A parabola of variance against baseline, with marks at "
            + ", ".join(f"{name} {place:.1f}" for name, place in by_name.items())
            + ".",
            curve=pd.DataFrame({"x": dense, "y": [variance(float(b)) for b in dense]}),
        ),
        f"J = Σ π(a) r(a) = {shown(mean, 3)}. The lowest point, {shown(best, 3)}, leans towards "
        "what the rare actions pay.",
        Link(
            "baselines",
            "where both points can be found",
            {"prob_c": f"{float(problem.probs[2]):g}"},
        ),
    )


QUESTIONS = (
    Question("broadcast", "(B,) minus (B, 1)", _shape),
    Question("advantage_line", "The line for advantages", _LINE),
    Question("mark_the_mean", "The mean on the parabola", _parabola),
)
