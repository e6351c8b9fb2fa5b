"""Training in a worker thread, watched from outside through frozen snapshots."""

from __future__ import annotations

import atexit
import itertools
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pgcore import checkpoints
from pgcore.checkpoints import Checkpoint
from pgcore.config import TrainConfig
from pgcore.evaluate import Evaluation, evaluate
from pgcore.forks import Fork
from pgcore.giving_way import GiveWay
from pgcore.runs import RunFolder
from pgcore.stats import UpdateStats
from pgcore.train import Trainer

MAX_RUNNING = 2
"""Jobs that train at the same time in one process, unless the Slots say otherwise."""
GRACE_SECONDS = 20.0
"""How long a job outlives its browser session: a network blip is shorter, a closed tab is not."""
EXIT_SECONDS = 5.0
"""Longest wait for the jobs at the end of the process: an update of a long run takes one."""
_TICK = 0.25


class JobState(StrEnum):
    """Where a job stands."""

    READY = "ready"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self in (JobState.DONE, JobState.STOPPED, JobState.FAILED)


@dataclass(frozen=True)
class Score:
    """Fresh episodes of one checkpoint, apart from training."""

    update: int
    env_steps: int
    evaluation: Evaluation


@dataclass(frozen=True)
class JobSnapshot:
    """A job at one moment; nothing in it changes later."""

    config: TrainConfig
    state: JobState
    stats: tuple[UpdateStats, ...]
    checkpoints: tuple[Checkpoint, ...]
    """Oldest first; the first is the untrained agent (or the checkpoint that was resumed)."""
    scores: tuple[Score, ...]
    queue_position: int | None
    """1: next to run. None: not waiting."""
    error: str | None
    """One sentence, where the state is failed."""
    active_seconds: float
    """Wall time so far without pauses, evaluations included."""
    fork: Fork | None = None
    """Where the run branched off another."""

    @property
    def progress(self) -> float:
        """Share of the updates that are done."""
        return self.stats[-1].update / self.config.n_updates if self.stats else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Wall time until the last update at the present pace; None before the first update."""
        if not self.stats:
            return None
        seconds_each = self.active_seconds / len(self.stats)
        return seconds_each * (self.config.n_updates - self.stats[-1].update)

    @property
    def steps_per_second(self) -> float:
        """Environment steps a second of training time, over the latest updates."""
        if len(self.stats) < 2:
            return 0.0
        first, last = self.stats[-min(len(self.stats), 20)], self.stats[-1]
        return (last.env_steps - first.env_steps) / max(last.seconds - first.seconds, 1e-9)


class Slots:
    """Lets a number of jobs run and keeps the others in line, first come, first served.

    Args:
        count: jobs that run at a time.
        somebody_waits: whether the process has something more urgent to do than its jobs now.
    """

    def __init__(
        self, count: int = MAX_RUNNING, somebody_waits: Callable[[], bool] = lambda: False
    ) -> None:
        self.count = count
        self.somebody_waits = somebody_waits
        self._changed = threading.Condition()
        self._running: set[object] = set()
        self._waiting: list[object] = []

    def acquire(self, job: object, wanted: Callable[[], bool]) -> bool:
        """Wait in line for a slot; False once the job no longer wants one."""
        with self._changed:
            self._waiting.append(job)
            try:
                while wanted():
                    if self._waiting[0] is job and len(self._running) < self.count:
                        self._running.add(job)
                        return True
                    self._changed.wait(_TICK)
                return False
            finally:
                self._waiting.remove(job)
                self._changed.notify_all()

    def release(self, job: object) -> None:
        """Give the slot back; nothing happens where the job has none."""
        with self._changed:
            self._running.discard(job)
            self._changed.notify_all()

    def position(self, job: object) -> int | None:
        """1 for the next in line; None for a job that does not wait."""
        with self._changed:
            return self._waiting.index(job) + 1 if job in self._waiting else None


class Lease:
    """A browser session's hold on its jobs: released by a closed tab, taken again by a run."""

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self._grace = grace_seconds
        self._deadline: float | None = None

    def release(self) -> None:
        """The session is gone, perhaps for good: the jobs stop after the grace period."""
        self._deadline = time.monotonic() + self._grace

    def renew(self) -> None:
        """The session is there (again)."""
        self._deadline = None

    @property
    def expired(self) -> bool:
        deadline = self._deadline
        return deadline is not None and time.monotonic() > deadline


