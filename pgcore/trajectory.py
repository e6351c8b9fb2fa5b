"""What one rollout leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pgcore.returns import discounted_returns, gae
from pgcore.shapes import require_same_shape


@dataclass
class Batch:
    """Some rows of a rollout, flat: B of the T * N transitions."""

    states: Tensor  # (B, O)
    actions: Tensor  # (B,)
    log_probs: Tensor  # (B,), of the policy that acted
    returns: Tensor  # (B,), what the value network learns to predict
    advantages: Tensor | None  # (B,), constants; None: the loss takes returns - V(s) itself


class TrajData:
    """A rollout of n_steps in n_envs environments, time-major.

    The homework's fields: states (T, N, O); actions, rewards, not_dones, log_probs, returns
    (T, N); advantages (T, N), or None until somebody computes them.

    For the corrected trainer:
        successors (N, O): the observation after the last row. With states it gives the true
            successor of every row, because gymnasium's vector environments hand out the final
            observation first and reset one step later.
        terminated, truncated (T, N): why an episode ended.
        valid (T, N): False on the row in which an environment reset itself. Its action was
            ignored and its reward is 0: it never happened.
    """

    def __init__(self, n_steps: int, n_envs: int, n_obs: int, n_actions: int) -> None:
        shape = (n_steps, n_envs)
        self.n_steps = n_steps
        self.n_actions = n_actions
        self.states = torch.zeros(*shape, n_obs)
        self.actions = torch.zeros(shape, dtype=torch.int64)
        self.rewards = torch.zeros(shape)
        self.not_dones = torch.ones(shape)
        self.log_probs = torch.zeros(shape)
        self.returns = torch.zeros(shape)
        self.advantages: Tensor | None = None
        self.successors = torch.zeros(n_envs, n_obs)
        self.terminated = torch.zeros(shape, dtype=torch.bool)
        self.truncated = torch.zeros(shape, dtype=torch.bool)
        self.valid = torch.ones(shape, dtype=torch.bool)

    def store(self, t: int, s: Tensor, a: Tensor, r: Tensor, lp: Tensor, d: Tensor) -> None:
        """Write row t: states (N, O), then actions, rewards, log_probs and dones, each (N,).

        Raises:
            ValueError: if one of them has another shape.
        """
        require_same_shape(row=self.states[t], states=s)
        require_same_shape(row=self.rewards[t], actions=a, rewards=r, log_probs=lp, dones=d)
        self.states[t] = s
        self.actions[t] = a
        self.rewards[t] = r
        self.log_probs[t] = lp
        self.not_dones[t] = 1 - d.to(self.not_dones.dtype)

    def calc_returns(self, gamma: float = 0.99) -> None:
        """returns: the sum restarts at an episode's end and is not bootstrapped at the last row."""
        self.returns = discounted_returns(self.rewards, self.not_dones, gamma)

    def calc_gae(self, values: Tensor, gamma: float = 0.99, lam: float = 0.95) -> None:
        """advantages, by the homework's formula: every end stops the bootstrap.

            delta_t = r_t + gamma * V_{t+1} * not_done_t - V_t
            A_t = delta_t + gamma * lam * not_done_t * A_{t+1}

        Args:
            values: (T, N); V after the last row counts as 0. With (T + 1, N) that row bootstraps.
        """
        if len(values) == self.n_steps:
            values = torch.cat([values, torch.zeros_like(values[:1])])
        done = self.not_dones == 0
        never = torch.zeros_like(done)
        self.advantages = gae(self.rewards, values[:-1], values[1:], done, never, gamma, lam)

    def detach(self) -> None:
        """Drop the graph that actions and log_probs hold."""
        self.actions = self.actions.detach()
        self.log_probs = self.log_probs.detach()

    def rows(self, index: Tensor) -> Batch:
        """The transitions at these positions of the flattened (T * N) rollout."""
        return Batch(
            self.states.flatten(0, 1)[index],
            self.actions.flatten()[index],
            self.log_probs.flatten()[index],
            self.returns.flatten()[index],
            None if self.advantages is None else self.advantages.flatten()[index],
        )
