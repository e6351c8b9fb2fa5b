"""The number that a learner's loop would plot for each update."""

from __future__ import annotations

import math
from typing import Any

from pgcore.grading.script import Rollout
from pgcore.grading.subject import Mistake


def check_plotted(answer: Any, rollouts: list[Rollout], returns: list[float]) -> str:
    """What train returns is about the returns of whole episodes.

    Args:
        answer: what train returned.
        rollouts: what it learned from, one an update.
        returns: of the episodes that ended.
    """
    try:
        numbers = [float(number) for number in answer]
    except (TypeError, ValueError):
        raise Mistake(
            f"train must return {len(rollouts)} numbers, the ones to plot, and returned "
            f"{type(answer).__name__}."
        ) from None
    if len(numbers) != len(rollouts):
        raise Mistake(f"train must return {len(rollouts)} numbers, one an update: {len(numbers)}.")
    for what, blind in _blind(rollouts).items():
        if all(math.isclose(n, b, rel_tol=1e-4) for n, b in zip(numbers, blind, strict=True)):
            raise Mistake(
                f"It is {what}, which is nearly the same for a good and a bad policy: plot the "
                "return of whole episodes.",
                "blind_metric",
            )
    if not returns:
        raise Mistake("No episode came to its end in these rollouts: make them longer.")
    numbers = [number for number in numbers if not math.isnan(number)]
    if not numbers:
        raise Mistake("None of what train returned is a number.")
    # The total reward divided by the number of ends counts cut episodes too.
    inside = [min(returns) <= number <= 1.5 * max(returns) for number in numbers]
    if not all(inside):
        raise Mistake(
            f"Whole episodes returned {min(returns):.1f} to {max(returns):.1f} here, and train "
            f"returned {numbers[inside.index(False)]:.3g}."
        )
    return "in the range of the episodes' returns"


def _blind(rollouts: list[Rollout]) -> dict[str, list[float]]:
    """The usual metrics that see no episode, by what they are, one number an update."""
    rewards = [(rollout.rewards, rollout.valid) for rollout in rollouts]
    return {
        "the mean reward a step": [r.mean().item() for r, _ in rewards],
        "the mean reward a step, without reset rows": [r[v].mean().item() for r, v in rewards],
        "the sum of a rollout's rewards": [r.sum().item() for r, _ in rewards],
        "the sum of a rollout's rewards, an environment": [
            r.sum(0).mean().item() for r, _ in rewards
        ],
    }