class TrainingJob:
    """One training run in a thread of its own.

    Args:
        config: what to train.
        slots: shared by all jobs of the process; a job alone needs none.
        lease: of the browser session; the job stops when it expires.
        folder: where to keep the run on disk; nowhere if None.
        updates_per_second: a limit that makes a fast run slow enough to watch; 0 is full speed.
        resume_from: a checkpoint to go on from.
        make_trainer: called in the thread in place of Trainer(config), for a variant of it.
        fork: of another run, to train as a branch of it; config is the fork's.
    """

    _numbers = itertools.count(1)

    def __init__(
        self,
        config: TrainConfig,
        slots: Slots | None = None,
        lease: Lease | None = None,
        folder: Path | None = None,
        updates_per_second: float = 0.0,
        resume_from: Checkpoint | None = None,
        make_trainer: Callable[[], Trainer] | None = None,
        fork: Fork | None = None,
    ) -> None:
        self.config = config
        self.fork = fork
        self.number = next(self._numbers)
        self.updates_per_second = updates_per_second
        self._slots = slots or Slots()
        self._lease = lease or Lease()
        self._folder = folder
        self._resume_from = resume_from
        self._make_trainer = make_trainer or (lambda: Trainer(config))
        self._give_way = GiveWay(self._slots.somebody_waits)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._state = JobState.READY
        self._error: str | None = None
        self._stats: list[UpdateStats] = []
        self._checkpoints: list[Checkpoint] = []
        self._scores: list[Score] = []
        self._active_seconds = 0.0
        self._pause = False
        self._stop = False
        self._thread = threading.Thread(target=self._work, name=f"job-{self.number}", daemon=True)

    def start(self) -> None:
        """Begin, or wait in line; a second call does nothing."""
        with self._lock:
            if self._state is not JobState.READY:
                return
            self._state = JobState.QUEUED
        _started.add(self)
        self._thread.start()

    def pause(self) -> None:
        """Hold after the current update, and let the next in line have the slot."""
        self._pause = True
        self._wake.set()

    def resume(self) -> None:
        """Go on after a pause."""
        self._pause = False
        self._wake.set()

    def stop(self) -> None:
        """End after the current update; what was learnt is kept."""
        self._stop = True
        self._wake.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread to end."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def snapshot(self) -> JobSnapshot:
        """The job now, for any thread to read at leisure."""
        with self._lock:
            return JobSnapshot(
                self.config,
                self._state,
                tuple(self._stats),
                tuple(self._checkpoints),
                tuple(self._scores),
                self._slots.position(self) if self._state is JobState.QUEUED else None,
                self._error,
                self._active_seconds,
                self.fork,
            )

    def _wanted(self) -> bool:
        return not (self._stop or self._lease.expired)

    def _work(self) -> None:
        try:
            if self._take_slot():
                with ExitStack() as stack:
                    self._train(stack)
            end = JobState.DONE if self._complete() else JobState.STOPPED
        except BaseException as error:
            # Whatever broke belongs on the page: a thread that dies in silence looks like a hang.
            end = JobState.FAILED
            with self._lock:
                self._error = sentence(error)
        # Last of all: who sees an ended job may count on its folder being complete.
        self._set(end)
        self._slots.release(self)

    def _take_slot(self) -> bool:
        """Wait in line, or aside while paused; False once the job is no longer wanted."""
        while self._wanted():
            if self._pause:
                self._set(JobState.PAUSED)
                self._wake.wait(_TICK)
                self._wake.clear()
                continue
            self._set(JobState.QUEUED)
            if self._slots.acquire(self, lambda: self._wanted() and not self._pause):
                self._set(JobState.RUNNING)
                return True
        return False

    def _train(self, stack: ExitStack) -> None:
        trainer = self._at_the_start()
        stack.callback(trainer.envs.close)
        trainer.between_steps = self._give_way
        updates = trainer.run()
        if self._folder is not None:
            at = None if self._resume_from is None else trainer.update_count
            folder = RunFolder(self._folder, self.config, at, self.fork)
            updates = stack.enter_context(folder).record(trainer)
        updates = stack.enter_context(closing(updates))
        self._keep(trainer)
        mark = time.monotonic()
        for stats in updates:
            with self._lock:
                self._stats.append(stats)
            if stats.update % self.config.checkpoint_every == 0:
                self._keep(trainer)
            self._pace()
            with self._lock:
                self._active_seconds += time.monotonic() - mark
            going_on = self._hold()
            mark = time.monotonic()
            if not going_on:
                break
        if self._checkpoints[-1].update != trainer.update_count:
            self._keep(trainer)

    def _at_the_start(self) -> Trainer:
        if self.fork is not None:
            return self.fork.trainer()
        if self._resume_from is not None:
            return checkpoints.resume(self._resume_from, n_updates=self.config.n_updates)
        return self._make_trainer()

    def _keep(self, trainer: Trainer) -> None:
        checkpoint = checkpoints.take(trainer)
        config, give_way = self.config, self._give_way
        evaluation = evaluate(
            trainer.agent, config.env_id, seed=config.seed, between_steps=give_way
        )
        score = Score(
            trainer.update_count, trainer.update_count * self.config.rows_per_update, evaluation
        )
        with self._lock:
            self._checkpoints.append(checkpoint)
            self._scores.append(score)
            kept = checkpoints.thin({one.update: len(one.data) for one in self._checkpoints})
            self._checkpoints = [one for one in self._checkpoints if one.update in kept]

    def _pace(self) -> None:
        if self.updates_per_second and self._wanted() and not self._pause:
            self._wake.wait(1 / self.updates_per_second)

    def _hold(self) -> bool:
        """Between updates: wait out a pause; whether to go on."""
        if self._pause and self._wanted():
            self._set(JobState.PAUSED)
            self._slots.release(self)
            if not self._take_slot():
                return False
        self._wake.clear()
        return self._wanted()

    def _complete(self) -> bool:
        return bool(self._stats) and self._stats[-1].update == self.config.n_updates

    def _set(self, state: JobState) -> None:
        with self._lock:
            self._state = state


_started: weakref.WeakSet[TrainingJob] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """A Ctrl-C on the server: a thread that is still inside torch would abort the exit."""
    for job in list(_started):
        job.stop()
    deadline = time.monotonic() + EXIT_SECONDS
    for job in list(_started):
        job.join(max(0.0, deadline - time.monotonic()))


def sentence(error: BaseException) -> str:
    """An error as one sentence for the page."""
    text = " ".join(str(error).split())
    if not isinstance(error, ValueError | OSError | ArithmeticError):
        name = type(error).__name__
        text = f"{name}: {text}" if text else name
    return text if text.endswith((".", "?", "!")) else f"{text}."
