"""Training on rows that never happened."""

from __future__ import annotations

from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig

BUG = Bug(
    title="Reset rows are trained on",
    symptom="A share of the batch, most of it early in training, carries random actions that were "
    "ignored.",
    cause="Gymnasium's vector environments reset in the step after an end. That row's action does "
    "nothing and its reward is 0.",
    fix="Leave those rows out of the loss.",
    config=TrainConfig.fast("ppo"),
    changes={"mask_reset_rows": False},
)
