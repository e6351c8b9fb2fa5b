"""(B, 1) against (B,): the silent B x B."""

from __future__ import annotations

from torch import Tensor

from pgcore.agents.base import Loss
from pgcore.agents.vpg import VPG
from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig
from pgcore.trajectory import Batch, TrajData


def broadcasting_loss(log_probs: Tensor, weights: Tensor) -> Tensor:
    """The policy-gradient loss without a shape check, given (B,) and (B, 1)."""
    return -(log_probs * weights).mean()


class BroadcastingVPG(VPG):
    """VPG whose advantages kept the value network's last axis."""

    def loss(self, log_probs: Tensor, values: Tensor | None, traj: TrajData | Batch) -> Loss:
        assert values is not None
        advantages = self.advantages(traj, values).unsqueeze(-1)
        return Loss(broadcasting_loss(log_probs, advantages), self.critic_loss(traj, values))


BUG = Bug(
    title="(B, 1) against (B,)",
    symptom="No error, a loss of a believable size, and no learning.",
    cause="value(states) ends in an axis of length 1. Multiplied with (B,), it gives (B, B): every "
    "action is paired with every advantage, and the advantages cancel.",
    fix="squeeze(-1) the value network's output, and check shapes where a loss begins.",
    config=TrainConfig.fast("vpg"),
    agent=BroadcastingVPG,
    right=VPG.loss,
    wrong=BroadcastingVPG.loss,
)
