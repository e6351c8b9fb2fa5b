"""Inside an update: which samples are drawn, and the curves that they lie on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from pgcore.losses import clipped_surrogate
from pgcore.recording import Recording
from pgcore.studies.update import tensor

DOTS_A_STEP, DOTS = 512, 40_000
"""Most samples that are drawn of one gradient step (a whole minibatch of the fast preset), and of
all steps together."""
FURTHEST = 0.1
"""Share of the drawn transitions that are not left to chance: those that went furthest."""


def drawn(recording: Recording, seed: int = 0) -> np.ndarray:
    """Which transitions to draw where there are too many: rows of the rollout, sorted.

    At most about DOTS_A_STEP samples a gradient step and DOTS in all. FURTHEST of them are the
    transitions whose ratio went furthest from 1 (in logarithms), the others drawn at random.
    """
    rows, inverse = np.unique(recording.row, return_inverse=True)
    largest, n_epochs = np.bincount(recording.step).max(), int(recording.epoch[-1]) + 1
    share = min(1.0, DOTS_A_STEP / largest, DOTS / (n_epochs * rows.size))
    if share == 1:
        return rows
    count = max(1, int(share * rows.size))
    distance = np.zeros(rows.size)
    ratio = np.maximum(recording.ratio.astype(np.float64), np.finfo(np.float32).tiny)
    np.maximum.at(distance, inverse, np.abs(np.log(ratio)))
    order = np.argsort(-distance, kind="stable")
    furthest = int(FURTHEST * count)
    rest = np.random.default_rng(seed).choice(order[furthest:], count - furthest, replace=False)
    return np.sort(rows[np.concatenate([order[:furthest], rest])])


def curve(recording: Recording, advantages: np.ndarray, ratios: np.ndarray) -> pd.DataFrame:
    """The clipped objective as a polyline for each advantage: advantage, ratio, objective.

    Args:
        advantages: (A,).
        ratios: (R,), where to begin and end; the bounds, where it bends, are added.
    """
    grid = np.unique([*ratios, *recording.clip_range])
    advantage, ratio = (tensor(part.ravel()) for part in np.meshgrid(advantages, grid))
    pieces = clipped_surrogate(
        ratio.log(), torch.zeros_like(ratio), advantage, recording.config.clip_eps
    )
    frame = pd.DataFrame({"advantage": advantage, "ratio": ratio, "objective": pieces.objective})
    return frame.sort_values(["advantage", "ratio"], ignore_index=True)
