"""One PPO update under the microscope: every transition at every gradient step."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pgcore import checkpoints
from pgcore.agents import Agent, Loss
from pgcore.checkpoints import Checkpoint
from pgcore.config import ConfigError, TrainConfig
from pgcore.stats import UpdateStats
from pgcore.train import Trainer
from pgcore.trajectory import Batch, TrajData

MAX_BYTES = 64_000_000
"""Most memory that the arrays of one recording may take."""


@dataclass(frozen=True, eq=False)
class Recording:
    """An update as it really happened. K samples, in the order in which they were used: epoch by
    epoch, minibatch by minibatch. The arrays are (K,) where nothing else is said, one number a
    sample, and cannot be written to."""

    stats: UpdateStats
    """What the update logged."""
    traj: TrajData
    """The rollout that was learned from."""
    before: Checkpoint
    """The run right before this update's rollout; to resume for another try."""
    after: Checkpoint
    """The run right after the update."""
    epoch: np.ndarray
    """int16, from 0."""
    step: np.ndarray
    """int32, from 0: the gradient step (minibatch) within the whole update."""
    row: np.ndarray
    """int32: position in the flattened (T * N) rollout."""
    logits: np.ndarray
    """(K, n_actions) float32: what the policy network said at this step."""
    log_prob: np.ndarray
    """float32: log pi_new(a|s) at this step."""
    ratio: np.ndarray
    """float32: pi_new(a|s) / pi_old(a|s), as the loss computed it."""
    advantage: np.ndarray
    """float32: A as the loss used it. Where advantages are not constants, it changes with V."""
    unclipped: np.ndarray
    """float32: ratio * A."""
    clipped: np.ndarray
    """float32: clamp(ratio) * A."""
    objective: np.ndarray
    """float32: what the loss is minus the mean of; the smaller of the two, for PPO."""
    clip_active: np.ndarray
    """bool: min picked the clipped branch."""
    gradient: np.ndarray
    """float32: d(total loss) / d(log_prob), by autograd in the update itself. The loss is a mean,
    so each carries the factor 1 / (samples in the minibatch)."""
    logits_gradient: np.ndarray
    """(K, n_actions) float32: d(total loss) / d(logits), likewise."""

    @property
    def config(self) -> TrainConfig:
        """The settings that the update ran with."""
        return self.after.config

    @property
    def clip_range(self) -> tuple[float, float]:
        """1 - eps and 1 + eps."""
        return 1 - self.config.clip_eps, 1 + self.config.clip_eps

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take."""
        return sum(a.nbytes for a in vars(self).values() if isinstance(a, np.ndarray))


class _Tape:
    """A train.Recorder that copies what it is shown, and the logits on their way."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.logits: Tensor | None = None
        self.columns: dict[str, list[np.ndarray]] = {}

    def see_logits(self, _policy: nn.Module, _obs: Any, logits: Tensor) -> None:
        """A forward hook of the policy network."""
        if logits.requires_grad:
            logits.retain_grad()
            self.logits = logits

    def __call__(
        self, epoch: int, rows: Tensor, batch: Batch, log_probs: Tensor, loss: Loss
    ) -> None:
        assert loss.surrogate is not None and self.logits is not None
        pieces = loss.surrogate
        taken = {
            "row": rows.int(),
            "logits": self.logits,
            "log_prob": log_probs,
            "ratio": pieces.ratio,
            "advantage": self._advantages(batch),
            "unclipped": pieces.unclipped,
            "clipped": pieces.clipped,
            "objective": pieces.objective,
            "clip_active": pieces.clip_active,
            "gradient": log_probs.grad,
            "logits_gradient": self.logits.grad,
        }
        columns = {}
        for name, tensor in taken.items():
            assert tensor is not None
            columns[name] = tensor.detach().numpy().copy()
        columns["epoch"] = np.full(len(rows), epoch, np.int16)
        columns["step"] = np.full(len(rows), len(self.columns.get("row", ())), np.int32)
        for name, values in columns.items():
            self.columns.setdefault(name, []).append(values)

    @torch.no_grad()
    def _advantages(self, batch: Batch) -> Tensor:
        if batch.advantages is not None:
            return batch.advantages
        # The loss takes R - V(s) itself: the same forward pass with the same weights again.
        return self.agent.advantages(batch, self.agent.predict_values(batch.states))

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
            the run's end, or the recording would exceed MAX_BYTES.
        CheckpointError: if the checkpoint cannot be resumed.
        TrainingDiverged: if the run did.
    """
    config = checkpoint.config
    if not checkpoint.update < update <= config.n_updates:
        raise ConfigError(
            f"update {update} is not among updates {checkpoint.update + 1} to {config.n_updates}."
        )
    trainer = checkpoints.resume(checkpoint)
    try:
        _require_recordable(trainer)
        while trainer.update_count < update - 1:
            trainer.rollout()
            trainer.update()
        return record_next(trainer)
    finally:
        trainer.envs.close()


def record_next(trainer: Trainer, traj: TrajData | None = None) -> Recording:
    """Record the trainer's next update, on its own next rollout or on a given one.

    Args:
        trainer: of an agent with a ratio.
        traj: left as it is: the update works on a copy.
    Raises:
        ConfigError: if the agent has no ratio, or the recording would exceed MAX_BYTES.
        TrainingDiverged: if the update does.
    """
    _require_recordable(trainer)
    before = checkpoints.take(trainer)
    traj = trainer.rollout() if traj is None else copy.copy(traj)
    tape = _Tape(trainer.agent)
    hook = trainer.agent.policy.register_forward_hook(tape.see_logits)
    trainer.recorder = tape
    try:
        stats = trainer.update(traj)
    finally:
        trainer.recorder = None
        hook.remove()
    after = checkpoints.take(trainer)
    return Recording(stats=stats, traj=traj, before=before, after=after, **tape.joined())


def sample_bytes(n_actions: int) -> int:
    """Bytes that a recording takes for each sample."""
    epoch, whole, flag, number = (np.dtype(kind).itemsize for kind in ("i2", "i4", "?", "f4"))
    return epoch + 2 * whole + flag + (7 + 2 * n_actions) * number


def _require_recordable(trainer: Trainer) -> None:
    if not trainer.agent.uses_ratio:
        raise ConfigError(f"{trainer.agent.name} has no ratio: record an update of PPO.")
    samples = trainer.config.rows_per_update * trainer.config.n_epochs
    most = MAX_BYTES // sample_bytes(trainer.n_actions)
    if samples > most:
        raise ConfigError(
            f"the update uses {samples:,} samples (transitions times epochs); at most {most:,} "
            f"can be recorded, which take {MAX_BYTES / 1e6:.0f} MB."
        )
