"""Inside an update: what a recording shows, by sample, by gradient step and by epoch.

Frames are tidy, one row a mark to draw. Steps, epochs and minibatches count from 1 here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pgcore.environments import OFFERED
from pgcore.losses import (
    ClippedSurrogate,
    approx_kl,
    clip_fraction,
    clipped_surrogate,
    zero_gradient_fraction,
)
from pgcore.recording import Recording
from pgcore.studies.ppo_clip import place

UP, DOWN, SILENT = "A > 0, pushed up", "A < 0, pushed down", "gradient zero"
EFFECTS = (UP, DOWN, SILENT)
"""What a sample's true gradient does to the probability of its action."""


def outside(recording: Recording) -> np.ndarray:
    """(K,) bool: the ratio is outside the range, with clip_fraction's bounds."""
    return place(torch.from_numpy(recording.ratio.copy()), recording.config.clip_eps).numpy() != 1


def minibatch(recording: Recording) -> np.ndarray:
    """(K,) int: the gradient step within its epoch, from 1."""
    first = np.unique(recording.epoch, return_index=True)[1]
    return recording.step - recording.step[first][recording.epoch] + 1


def samples(recording: Recording, keep: np.ndarray | slice = slice(None)) -> pd.DataFrame:
    """One row a sample.

    Args:
        keep: which of the K samples; all by default.
    Returns:
        Frame with step, epoch, minibatch, row (of the rollout), t, env, one column a number of the
        observation, action, old_log_prob, log_prob, old_prob, prob, ratio, advantage, unclipped,
        clipped, objective, gradient (of the loss by log_prob), push (minus gradient times
        minibatch size: what the sample itself asks for), clip_active, outside, pulled_back
        (outside and the gradient is alive), effect (of EFFECTS), happened (False where the
        environment only reset itself).
    """
    traj, row = recording.traj, recording.row[keep]
    n_envs = traj.actions.shape[1]
    sizes = np.bincount(recording.step)
    gradient, off = recording.gradient[keep], outside(recording)[keep]
    obs = traj.states.flatten(0, 1).numpy()[row]
    old = traj.log_probs.flatten().numpy()[row]
    columns: dict[str, Any] = {
        "step": recording.step[keep] + 1,
        "epoch": recording.epoch[keep] + 1,
        "minibatch": minibatch(recording)[keep],
        "row": row,
        "t": row // n_envs,
        "env": row % n_envs,
        **{name: obs[:, i] for i, name in enumerate(observation_names(recording))},
        "action": traj.actions.flatten().numpy()[row],
        "old_log_prob": old,
        "log_prob": recording.log_prob[keep],
        "old_prob": np.exp(old),
        "prob": np.exp(recording.log_prob[keep]),
        "ratio": recording.ratio[keep],
        "advantage": recording.advantage[keep],
        "unclipped": recording.unclipped[keep],
        "clipped": recording.clipped[keep],
        "objective": recording.objective[keep],
        "gradient": gradient,
        "push": -gradient * sizes[recording.step[keep]],
        "clip_active": recording.clip_active[keep],
        "outside": off,
        "pulled_back": off & (gradient != 0),
        "effect": np.select([gradient < 0, gradient > 0], [UP, DOWN], SILENT),
        "happened": traj.valid.flatten().numpy()[row],
    }
    return pd.DataFrame(columns)


def observation_names(recording: Recording) -> list[str]:
    """One name an entry of an observation, such as pole_angle."""
    env = OFFERED.get(recording.config.env_id)
    if env is None:
        return [f"obs_{i}" for i in range(recording.traj.states.shape[-1])]
    return [quantity.name.replace(" ", "_") for quantity in env.observations]


def action_names(recording: Recording) -> list[str]:
    """One name an action, such as push left."""
    env = OFFERED.get(recording.config.env_id)
    return list(env.actions) if env else [str(i) for i in range(recording.logits.shape[1])]


def steps(recording: Recording) -> pd.DataFrame:
    """One row a gradient step: step, epoch, minibatch, size, low, high (of its ratios),
    approx_kl, clip_fraction, zero_gradient_fraction, pulled_back (their difference), loss."""
    ratios, active, objective = map(tensor, _meter_columns(recording))
    numbers, rows = minibatch(recording), []
    bounds = np.flatnonzero(np.diff(recording.step, prepend=-1, append=recording.step[-1] + 1))
    for first, last in pairwise(bounds):
        rows.append(
            {
                "step": recording.step[first] + 1,
                "epoch": recording.epoch[first] + 1,
                "minibatch": numbers[first],
                "size": last - first,
                **_meters(recording, ratios[first:last], active[first:last]),
                "loss": -objective[first:last].mean().item(),
            }
        )
    return pd.DataFrame(rows)


