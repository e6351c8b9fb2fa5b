"""Acting without chance."""

from __future__ import annotations

import numpy as np

from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig
from pgcore.train import Trainer


class GreedyTrainer(Trainer):
    """A trainer that takes the most likely action instead of sampling one."""

    def draw_noise(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros(shape, np.float32)


BUG = Bug(
    title="argmax instead of sampling",
    symptom="All copies act alike, and the agent only ever sees what it already prefers.",
    cause="The gradient's formula is an average over actions that the policy samples. Greedy "
    "actions come from another distribution, and nothing is explored.",
    fix="Sample from the distribution, in training at least.",
    config=TrainConfig.fast("ppo"),
    trainer=GreedyTrainer,
    right=Trainer.draw_noise,
    wrong=GreedyTrainer.draw_noise,
)
