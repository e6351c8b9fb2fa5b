"""Returns that run on into the next episode."""

from __future__ import annotations

import torch
from torch import Tensor

from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig
from pgcore.train import Trainer
from pgcore.trajectory import TrajData


class LeakingTrainer(Trainer):
    """A trainer that forgets where episodes end before it computes returns."""

    def estimate(self, traj: TrajData) -> Tensor | None:
        traj.terminated = torch.zeros_like(traj.terminated)
        traj.truncated = torch.zeros_like(traj.truncated)
        return super().estimate(traj)


BUG = Bug(
    title="Returns leak across episodes",
    symptom="Learning is slow or absent: falling over costs nothing, the next episode pays on.",
    cause="The sum of rewards does not restart where an episode ended.",
    fix="R_t = r_t + gamma * not_done_t * R_{t+1}.",
    config=TrainConfig.fast("reinforce"),
    trainer=LeakingTrainer,
    right=Trainer.estimate,
    wrong=LeakingTrainer.estimate,
)