def totals(recording: Recording) -> dict[str, float]:
    """The update's logged numbers, summed up from its samples: policy_loss, approx_kl,
    clip_fraction, zero_gradient_fraction. In float64."""
    ratios, active, objective = map(tensor, _meter_columns(recording))
    sizes = np.bincount(recording.step)
    losses = -np.bincount(recording.step, objective.double().numpy()) / sizes
    return {
        "policy_loss": losses.mean(),
        "approx_kl": approx_kl(ratios.double().log()).item(),
        "clip_fraction": clip_fraction(ratios, recording.config.clip_eps).item(),
        "zero_gradient_fraction": zero_gradient_fraction(active).item(),
    }


@torch.no_grad()
def after(recording: Recording, row: int | None = None) -> ClippedSurrogate:
    """The surrogate of the transitions under the policy that the update left behind.

    The recording has each ratio right before a gradient step; the last step shows only here.

    Args:
        row: of the rollout, for that transition alone; all that the update used by default.
    Returns:
        The pieces, by ascending row; advantages as they were last used.
    """
    of = np.arange(recording.row.size) if row is None else np.flatnonzero(recording.row == row)
    rows, last = np.unique(recording.row[of][::-1], return_index=True)
    last = of[of.size - 1 - last]
    batch = recording.traj.rows(torch.from_numpy(rows.astype(np.int64)))
    log_probs = recording.after.agent().distribution(batch.states).log_prob(batch.actions)
    advantages = tensor(recording.advantage[last])
    return clipped_surrogate(log_probs, batch.log_probs, advantages, recording.config.clip_eps)


QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}


def epochs(recording: Recording) -> pd.DataFrame:
    """One row an epoch, and one with epoch n + 1 for the policy that the update left behind.

    Returns:
        Frame with epoch, low, q05, q25, median, q75, q95, high (of the ratio), approx_kl,
        clip_fraction, zero_gradient_fraction, pulled_back, and outside_by: how far beyond the
        range those outside are, on average (0 where none is).
    """
    ratios, active, _ = map(tensor, _meter_columns(recording))
    last = int(recording.epoch[-1])
    parts = [torch.from_numpy(recording.epoch == epoch) for epoch in range(last + 1)]
    final = after(recording)
    each = [(ratios[part], active[part]) for part in parts] + [(final.ratio, final.clip_active)]
    low, high = recording.clip_range
    rows = []
    for epoch, (ratio, silent) in enumerate(each, 1):
        values = ratio.numpy()
        beyond = np.maximum(values - high, low - values)
        beyond = beyond[beyond > 0]
        rows.append(
            {
                "epoch": epoch,
                **dict(zip(QUANTILES, np.quantile(values, list(QUANTILES.values())), strict=True)),
                **_meters(recording, ratio, silent),
                "outside_by": beyond.mean() if beyond.size else 0.0,
            }
        )
    return pd.DataFrame(rows)


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, as the page prints it: +1.25, −0.50."""
    return f"{value:+.{digits}f}".replace("-", "−")


def scientific(value: float) -> str:
    """A small number with its sign, as the page prints it: +1.25e-03, and 0 for exactly 0."""
    return f"{value:+.2e}".replace("-", "−") if value else "0"


def _meter_columns(recording: Recording) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return recording.ratio, recording.clip_active, recording.objective


def _meters(recording: Recording, ratio: Tensor, clip_active: Tensor) -> dict[str, float]:
    share = clip_fraction(ratio, recording.config.clip_eps).item()
    zero = zero_gradient_fraction(clip_active).item()
    return {
        "low": ratio.min().item(),
        "high": ratio.max().item(),
        "approx_kl": approx_kl(ratio.log()).item(),
        "clip_fraction": share,
        "zero_gradient_fraction": zero,
        "pulled_back": share - zero,
    }


def tensor(array: np.ndarray) -> Tensor:
    """A copy that torch may write to, unlike a recording's arrays."""
    return torch.from_numpy(np.array(array))
