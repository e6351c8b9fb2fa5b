"""Chapter 6: what the parts of generalized advantage estimation weigh, read off the code itself."""

from __future__ import annotations

import torch
from torch import Tensor

from pgcore.returns import gae
from pgcore.studies.gae_windows import Window


def td_weights(going_on: Tensor, gamma: float, lam: float) -> Tensor:
    """How much each TD error counts in each advantage, read off returns.gae itself.

    gae is linear in the TD errors, so its answer to a single reward of 1 at row j (values 0) is
    the weight of delta_j in every A_t: (gamma * lam)^(j - t) as long as no episode ends between.

    Args:
        going_on: (T,), false where the recursion stops.
        gamma, lam: in [0, 1].
    Returns:
        (T, T) float64: row t, column j. Zero below the diagonal: the past does not count.
    """
    steps = len(going_on)
    impulses = torch.eye(steps, dtype=torch.float64)
    zeros = torch.zeros_like(impulses)
    ended = (~going_on)[:, None].expand(steps, steps)
    return gae(impulses, zeros, zeros, ended, ended, gamma, lam)


def n_step_weights(horizon: int, lam: float) -> Tensor:
    """How much each n-step advantage counts in GAE: (1 - lam) lam^(n-1), n = 1 .. horizon.

    Read off td_weights: the n-step advantage holds the TD errors 0 .. n-1, so its weight is what
    the weight of delta loses from n - 1 to n. The last one, the longest, takes all that is left:
    lam^(horizon-1).

    Args:
        horizon: steps until the episode ends (or the rollout does), at least 1.
        lam: in [0, 1].
    Returns:
        (horizon,) float64, sums to 1.
    Source: Schulman et al. (2016), eq. 16, there for an endless episode.
    """
    by_lag = td_weights(torch.ones(horizon, dtype=torch.bool), gamma=1.0, lam=lam)[0]
    return by_lag - torch.cat([by_lag[1:], by_lag.new_zeros(1)])


def n_step_advantages(window: Window, t: int, gamma: float) -> Tensor:
    """A^(n)_t = r_t + .. + gamma^(n-1) r_{t+n-1} + gamma^n V(s_{t+n}) - V(s_t), n = 1, 2, ..

    One call of returns.gae at lambda 1, with a column for each n and a time limit put at row
    t + n - 1: a truncation bootstraps there and stops the sum.

    Args:
        window: as it is to be handled.
        t: row of the window.
        gamma: in [0, 1].
    Returns:
        (H,), H rows until the recursion stops or the window does; in units of reward.
    """
    ends = (window.terminated | window.truncated)[t:, 0]
    horizon = int(ends.int().argmax()) + 1 if ends.any() else len(ends)
    part = slice(t, t + horizon)
    shape = (horizon, horizon)
    limits = window.truncated[part].expand(shape) | torch.eye(horizon, dtype=torch.bool)
    return gae(
        window.rewards[part].expand(shape),
        window.values[part].expand(shape),
        window.next_values[part].expand(shape),
        window.terminated[part].expand(shape),
        limits,
        gamma,
        lam=1.0,
    )[0]


def lag_weight(lag: int, gamma: float, lam: float) -> float:
    """How much a TD error counts so many steps earlier, in one episode: (gamma * lam)^lag."""
    return float(td_weights(torch.ones(lag + 1, dtype=torch.bool), gamma, lam)[0, lag])
