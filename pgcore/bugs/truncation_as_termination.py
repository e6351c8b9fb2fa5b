"""A time limit taken for a failure."""

from __future__ import annotations

from torch import Tensor

from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig
from pgcore.train import Trainer
from pgcore.trajectory import TrajData


class LimitIsDeathTrainer(Trainer):
    """A trainer that takes done = terminated or truncated for termination."""

    def estimate(self, traj: TrajData) -> Tensor | None:
        traj.terminated = traj.terminated | traj.truncated
        return super().estimate(traj)


BUG = Bug(
    title="Truncation treated as termination",
    symptom="The value network predicts a fall at step 500 that it cannot see coming.",
    cause="The time limit stops the bootstrap, as if nothing would have followed.",
    fix="Only `terminated` stops the bootstrap; at a time limit add the final observation's value.",
    config=TrainConfig.fast("ppo"),
    trainer=LimitIsDeathTrainer,
    right=Trainer.estimate,
    wrong=LimitIsDeathTrainer.estimate,
)
