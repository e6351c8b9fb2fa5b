"""GAE: VPG with generalized advantage estimates in place of R - V(s)."""

from __future__ import annotations

from torch import Tensor

from pgcore.agents.base import Agent, Loss
from pgcore.losses import policy_gradient_loss
from pgcore.trajectory import Batch, TrajData


class GAE(Agent):
    """L = -mean( log pi(a|s) * A ) + mean( (R - V(s))^2 ),  A from returns.gae.

    The advantages are those of the rollout (TrajData.calc_gae, or the trainer); without them
    there is nothing to learn from, and the loss says so.

    Source: Schulman et al. (2016), "High-Dimensional Continuous Control Using Generalized
    Advantage Estimation".
    """

    name = "GAE"

    def loss(self, log_probs: Tensor, values: Tensor | None, traj: TrajData | Batch) -> Loss:
        assert values is not None
        if traj.advantages is None:
            raise ValueError("GAE needs advantages: call traj.calc_gae(values) before get_loss.")
        return Loss(
            policy_gradient_loss(log_probs, traj.advantages), self.critic_loss(traj, values)
        )
