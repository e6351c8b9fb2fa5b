"""The policy loss pushes the value network."""

from __future__ import annotations

from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig

BUG = Bug(
    title="The advantage is not detached",
    symptom="The values climb above what can be earned at all; learning is slower, or fails.",
    cause="A = R - V(s) is used with its graph. The policy loss then has a gradient for V as well: "
    "log pi(a|s), always negative, whatever the return. So every step pushes V up.",
    fix="Detach the advantage: for the policy it is a constant.",
    config=TrainConfig.fast("vpg", normalize_advantages=False, max_grad_norm=0.0),
    changes={"detach_advantage": False},
)
