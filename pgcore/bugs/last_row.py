"""The world ends with the rollout."""

from __future__ import annotations

from torch import Tensor

from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig
from pgcore.train import Trainer
from pgcore.trajectory import TrajData


class LastRowTrainer(Trainer):
    """A trainer that takes V after the rollout's last row for 0."""

    def estimate(self, traj: TrajData) -> Tensor | None:
        traj.terminated = traj.terminated.clone()
        traj.terminated[-1] = True
        return super().estimate(traj)


BUG = Bug(
    title="The last row is not bootstrapped",
    symptom="Values are far too low, all the more the shorter the rollout.",
    cause="Rewards after the rollout's last row are taken for 0, though most episodes go on.",
    fix="Add gamma * V of the observation after the last row.",
    config=TrainConfig.fast("ppo"),
    trainer=LastRowTrainer,
    right=Trainer.estimate,
    wrong=LastRowTrainer.estimate,
)
