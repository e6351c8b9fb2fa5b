"""One PPO update under the microscope: every transition at every gradient step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from pgcore import checkpoints
from pgcore.agents import Loss
from pgcore.checkpoints import Checkpoint
from pgcore.config import ConfigError
from pgcore.stats import UpdateStats
from pgcore.train import Trainer
from pgcore.trajectory import Batch, TrajData

MAX_SAMPLES = 4_000_000
"""Most transitions times epochs that a recording may hold: 25 bytes each, 100 MB in all."""


@dataclass(frozen=True, eq=False)
class Recording:
    """An update as it really happened. K samples, in the order in which they were used: epoch by
    epoch, minibatch by minibatch. All arrays are (K,) and cannot be written to."""

    stats: UpdateStats
    """What the update logged."""
    traj: TrajData
    """The rollout that was learned from."""
    before: Checkpoint
    """The run right before this update's rollout; to resume for another try."""
    epoch: np.ndarray
    """int16, from 0."""
    step: np.ndarray
    """int32, from 0: the gradient step (minibatch) within the whole update."""
    row: np.ndarray
    """int32: position in the flattened (T * N) rollout."""
    log_prob: np.ndarray
    """float32: log pi_new(a|s) at this step."""
    ratio: np.ndarray
    """float32: pi_new(a|s) / pi_old(a|s), as the loss computed it."""
    gradient: np.ndarray
    """float32: d(total loss) / d(log_prob), by autograd in the update itself. The loss is a mean,
    so each carries the factor 1 / (samples in the minibatch)."""
    clip_active: np.ndarray
    """bool: min picked the clipped branch."""


class _Tape:
    """A train.Recorder that copies what it is shown."""

    def __init__(self) -> None:
        self.columns: dict[str, list[np.ndarray]] = {}

    def __call__(
        self, epoch: int, rows: Tensor, batch: Batch, log_probs: Tensor, loss: Loss
    ) -> None:
        assert loss.surrogate is not None and log_probs.grad is not None
        step = len(self.columns.get("row", ()))
        columns: dict[str, np.ndarray] = {
            "epoch": np.full(len(rows), epoch, np.int16),
            "step": np.full(len(rows), step, np.int32),
            "row": rows.numpy().astype(np.int32),
            "log_prob": log_probs.detach().numpy().copy(),
            "ratio": loss.surrogate.ratio.detach().numpy().copy(),
            "gradient": log_probs.grad.numpy().copy(),
            "clip_active": loss.surrogate.clip_active.numpy().copy(),
        }
        for name, values in columns.items():
            self.columns.setdefault(name, []).append(values)

    def joined(self) -> dict[str, np.ndarray]:
        columns = {name: np.concatenate(parts) for name, parts in self.columns.items()}
        for column in columns.values():
            column.flags.writeable = False
        return columns


def record(checkpoint: Checkpoint, update: int) -> Recording:
    """Run on from a checkpoint to the given update, and record that one.

    A resumed run repeats the original bit for bit, so this is the update as it happened: nothing
    had to be kept while the run was training.

    Args:
        checkpoint: of the run, from before the update.
        update: which one, counted from 1.
    Raises:
        ConfigError: if the agent has no ratio, the update is not after the checkpoint or beyond
            the run's end, or the recording would exceed MAX_SAMPLES.
        CheckpointError: if the checkpoint cannot be resumed.
    """
    config = checkpoint.config
    if not checkpoint.update < update <= config.n_updates:
        raise ConfigError(
            f"update {update} is not among updates {checkpoint.update + 1} to {config.n_updates}."
        )
    if config.rows_per_update * config.n_epochs > MAX_SAMPLES:
        raise ConfigError(
            f"the update uses {config.rows_per_update * config.n_epochs:,} samples; at most "
            f"{MAX_SAMPLES:,} can be recorded."
        )
    trainer = checkpoints.resume(checkpoint)
    try:
        if not trainer.agent.uses_ratio:
            raise ConfigError(f"{trainer.agent.name} has no ratio; record an update of PPO.")
        while trainer.update_count < update - 1:
            trainer.rollout()
            trainer.update()
        return record_next(trainer)
    finally:
        trainer.envs.close()


def record_next(trainer: Trainer, traj: TrajData | None = None) -> Recording:
    """Record the trainer's next update, on its own next rollout or on a given one."""
    before = checkpoints.take(trainer)
    traj = traj or trainer.rollout()
    tape = _Tape()
    trainer.recorder = tape
    try:
        stats = trainer.update(traj)
    finally:
        trainer.recorder = None
    return Recording(stats=stats, traj=traj, before=before, **tape.joined())
