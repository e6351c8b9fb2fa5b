"""The homework's conceptual question on the clip, in parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from pgcore.questions.answers import Choice, Mark, Option, letters
from pgcore.questions.base import Asked, Link, Question, Rng, pick, shown
from pgcore.questions.concepts_1 import TOPIC
from pgcore.studies import ppo_clip

__all__ = ["QUESTIONS", "TOPIC"]


def _where(rng: Rng) -> Asked:
    eps, sign = pick(rng, 0.1, 0.2, 0.3), pick(rng, 1.0, -1.0)
    ratios = np.array([1 - 2.5 * eps, 1 - 1.5 * eps, 1 - 0.5 * eps, 1.0, 1 + 0.5 * eps])
    ratios = np.append(ratios, [1 + 1.5 * eps, 1 + 2.5 * eps])
    points = torch.from_numpy(ratios)
    pieces, slope = ppo_clip.surrogate_at(points, torch.full_like(points, sign), eps)
    names = letters(len(ratios))
    marks = pd.DataFrame({"name": names, "x": ratios, "y": pieces.objective.numpy()})
    dense = torch.linspace(float(1 - 3 * eps), float(1 + 3 * eps), 241, dtype=torch.float64)
    line, _ = ppo_clip.surrogate_at(dense, torch.full_like(dense, sign), eps)
    right = frozenset(n for n, active in zip(names, pieces.clip_active, strict=True) if active)
    wrong = {
        name: (
            (
                "Outside taken for silent",
                "It is outside the range, but on the side that the advantage is against. There min "
                "picks the unclipped branch, whose slope pulls the ratio back.",
            )
            if abs(ratio - 1) > eps
            else (
                "Inside the range",
                "Between 1 − ε and 1 + ε both branches are equal, and the gradient is alive.",
            )
        )
        for name, ratio in zip(names, ratios, strict=True)
        if name not in right
    }
    word = "positive" if sign > 0 else "negative"
    moved = "above 1 + ε" if sign > 0 else "below 1 − ε"
    return Asked(
        f"ε = {eps:g}, and the pair's advantage is **{word}** ({shown(sign)}). The curve is the "
        "clipped objective. Mark **all** the ratios at which the clipped expression is active, "
        "so that this pair's gradient is zero.",
        Mark(
            marks,
            right,
            wrong,
            "points",
            "ratio",
            "objective",
            f"The clipped objective for a {word} advantage against the ratio, with "
            f"{len(names)} marks from A (ratio {ratios[0]:g}) to {names[-1]} (ratio "
            f"{ratios[-1]:g}).",
            many=True,
            curve=pd.DataFrame({"x": dense.numpy(), "y": line.objective.numpy()}),
        ),
        f"The slope is zero only {moved}. Slopes by autograd, A to {names[-1]}: "
        + ", ".join(shown(float(value), 3) for value in slope)
        + ".",
        Link(
            "ppo_clip",
            "where the gradient is drawn under the objective",
            {"eps": f"{eps:g}", "advantage": f"{sign:g}"},
        ),
        "“Outside the range the gradient is zero” is loose: it is zero only where min picks the "
        "clipped branch, which is one side of the range and not both.",
    )


_THEN = Asked(
    "The clipped expression is active for a pair with a **positive** advantage. Its gradient is "
    "zero. What happens to that action's probability in the next gradient step?",
    Choice(
        (
            Option(
                "this pair does not move it; other pairs and momentum still can",
                "Zero gradient means no push from this pair. The weights belong to all pairs.",
            ),
            Option(
                "it stays as it is",
                "That would need every pair that shares its weights to be silent, and an optimizer "
                "without momentum.",
                "No push taken for no motion",
            ),
            Option(
                "it is reset to 1 + ε times the old probability",
                "The clip changes the objective's value. It never touches the policy.",
                "The clip taken for a projection",
            ),
            Option(
                "it goes down, back towards the range",
                "The flat branch has no slope in either direction.",
                "The clip taken for a spring",
            ),
        )
    ),
    "For a negative advantage it is the mirror image: active below 1 − ε, gradient zero, and the "
    "pair no longer pushes its action down.",
    Link(
        "ppo_clip",
        "where the ratio moves on though the pair is silent",
        {"rate": "0.1", "share": "0.3", "epoch": "9"},
    ),
    "“Its probability no longer changes” is loose: nothing in PPO bounds the ratio.",
)

QUESTIONS = (
    Question("clip_active", "Where the clip is active", _where, "conceptual 4"),
    Question("after_the_clip", "What happens to the probability", _THEN, "conceptual 4"),
)
