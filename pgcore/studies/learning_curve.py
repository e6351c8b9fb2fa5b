"""From the updates of a run to the curves that a page draws."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from pgcore.stats import UpdateStats

Row = TypeVar("Row")

WINDOW = 20
"""Episodes behind each point of the return curve, at least, once that many have ended."""
SPREAD = (0.1, 0.9)
"""Quantiles between which the band lies."""
MAX_POINTS = 600
METERS = (
    "policy_loss",
    "value_loss",
    "entropy",
    "approx_kl",
    "clip_fraction",
    "zero_gradient_fraction",
    "ratio_spread",
    "explained_variance",
    "grad_norm",
    "reward_per_step",
)


def return_curve(
    stats: Sequence[UpdateStats], window: int = WINDOW, history: Sequence[UpdateStats] = ()
) -> pd.DataFrame:
    """Mean and spread of the episodes that ended, by update.

    Each point takes all episodes that ended in its update; where those are fewer than `window`,
    earlier ones fill up. Before the first episode has ended there is no point.

    Args:
        history: of a fork, the parent's updates before it. They fill up too, and the curve begins
            with the last one's point: on the parent's curve.
    Returns:
        Columns env_steps, mean, low, high, episodes; at most MAX_POINTS rows.
    """
    recent: deque[float] = deque(maxlen=window)
    pools = []
    begin = history[-1].update if history else 0
    for one in (*history, *stats):
        recent.extend(one.episode_returns)
        pool = one.episode_returns if len(one.episode_returns) > window else tuple(recent)
        if pool and one.update >= begin:
            pools.append((one.env_steps, pool))
    rows = [(env_steps, *_spread(pool), len(pool)) for env_steps, pool in _thinned(pools)]
    return pd.DataFrame(rows, columns=["env_steps", "mean", "low", "high", "episodes"])


def _spread(pool: Sequence[float]) -> tuple[float, float, float]:
    """Mean and the quantiles of SPREAD, as np.quantile has them: a fifth of its time, and a page
    asks for hundreds at every look at a run."""
    ordered = np.sort(np.array(pool, float))
    places = np.multiply(SPREAD, len(ordered) - 1)
    low, high = np.interp(places, np.arange(len(ordered)), ordered)
    return float(ordered.mean()), float(low), float(high)


def meters(stats: Sequence[UpdateStats]) -> pd.DataFrame:
    """One column a meter of METERS, by env_steps; None where a quantity does not exist."""
    rows = [(one.env_steps, *(getattr(one, name) for name in METERS)) for one in _thinned(stats)]
    return pd.DataFrame(rows, columns=["env_steps", *METERS]).astype(float)


def _thinned(rows: Sequence[Row]) -> Sequence[Row]:
    if len(rows) <= MAX_POINTS:
        return rows
    # Evenly spread, first and last kept: dropping points never moves one.
    keep = np.unique(np.linspace(0, len(rows) - 1, MAX_POINTS).round().astype(int))
    return [rows[i] for i in keep]
