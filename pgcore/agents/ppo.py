"""PPO: several epochs on one rollout, held near the old policy by a clipped objective."""

from __future__ import annotations

from torch import Tensor

from pgcore.agents.base import Agent, Loss
from pgcore.losses import clipped_surrogate
from pgcore.trajectory import Batch, TrajData


class PPO(Agent):
    """L = -mean( min(ratio * A, clamp(ratio, 1 - eps, 1 + eps) * A) ) + mean( (R - V(s))^2 ).

    Source: Schulman et al. (2017), "Proximal Policy Optimization Algorithms", eq. 7 and 9.
    """

    name = "PPO"
    uses_ratio = True

    def loss(self, log_probs: Tensor, values: Tensor | None, traj: TrajData | Batch) -> Loss:
        assert values is not None
        surrogate = clipped_surrogate(
            log_probs, traj.log_probs, self.advantages(traj, values), self.config.clip_eps
        )
        return Loss(-surrogate.objective.mean(), self.critic_loss(traj, values), surrogate)
