"""Scores of a few runs, with their uncertainty.

After Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice"
(rliable).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 5_000


class Estimate(NamedTuple):
    """A statistic and its bootstrap interval; NaN where there is too little to say."""

    value: float
    low: float
    high: float


def iqm(scores: np.ndarray) -> np.ndarray:
    """Interquartile mean: the mean of what is left without the lowest and the highest quarter.

    Of n scores floor(n / 4) are left out at either end (Agarwal et al. 2021, section 4.3), so up
    to three scores give their plain mean.

    Args:
        scores: (..., n), n at least 1.
    Returns:
        (...)
    """
    if scores.shape[-1] == 0:
        raise ValueError("the interquartile mean needs at least one score.")
    cut = scores.shape[-1] // 4
    ordered = np.sort(scores, axis=-1)
    return ordered[..., cut : scores.shape[-1] - cut].mean(axis=-1)


def iqm_estimate(scores: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """The IQM with its percentile bootstrap interval (Agarwal et al. 2021, section 4.1).

    Args:
        scores: (n,); below two there is no interval, and the IQM of none is NaN.
        resamples: how often n scores are drawn from them, with replacement.
        seed: of the draws: the same scores give the same interval.
    """
    n = len(scores)
    if n < 2:
        return Estimate(float(scores[0]) if n else np.nan, np.nan, np.nan)
    draws = np.random.default_rng(seed).integers(n, size=(resamples, n))
    return Estimate(float(iqm(scores)), *_interval(iqm(scores[draws])))


def probability_of_improvement(
    x: np.ndarray, y: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """P(X > Y) + P(X = Y) / 2 over all pairs of a run of x and a run of y: 0.5 is a draw.

    The interval is the percentile bootstrap's, drawn from x and from y apart, so that each keeps
    its number of runs (Agarwal et al. 2021, section 4.3).

    Args:
        x, y: (n,) and (m,) scores; NaN where one is empty, no interval where one has a single one.
    """
    n, m = len(x), len(y)
    if not (n and m):
        return Estimate(np.nan, np.nan, np.nan)
    wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    value = float(wins.mean())
    if min(n, m) < 2:
        return Estimate(value, np.nan, np.nan)
    generator = np.random.default_rng(seed)
    # How often each run is drawn: a mean over drawn pairs is then two small products.
    of_x = generator.multinomial(n, np.full(n, 1 / n), size=resamples) / n
    of_y = generator.multinomial(m, np.full(m, 1 / m), size=resamples) / m
    return Estimate(value, *_interval(((of_x @ wins) * of_y).sum(axis=1)))


def _interval(values: np.ndarray) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
