"""Chapter 5: the clipped objective, sample by sample, and what many epochs make of it.

Everything goes through losses.clipped_surrogate, the function that PPO trains with; gradients are
autograd's. Frames are tidy, one row a mark to draw.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pgcore.losses import ClippedSurrogate, clipped_surrogate


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
    """The objective at every combination of ratio, advantage and epsilon.

    Returns:
        Frame with ratio, advantage, eps; unclipped, clipped, objective; slope (by the ratio);
        clip_active; outside (of the range); case (one of CASES) and its tone.
    """
    frames = []
    for eps in epsilons:
        grid = np.array(np.meshgrid(ratios, advantages, indexing="ij")).reshape(2, -1)
        ratio, advantage = torch.from_numpy(grid)
        pieces, slope = surrogate_at(ratio, advantage, eps)
        frames.append(
            pd.DataFrame(
                {
                    "ratio": ratio,
                    "advantage": advantage,
                    "eps": eps,
                    "unclipped": pieces.unclipped,
                    "clipped": pieces.clipped,
                    "objective": pieces.objective,
                    "slope": slope,
                    "clip_active": pieces.clip_active,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
