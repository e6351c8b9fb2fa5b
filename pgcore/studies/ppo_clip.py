"""Chapter 5: the clipped objective, sample by sample, and what many epochs make of it.

Every objective goes through losses.clipped_surrogate, the function that PPO trains with; every
gradient is autograd's. Frames are tidy, one row a mark to draw. Float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pgcore.losses import (
    ClippedSurrogate,
    approx_kl,
    clip_fraction,
    clipped_surrogate,
    zero_gradient_fraction,
)

PLACES = ("below 1 − ε", "inside the range", "above 1 + ε")
"""Where a ratio can be."""


def place(ratios: Tensor, clip_eps: float) -> Tensor:
    """0, 1 or 2: which of PLACES each ratio is in, with clip_fraction's bounds. Shape kept."""
    return 1 + (ratios > 1 + clip_eps).int() - (ratios < 1 - clip_eps).int()


def surrogate_at(
    ratios: Tensor, advantages: Tensor, clip_eps: float
) -> tuple[ClippedSurrogate, Tensor]:
    """clipped_surrogate at given ratios, and the slope of its objective along the ratio.

        slope = d objective / d ratio, by autograd

    Args:
        ratios: (B,), above 0.
        advantages: (B,).
        clip_eps: half width of the range.
    Returns:
        The surrogate's pieces and the slope, each (B,), without a graph.
    """
    ratios = ratios.detach().clone().requires_grad_()
    pieces = clipped_surrogate(ratios.log(), torch.zeros_like(ratios), advantages, clip_eps)
    (slope,) = torch.autograd.grad(pieces.objective.sum(), ratios)
    return ClippedSurrogate(*(piece.detach() for piece in pieces)), slope


