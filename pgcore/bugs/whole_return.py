"""Every step is paid for the whole episode."""

from __future__ import annotations

import torch
from torch import Tensor

from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig
from pgcore.train import Trainer
from pgcore.trajectory import TrajData


class WholeReturnTrainer(Trainer):
    """A trainer that gives each step the return of its episode's first step in the rollout."""

    def estimate(self, traj: TrajData) -> Tensor | None:
        values = super().estimate(traj)
        first = ~traj.valid.roll(1, 0) | ~traj.valid
        first[0] = True
        start = traj.returns[0]
        for t in range(traj.n_steps):
            start = torch.where(first[t], traj.returns[t], start)
            traj.returns[t] = start
        traj.advantages = self._normalized(traj.returns, traj.valid)
        return values


BUG = Bug(
    title="The whole episode's return on every step",
    symptom="Noisier gradients, and learning that is at best as fast; on CartPole it hardly shows.",
    cause="Each action is also credited with rewards from before it, which it cannot have caused: "
    "noise, though no bias.",
    fix="Reward-to-go: count from the step on.",
    config=TrainConfig.fast("reinforce"),
    trainer=WholeReturnTrainer,
    right=Trainer.estimate,
    wrong=WholeReturnTrainer.estimate,
)
