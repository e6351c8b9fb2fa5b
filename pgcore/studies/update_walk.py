"""Inside an update: one sample's numbers, from its observation to the gradient on the logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from pgcore.agents import PPO, Agent
from pgcore.losses import clipped_surrogate
from pgcore.recording import Recording
from pgcore.studies import update
from pgcore.train import Trainer


@dataclass(frozen=True)
class Stage:
    """One stop on the way from an observation to a gradient: its name, what happens there, and
    the function and the text in that line of it which does it."""

    name: str
    meaning: str
    function: Callable[..., Any]
    line: str


STAGES = (
    Stage(
        "observation",
        "What the agent saw. One row of the minibatch.",
        Trainer._gradient_step,
        "traj.rows(rows)",
    ),
    Stage(
        "logits",
        "The policy network's output, one number an action, on no particular scale.",
        Agent.distribution,
        "self.policy(obs)",
    ),
    Stage(
        "log-probability",
        "log softmax of the logits, at the action that was taken.",
        Trainer._gradient_step,
        "distribution.log_prob",
    ),
    Stage(
        "log-ratio",
        "New minus old log-probability: how far the policy has moved on this action.",
        clipped_surrogate,
        "torch.exp",
    ),
    Stage(
        "ratio",
        "Its exponential: 1.1 means that the action is 10% more likely than when it was taken.",
        clipped_surrogate,
        "torch.exp",
    ),
    Stage("unclipped", "Ratio times advantage.", clipped_surrogate, "unclipped ="),
    Stage(
        "clipped",
        "The same with the ratio cut off at the range's bounds.",
        clipped_surrogate,
        "torch.clamp",
    ),
    Stage(
        "objective",
        "The smaller of the two: what this sample contributes, to be maximised.",
        clipped_surrogate,
        "torch.minimum",
    ),
    Stage(
        "loss",
        "Minus the mean over the minibatch: this sample is one part of it.",
        PPO.loss,
        "objective.mean()",
    ),
    Stage(
        "gradient by log-probability",
        "How the loss changes with this log-probability. Zero where min took the clipped product.",
        Trainer._gradient_step,
        "total.backward()",
    ),
    Stage(
        "gradient by logits",
        "The same, one step further back: what reaches the network's output. A descent step moves "
        "the logits the other way.",
        Trainer._gradient_step,
        "total.backward()",
    ),
)


def walk(recording: Recording, row: int, step: int) -> pd.DataFrame:
    """The numbers of one sample at each of STAGES, as words.

    All are the recording's, from the update itself; the log-ratio is the only one formed here.

    Args:
        row: of the rollout.
        step: gradient step in which it was used, from 1.
    Returns:
        Frame of one row a stage: stage (from 1), how (what the value is made of), value.
    Raises:
        ValueError: if the step's minibatch does not have the row.
    """
    own = recording.step == step - 1
    found = np.flatnonzero(own & (recording.row == row))
    if not found.size:
        raise ValueError(f"transition {row} is not in the minibatch of gradient step {step}.")
    k, size = int(found[0]), int(own.sum())
    (sample,) = update.samples(recording, found).itertuples()
    old, new = sample.old_log_prob, sample.log_prob
    log_ratio = (torch.tensor(new) - torch.tensor(old)).item()
    advantage, bounds = _number(sample.advantage), "{:.2f}, {:.2f}".format(*recording.clip_range)
    names = [name.replace("_", " ") for name in update.observation_names(recording)]
    actions = update.action_names(recording)
    bonus = ", plus the entropy bonus's share" if recording.config.entropy_coef else ""
    steps = [
        (", ".join(names), _vector(recording.traj.states.flatten(0, 1)[row])),
        (", ".join(actions), _vector(recording.logits[k])),
        (f"of “{actions[sample.action]}”, probability {sample.prob:.4f}", _number(new)),
        (f"{_number(new)} − ({_number(old)})", _number(log_ratio)),
        (f"exp({_number(log_ratio)})", f"{sample.ratio:.4f}"),
        (f"{sample.ratio:.4f} × ({advantage})", _number(sample.unclipped)),
        (f"clamp({sample.ratio:.4f}, {bounds}) × ({advantage})", _number(sample.clipped)),
        (f"min({_number(sample.unclipped)}, {_number(sample.clipped)})", _number(sample.objective)),
        (
            f"minus the mean of {size:,} objectives, this one among them",
            _number(-recording.objective[own].mean(dtype=np.float64)),
        ),
        (
            f"−1/{size:,} × ({_number(sample.unclipped)})"
            if sample.gradient
            else "the clipped product does not change with it"
            if sample.clip_active
            else "the advantage is zero",
            update.scientific(sample.gradient),
        ),
        (
            f"{update.scientific(sample.gradient)} × (onehot − π){bonus}",
            _vector(recording.logits_gradient[k], update.scientific),
        ),
    ]
    frame = pd.DataFrame(steps, columns=["how", "value"])
    return frame.assign(stage=range(1, len(STAGES) + 1))


def _number(value: float) -> str:
    return update.signed(value, 4)


def _vector(values: Any, form: Callable[[float], str] = _number) -> str:
    return "[" + ", ".join(form(float(value)) for value in values) + "]"
