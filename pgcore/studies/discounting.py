"""Chapter 1: a sum of discounted rewards, taken apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from pgcore.returns import discounted_returns

STEPS = 200


def _paid(*spans: tuple[range, float]) -> tuple[float, ...]:
    rewards = [0.0] * STEPS
    for span, reward in spans:
        for t in span:
            rewards[t] = reward
    return tuple(rewards)


REWARDS: dict[str, tuple[float, ...]] = {
    "+1 every step": _paid((range(STEPS), 1.0)),
    "+1 at steps 50 to 59": _paid((range(50, 60), 1.0)),
    "costs first, pay later": _paid((range(10), -1.0), (range(60, 80), 1.0)),
}
"""Reward sequences, by name."""


def effective_horizon(gamma: float) -> float:
    """Steps that matter, 1 / (1 - gamma): the sum of all weights gamma^0 + gamma^1 + ...

    Args:
        gamma: in [0, 1).
    """
    return 1 / (1 - gamma)


def discounted_sum(rewards: Sequence[float], gamma: float) -> pd.DataFrame:
    """A return taken apart: R_0 = sum_t gamma^t r_t.

    The weight of each reward is how much the return moves when that reward does, dR_0/dr_t: the
    derivative of the function that computes every agent's returns.

    Returns:
        t, reward, weight, contribution (weight * reward), so_far (their running sum; the last is
        the return).
    """
    r = torch.tensor(rewards, dtype=torch.float64).unsqueeze(-1).requires_grad_()
    total = discounted_returns(r, torch.ones_like(r), gamma)[0].sum()
    weight = torch.autograd.grad(total, r)[0].squeeze(-1).numpy()
    contribution = weight * np.array(rewards)
    return pd.DataFrame(
        {
            "t": np.arange(len(rewards)),
            "reward": rewards,
            "weight": weight,
            "contribution": contribution,
            "so_far": contribution.cumsum(),
        }
    )


def strips(horizons: Sequence[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every reward sequence under every discount, gamma = 1 - 1 / horizon.

    Returns:
        The rows of discounted_sum with `horizon` and `rewards` (the sequence's name); and one row
        for each pair: horizon, rewards, gamma, total (the return), within (the share of all
        weight, to infinity, that lies on the steps before the horizon).
    """
    steps, totals = [], []
    for horizon in horizons:
        gamma = 1 - 1 / horizon
        for name, rewards in REWARDS.items():
            frame = discounted_sum(rewards, gamma)
            which = {"horizon": horizon, "rewards": name}
            steps.append(frame.assign(**which))
            within = frame.weight[:horizon].sum() / effective_horizon(gamma)
            totals.append(
                which | {"gamma": gamma, "total": frame.so_far.iloc[-1], "within": within}
            )
    return pd.concat(steps, ignore_index=True), pd.DataFrame(totals)
