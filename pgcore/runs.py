"""A run folder: config, metrics, checkpoints and TensorBoard events of one training run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Generator, Iterable
from dataclasses import fields
from pathlib import Path
from types import TracebackType

from pgcore.checkpoints import SUFFIX, Checkpoint, CheckpointError, take, thin, write_atomically
from pgcore.config import ConfigError, TrainConfig
from pgcore.forks import Fork
from pgcore.stats import UpdateStats
from pgcore.train import Trainer

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
COLUMNS = (
    *(column.name for column in fields(UpdateStats) if not column.name.startswith("episode_")),
    *("episodes", "return_mean", "return_min", "return_max", "length_mean"),
)


class RunFolderError(OSError):
    """A run folder that cannot be used; the message is one sentence saying why."""


def to_csv(stats: Iterable[UpdateStats], header: bool = True) -> str:
    """One line an update; empty where a quantity does not exist."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    if header:
        writer.writeheader()
    for one in stats:
        writer.writerow(one.row())
    return text.getvalue()


def folder_for(root: Path, name: str) -> Path:
    """root/name, for a name that comes from outside.

    Raises:
        RunFolderError: if the name could lead out of root.
    """
    if not NAME.fullmatch(name):
        raise RunFolderError(
            f"a run's name is made of letters, digits, dots, dashes and underscores, not {name!r}."
        )
    return Path(root) / name


class RunFolder:
    """runs/<name>/ with config.json, metrics.csv, checkpoints/ and TensorBoard's events.

    A fork's folder has a fork.json too, which names the parent, the update and what changed; its
    metrics and checkpoints begin at the fork.

    Use it as a context manager. TensorBoard gets the homework's scalar "Reward" (mean reward a
    step) and every other number of UpdateStats.

    Args:
        path: the folder; made if missing.
        config: what is trained.
        resume_at: the update after which the run goes on; None for a new run or a fork.
        fork: where the run branches off another, which keeps its own folder.
    Raises:
        RunFolderError: if the folder cannot be written, or already holds a run other than the one
            that goes on.
    """

    def __init__(
        self,
        path: Path,
        config: TrainConfig,
        resume_at: int | None = None,
        fork: Fork | None = None,
    ) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self._metrics = self.path / "metrics.csv"
        try:
            self._refuse_another_run(config, resume_at)
            rows = self._rows_until(resume_at)
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path / "config.json", config.to_json().encode())
            if fork is not None:
                write_atomically(self.path / "fork.json", fork.to_json().encode())
            # What came after the checkpoint will be trained again.
            write_atomically(self._metrics, rows.encode())
            for update, file in checkpoint_files(self.path).items():
                if update > (resume_at or 0):
                    file.unlink()
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(self.path), purge_step=(resume_at or 0) + 1)
        except RunFolderError:
            raise
        except OSError as error:
            raise RunFolderError(
                f"the run folder {self.path} cannot be written: {error.strerror or error}."
            ) from None

    def _refuse_another_run(self, config: TrainConfig, resume_at: int | None) -> None:
        if not self._metrics.exists() and not checkpoint_files(self.path):
            return
        if resume_at is None:
            raise RunFolderError(
                f"{self.path} already holds a run: choose another name, or resume that one."
            )
        try:
            there = TrainConfig.from_json((self.path / "config.json").read_text())
        except (ConfigError, OSError, UnicodeDecodeError):
            return  # The checkpoint that goes on has the config too.
        if there.replace(n_updates=config.n_updates) != config:
            raise RunFolderError(f"{self.path} already holds another run: choose another name.")

    def _rows_until(self, update: int | None) -> str:
        if not update or not self._metrics.exists():
            return to_csv(())
        try:
            header, *rows = self._metrics.read_text(encoding="utf-8").splitlines()
            kept = [row for row in rows if int(row.split(",", 1)[0]) <= update]
        except ValueError:
            header, kept = "", []
        if header.startswith("update,") and header != ",".join(COLUMNS):
            raise RunFolderError(
                f"{self._metrics} has other columns than this version writes: move it away, and "
                "the run goes on with a new one."
            )
        if header != ",".join(COLUMNS):
            raise RunFolderError(f"{self._metrics} is damaged: it is not a table of updates.")
        return "\n".join([header, *kept, ""])

    def write(self, stats: UpdateStats) -> None:
        """Add an update to metrics.csv and to TensorBoard's events.

        Raises:
            RunFolderError: if the disk refuses.
        """
        try:
            with self._metrics.open("a", encoding="utf-8") as file:
                # One write of one line: a crash leaves it out or leaves it whole.
                file.write(to_csv([stats], header=False))
        except OSError as error:
            raise RunFolderError(f"{self._metrics} cannot be written: {error.strerror}.") from None
        self._events.add_scalar("Reward", stats.reward_per_step, stats.update)
        for name, value in stats.row().items():
            if name not in ("update", "reward_per_step") and value is not None:
                self._events.add_scalar(name, value, stats.update)

    def record(self, trainer: Trainer) -> Generator[UpdateStats, None, None]:
        """Run the trainer, keeping every update and a checkpoint every config.checkpoint_every.

        The first checkpoint is taken before the first update, the last one where the run ends or
        the caller closes this generator.

        Raises:
            RunFolderError: if the disk refuses.
        """
        self.save(take(trainer))
        for stats in trainer.run():
            self.write(stats)
            due = stats.update % trainer.config.checkpoint_every == 0
            if due or stats.update == trainer.config.n_updates:
                self.save(take(trainer))
            try:
                yield stats
            except GeneratorExit:
                if not due:
                    self.save(take(trainer))
                raise

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and drop old ones beyond the bounds of checkpoints.thin.

        Raises:
            RunFolderError: if the disk refuses.
        """
        try:
            checkpoint.save(self.checkpoints / f"{checkpoint.update:06d}{SUFFIX}")
            present = checkpoint_files(self.path)
            kept = thin({update: path.stat().st_size for update, path in present.items()})
            for update, path in present.items():
                if update not in kept:
                    path.unlink()
        except OSError as error:
            raise RunFolderError(
                f"{self.checkpoints} cannot be written: {error.strerror}."
            ) from None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._events.close()


def checkpoint_files(path: Path) -> dict[int, Path]:
    """Update -> file, of the checkpoints in a run folder, oldest first."""
    found = (Path(path) / "checkpoints").glob(f"*{SUFFIX}")
    return {int(file.stem): file for file in sorted(found) if file.stem.isdecimal()}


def latest_checkpoint(path: Path) -> Checkpoint:
    """The newest checkpoint of a run folder.

    Raises:
        CheckpointError: if there is none, or if it is damaged.
    """
    files = _some_checkpoints(path)
    return Checkpoint.load(files[max(files)])


def checkpoint_at(path: Path, update: str) -> Checkpoint:
    """The checkpoint of a run folder after the given update, written as a person wrote it.

    Raises:
        CheckpointError: if there is none, or if it is damaged.
    """
    files = _some_checkpoints(path)
    kept = {str(one): file for one, file in files.items()}
    if update not in kept:
        raise CheckpointError(
            f"{path} has no checkpoint of update {update}; it has those of {', '.join(kept)}."
        )
    return Checkpoint.load(kept[update])


def _some_checkpoints(path: Path) -> dict[int, Path]:
    try:
        files = checkpoint_files(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from None
    if not files:
        raise CheckpointError(f"{path} holds no checkpoint.")
    return files
