"""The ratio of a policy to itself."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from pgcore.agents.base import Loss
from pgcore.agents.ppo import PPO
from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig
from pgcore.trajectory import Batch, TrajData


class SelfRatioPPO(PPO):
    """PPO that takes the old log-probabilities from the policy as it is now."""

    def loss(self, log_probs: Tensor, values: Tensor | None, traj: TrajData | Batch) -> Loss:
        assert isinstance(traj, Batch)
        return super().loss(log_probs, values, replace(traj, log_probs=log_probs.detach()))


BUG = Bug(
    title="Old log-probabilities from the current policy",
    symptom="The ratio is exactly 1 at every step of every epoch; KL and clip fraction are 0.",
    cause="The old log-probabilities are recomputed before each step, so the clip never acts: this "
    "is the plain policy gradient with many epochs.",
    fix="Store them once, when the rollout is made.",
    config=TrainConfig.fast("ppo", n_epochs=10),
    agent=SelfRatioPPO,
    right=PPO.loss,
    wrong=SelfRatioPPO.loss,
)