def objective(
    ratios: Sequence[float], advantages: Sequence[float], epsilons: Sequence[float]
) -> pd.DataFrame:
    """The clipped objective at every combination of ratio, advantage and epsilon.

    Returns:
        Frame with ratio, advantage, eps, low and high (1 -/+ eps); unclipped, clipped, objective,
        slope (by the ratio), push (by the log-probability: ratio times slope), clip_active, and
        words: which branch min picked, and why.
    """
    frames = []
    for eps in epsilons:
        grid = np.array(np.meshgrid(ratios, advantages, indexing="ij")).reshape(2, -1)
        ratio, advantage = torch.from_numpy(grid)
        pieces, slope = surrogate_at(ratio, advantage, eps)
        columns = {
            "ratio": ratio,
            "advantage": advantage,
            "eps": eps,
            "low": 1 - eps,
            "high": 1 + eps,
            "unclipped": pieces.unclipped,
            "clipped": pieces.clipped,
            "objective": pieces.objective,
            "slope": slope,
            "push": ratio * slope,
            "clip_active": pieces.clip_active,
            "words": _branch_words(ratio, advantage, pieces.clip_active, eps),
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def _branch_words(ratio: Tensor, advantage: Tensor, clip_active: Tensor, eps: float) -> list[str]:
    where = place(ratio, eps).tolist()
    kink = torch.isclose((ratio - 1).abs(), torch.tensor(eps, dtype=ratio.dtype)).tolist()
    words = []
    rows = zip(advantage.tolist(), clip_active.tolist(), where, kink, strict=True)
    for sign, active, spot, on_bound in rows:
        name = "positive" if sign > 0 else "negative"
        if sign == 0:
            words.append(
                "Zero gradient, but not because of the clip: the advantage is zero, so the "
                "objective is 0 at every ratio."
            )
        elif on_bound:
            words.append(
                "Exactly on the bound the curve may have a kink: autograd reports the slope of "
                "one of its two sides. Move one step to see each."
            )
        elif active:
            words.append(
                f"Zero gradient because the advantage is {name} and the ratio is already "
                f"{PLACES[spot]}: min picked the clipped branch, which is flat here."
            )
        elif spot == 1:
            change = "more" if sign > 0 else "less"
            words.append(
                f"Inside the range both branches are equal. The gradient is alive, and makes the "
                f"action {change} likely because the advantage is {name}."
            )
        else:
            back = "up" if sign > 0 else "down"
            words.append(
                f"Outside the range, yet the gradient is alive: the advantage is {name} and the "
                f"ratio is {PLACES[spot]}, so min picked the unclipped branch. It pulls the "
                f"ratio back {back}."
            )
    return words


def six_cases(clip_eps: float) -> pd.DataFrame:
    """Sign of the advantage times place of the ratio: what min picks and where the sample pushes.

    Returns:
        Frame of six rows: sign (+1, -1), place, ratio (one example), branch ("both", "clipped",
        "unclipped"), slope (autograd, for an advantage of +1 or -1), effect: what a gradient step
        does to the probability ("up", "down", "nothing").
    """
    example = torch.tensor([1 - 2 * clip_eps, 1.0, 1 + 2 * clip_eps], dtype=torch.float64)
    ratio = example.repeat(2)
    sign = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat_interleave(3)
    pieces, slope = surrogate_at(ratio, sign, clip_eps)
    branch = np.select(
        [pieces.clip_active, pieces.clipped == pieces.unclipped], ["clipped", "both"], "unclipped"
    )
    return pd.DataFrame(
        {
            "sign": sign.int(),
            "place": [PLACES[i] for i in place(ratio, clip_eps)],
            "ratio": ratio,
            "branch": branch,
            "slope": slope,
            "effect": np.select([slope > 0, slope < 0], ["up", "down"], "nothing"),
        }
    )


Objective = Callable[[Tensor, Tensor, Tensor, float, float], Tensor]

PPO = "PPO clip"
OBJECTIVES: dict[str, Objective] = {
    "no clip": lambda new, old, adv, eps, beta: clipped_surrogate(new, old, adv, eps).unclipped,
    "clip without min": lambda new, old, adv, eps, beta: (
        clipped_surrogate(new, old, adv, eps).clipped
    ),
    "KL penalty": lambda new, old, adv, eps, beta: (
        clipped_surrogate(new, old, adv, eps).unclipped
        - beta * torch.vmap(approx_kl)((new - old).flatten()).reshape(new.shape)
    ),
    PPO: lambda new, old, adv, eps, beta: clipped_surrogate(new, old, adv, eps).objective,
}
"""Name -> f(log_probs, old_log_probs, advantages, clip_eps, beta): one number a sample.

The KL penalty is ratio * A - beta * KL, with approx_kl's estimate of one sample (Schulman et al.,
2017, eq. 8).
"""


def compare(
    ratios: Sequence[float], advantages: Sequence[float], betas: Sequence[float], clip_eps: float
) -> pd.DataFrame:
    """The four objectives along the ratio.

    Returns:
        Frame with name, ratio, advantage, beta, value, slope (by the ratio, autograd), and
        effect: what a gradient step does to the ratio.
    """
    frames = []
    for name, function in OBJECTIVES.items():
        grid = np.array(np.meshgrid(ratios, advantages, betas, indexing="ij")).reshape(3, -1)
        ratio, advantage, beta = torch.from_numpy(grid)
        ratio.requires_grad_()
        value = function(ratio.log(), torch.zeros_like(ratio), advantage, clip_eps, beta)
        (slope,) = torch.autograd.grad(value.sum(), ratio)
        columns = {
            "name": name,
            "ratio": ratio.detach(),
            "advantage": advantage,
            "beta": beta,
            "value": value.detach(),
            "slope": slope,
            "effect": np.select([slope > 0, slope < 0], ["raises it", "lowers it"], "leaves it"),
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def batch(
    drifts: Sequence[float], agreements: Sequence[float], clip_eps: float, size: int, seed: int
) -> pd.DataFrame:
    """A made-up batch after an update, and the two meters on it.

        log ratio = drift * (agreement * A + sqrt(1 - agreement^2) * noise),   A, noise ~ N(0, 1)

    The same draws serve every drift and agreement, so that points move instead of jumping.

    Args:
        drifts: spread of the log ratios.
        agreements: correlation of log ratio and advantage, -1 to 1: how far each ratio went the
            way its advantage points.
        clip_eps: half width of the range.
        size: samples.
        seed: of the draws.
    Returns:
        Frame with drift, agreement, ratio, advantage, state ("inside", "outside, gradient
        alive", "outside, gradient zero"), and the batch's clip_fraction,
        zero_gradient_fraction and kl on each of its rows.
    """
    draws = np.random.default_rng(seed).normal(size=(2, size))
    advantage, noise = torch.from_numpy(draws)
    frames = []
    for drift in drifts:
        for agreement in agreements:
            log_ratio = drift * (agreement * advantage + (1 - agreement**2) ** 0.5 * noise)
            pieces = clipped_surrogate(log_ratio, torch.zeros_like(log_ratio), advantage, clip_eps)
            outside = place(pieces.ratio, clip_eps) != 1
            state = np.select(
                [pieces.clip_active, outside],
                ["outside, gradient zero", "outside, gradient alive"],
                "inside",
            )
            columns = {
                "drift": drift,
                "agreement": agreement,
                "ratio": pieces.ratio,
                "advantage": advantage,
                "state": state,
                "clip_fraction": clip_fraction(pieces.ratio, clip_eps).item(),
                "zero_gradient_fraction": zero_gradient_fraction(pieces.clip_active).item(),
                "kl": approx_kl(log_ratio).item(),
            }
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)
