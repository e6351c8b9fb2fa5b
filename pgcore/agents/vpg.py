"""VPG, the vanilla policy gradient: REINFORCE with a learned value baseline."""

from __future__ import annotations

from torch import Tensor

from pgcore.agents.base import Agent, Loss
from pgcore.losses import policy_gradient_loss
from pgcore.trajectory import Batch, TrajData


class VPG(Agent):
    """L = -mean( log pi(a|s) * A ) + mean( (R - V(s))^2 ),  A = R - V(s).

    Source: Sutton & Barto (2018), section 13.4.
    """

    name = "VPG"

    def loss(self, log_probs: Tensor, values: Tensor | None, traj: TrajData | Batch) -> Loss:
        assert values is not None
        advantages = self.advantages(traj, values)
        return Loss(policy_gradient_loss(log_probs, advantages), self.critic_loss(traj, values))
