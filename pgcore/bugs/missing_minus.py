"""Gradient ascent on the wrong thing: the missing minus sign."""

from __future__ import annotations

from torch import Tensor

from pgcore.agents.base import Loss
from pgcore.agents.vpg import VPG
from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig
from pgcore.losses import policy_gradient_loss
from pgcore.shapes import require_same_shape
from pgcore.trajectory import Batch, TrajData


def ascending_loss(log_probs: Tensor, weights: Tensor) -> Tensor:
    """The policy-gradient loss without its minus."""
    require_same_shape(log_probs=log_probs, weights=weights)
    return (log_probs * weights).mean()


class AscendingVPG(VPG):
    """VPG that minimises what it should maximise."""

    def loss(self, log_probs: Tensor, values: Tensor | None, traj: TrajData | Batch) -> Loss:
        assert values is not None
        advantages = self.advantages(traj, values)
        return Loss(ascending_loss(log_probs, advantages), self.critic_loss(traj, values))


BUG = Bug(
    title="The missing minus sign",
    symptom="The return falls below a random policy's, to about 9 steps, and stays there.",
    cause="An optimizer minimises. Without the minus, actions that paid off become less likely.",
    fix="Minimise the negative: -(log_probs * weights).mean().",
    config=TrainConfig.fast("vpg"),
    agent=AscendingVPG,
    right=policy_gradient_loss,
    wrong=ascending_loss,
)
