"""The clip alone: no way back."""

from __future__ import annotations

from torch import Tensor

from pgcore.agents.base import Loss
from pgcore.agents.ppo import PPO
from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig
from pgcore.trajectory import Batch, TrajData


class ClipOnlyPPO(PPO):
    """PPO that maximises the clipped branch, without the min."""

    def loss(self, log_probs: Tensor, values: Tensor | None, traj: TrajData | Batch) -> Loss:
        loss = super().loss(log_probs, values, traj)
        assert loss.surrogate is not None
        ratio, eps = loss.surrogate.ratio, self.config.clip_eps
        outside = (ratio < 1 - eps) | (ratio > 1 + eps)
        surrogate = loss.surrogate._replace(objective=loss.surrogate.clipped, clip_active=outside)
        return Loss(-surrogate.objective.mean(), loss.value, surrogate)


BUG = Bug(
    title="Clip without min",
    symptom="Every sample outside the range has no gradient, also those that went the wrong way.",
    cause="The clipped branch is flat on both sides. Without the min nothing pulls a ratio back "
    "that other samples pushed out.",
    fix="objective = min(ratio * A, clip(ratio) * A).",
    config=TrainConfig.fast("ppo", n_epochs=10),
    agent=ClipOnlyPPO,
    right=PPO.loss,
    wrong=ClipOnlyPPO.loss,
)
