"""REINFORCE: make actions that were followed by a high return more likely."""

from __future__ import annotations

from torch import Tensor

from pgcore.agents.base import Agent, Loss
from pgcore.losses import policy_gradient_loss
from pgcore.trajectory import Batch, TrajData


class REINFORCE(Agent):
    """L = -mean( log pi(a|s) * R ).

    Where the trainer normalises (config.normalize_advantages), R is the standardised return:
    subtracting one constant is the simplest baseline.

    Source: Williams (1992), "Simple Statistical Gradient-Following Algorithms".
    """

    name = "REINFORCE"
    uses_value = False

    def loss(self, log_probs: Tensor, values: Tensor | None, traj: TrajData | Batch) -> Loss:
        weights = traj.returns if traj.advantages is None else traj.advantages
        return Loss(policy_gradient_loss(log_probs, weights))
