"""The metric that hid it: mean reward a step."""

from __future__ import annotations

from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig

BUG = Bug(
    title="A metric that cannot see",
    symptom='"Average Reward" is 0.96 from the first update on and never above 1.00.',
    cause="CartPole pays 1 for every step, good or bad: the mean reward a step is 1 minus the "
    "share of rows in which an environment only reset itself.",
    fix="Plot the return of whole episodes.",
    config=TrainConfig.fast("ppo"),
    metric="reward_per_step",
)
