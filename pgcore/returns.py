"""From rewards to returns and advantages.

All tensors are time-major: row t is step t of every environment, shape (T, N).
"""

from __future__ import annotations

import torch
from torch import Tensor

from pgcore.shapes import require_same_shape


def discounted_returns(rewards: Tensor, not_dones: Tensor, gamma: float) -> Tensor:
    """Discounted reward-to-go, restarting where an episode ends.

        R_t = r_t + gamma * not_done_t * R_{t+1},    R_T = 0

    Nothing is known after the last row, so its return is its own reward: there is no bootstrap.

    Args:
        rewards: (T, N).
        not_dones: (T, N), 1 where the episode goes on after step t, 0 where it ended.
        gamma: discount in [0, 1].
    Returns:
        (T, N), in units of reward.
    Raises:
        ValueError: if the shapes differ.
    Source: Sutton & Barto (2018), eq. 3.9.
    """
    require_same_shape(rewards=rewards, not_dones=not_dones)
    discount = gamma * not_dones.to(rewards.dtype)
    reversed_returns = []
    following = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        following = rewards[t] + discount[t] * following
        reversed_returns.append(following)
    return torch.stack(reversed_returns[::-1])


def td_errors(
    rewards: Tensor, values: Tensor, next_values: Tensor, terminated: Tensor, gamma: float
) -> Tensor:
    """One-step temporal-difference errors.

        delta_t = r_t + gamma * (1 - terminated_t) * V(s_{t+1}) - V(s_t)

    Termination stops the bootstrap: nothing follows a terminal state. A time limit does not stop
    it: the world would have gone on, so next_values must hold V of the final observation there.

    Args:
        rewards, values: (T, N).
        next_values: (T, N), V of the true successor of step t.
        terminated: (T, N), true where the environment itself ended the episode.
        gamma: discount in [0, 1].
    Returns:
        (T, N), in units of reward.
    Raises:
        ValueError: if the shapes differ.
    Source: Sutton & Barto (2018), eq. 6.5; Schulman et al. (2016), eq. 10.
    """
    require_same_shape(
        rewards=rewards, values=values, next_values=next_values, terminated=terminated
    )
    alive = 1.0 - terminated.to(rewards.dtype)
    return rewards + gamma * alive * next_values - values


def gae(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    gamma: float,
    lam: float,
) -> Tensor:
    """Generalized advantage estimation.

        A_t = delta_t + gamma * lam * (1 - terminated_t) * (1 - truncated_t) * A_{t+1}

    lam = 0 leaves the TD error; lam = 1 gives return minus value. Termination stops the bootstrap
    (inside delta), truncation does not; both stop the recursion, since row t + 1 belongs to
    another episode.

    Args:
        rewards, values, next_values, terminated: as in td_errors, (T, N).
        truncated: (T, N), true where a time limit cut the episode.
        gamma, lam: in [0, 1].
    Returns:
        (T, N), in units of reward. No gradient is cut here: detach values to get constants.
    Raises:
        ValueError: if the shapes differ.
    Source: Schulman et al. (2016), "High-Dimensional Continuous Control Using Generalized
    Advantage Estimation", eq. 16.
    """
    deltas = td_errors(rewards, values, next_values, terminated, gamma)
    require_same_shape(terminated=terminated, truncated=truncated)
    going_on = ~(terminated.bool() | truncated.bool())
    decay = gamma * lam * going_on.to(rewards.dtype)
    reversed_advantages = []
    following = torch.zeros_like(deltas[0])
    for t in reversed(range(len(deltas))):
        following = deltas[t] + decay[t] * following
        reversed_advantages.append(following)
    return torch.stack(reversed_advantages[::-1])
