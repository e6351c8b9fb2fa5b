"""Many epochs on one rollout, and no ratio to notice."""

from __future__ import annotations

from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig

BUG = Bug(
    title="Many epochs without a ratio",
    symptom="Fast at first, then the policy is certain of something wrong: entropy gone, return "
    "falling.",
    cause="After the first step the policy is no longer the one that acted. The plain "
    "policy-gradient loss keeps pushing the same actions without end.",
    fix="One gradient step a rollout, or PPO's ratio and clip.",
    config=TrainConfig.fast("vpg"),
    changes={"n_epochs": 10},
)
