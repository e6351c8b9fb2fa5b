"""A sweep in a worker thread, its runs in processes, watched through frozen snapshots."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgcore import workers
from pgcore.config import ConfigError, TrainConfig
from pgcore.jobs import JobState, Lease, Slots, sentence
from pgcore.plan import grid, seeds_from
from pgcore.sweep import Result, sweep

MAX_RUNS = 200
MAX_STEPS = 100_000_000
"""Most environment steps of a visitor's sweep, all runs together: minutes, not hours."""
MAX_WORKERS = 8
"""Each takes about 300 MB of memory."""


@dataclass(frozen=True)
class SweepSnapshot:
    """A sweep at one moment; nothing in it changes later."""

    configs: tuple[TrainConfig, ...]
    state: JobState
    results: tuple[Result, ...]
    """Those that are there, in the order in which they came."""
    running: int
    queue_position: int | None
    """1: next to run. None: not waiting."""
    error: str | None
    """One sentence, where the sweep itself failed."""

    @property
    def failed(self) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.error is not None)


def bounded_grid(
    presets: Sequence[str],
    algorithms: Sequence[str],
    settings: Mapping[str, Sequence[Any]],
    seeds: int,
) -> list[TrainConfig]:
    """plan.grid with seeds 0 to seeds - 1, unless it would keep a server busy for hours.

    Raises:
        ConfigError: as plan.grid does; for more than MAX_RUNS runs, or more than MAX_STEPS
            environment steps together.
    """
    counts = [len(presets), len(algorithms), *map(len, settings.values()), seeds]
    # Counted before it is made: a link may ask for millions.
    if math.prod(counts) > MAX_RUNS:
        raise ConfigError(
            f"these are {math.prod(counts):,} runs; on this page a sweep has at most {MAX_RUNS}: "
            "take fewer seeds or values, or the command line."
        )
    configs = grid(presets, algorithms, settings, seeds_from([seeds]))
    steps = sum(config.total_steps for config in configs)
    if steps > MAX_STEPS:
        raise ConfigError(
            f"these runs take {steps / 1e6:,.0f} million environment steps together; on this page "
            f"a sweep has at most {MAX_STEPS / 1e6:.0f} million: take fewer seeds or values, "
            "shorter runs, or the command line."
        )
    return configs


class SweepJob:
    """One sweep in a thread of its own; stopping it ends its processes within a second.

    Args:
        configs: what to run.
        folder: where finished runs are kept, and found again by a sweep that includes them.
        slots: shared by all jobs of the process: a sweep takes one place, however many processes.
        lease: of the browser session; the sweep stops when it expires.
    """

    def __init__(
        self,
        configs: Sequence[TrainConfig],
        folder: Path,
        slots: Slots | None = None,
        lease: Lease | None = None,
    ) -> None:
        self.configs = tuple(configs)
        self._folder = folder
        self._slots = slots or Slots()
        self._lease = lease or Lease()
        self._workers = min(workers.count(-1), MAX_WORKERS, len(self.configs))
        self._lock = threading.Lock()
        self._state = JobState.READY
        self._error: str | None = None
        self._results: list[Result] = []
        self._stop = False
        self._thread = threading.Thread(target=self._work, name="sweep", daemon=True)

    def start(self) -> None:
        """Begin, or wait in line; a second call does nothing."""
        with self._lock:
            if self._state is not JobState.READY:
                return
            self._state = JobState.QUEUED
        self._thread.start()

    def stop(self) -> None:
        """End now; finished runs are kept."""
        self._stop = True

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread to end."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def snapshot(self) -> SweepSnapshot:
        """The sweep now, for any thread to read at leisure."""
        with self._lock:
            left = len(self.configs) - len(self._results)
            return SweepSnapshot(
                self.configs,
                self._state,
                tuple(self._results),
                min(self._workers, left) if self._state is JobState.RUNNING else 0,
                self._slots.position(self) if self._state is JobState.QUEUED else None,
                self._error,
            )

    def _wanted(self) -> bool:
        return not (self._stop or self._lease.expired)

    def _work(self) -> None:
        try:
            if self._slots.acquire(self, self._wanted):
                self._set(JobState.RUNNING)
                self._sweep()
            done = len(self._results) == len(self.configs)
            end = JobState.DONE if done else JobState.STOPPED
        except BaseException as error:
            # Whatever broke belongs on the page: a thread that dies in silence looks like a hang.
            end = JobState.FAILED
            with self._lock:
                self._error = sentence(error)
        self._set(end)
        self._slots.release(self)

    def _sweep(self) -> None:
        running = sweep(self.configs, self._folder, "processes", self._workers, self._wanted)
        with closing(running):
            for result in running:
                with self._lock:
                    self._results.append(result)

    def _set(self, state: JobState) -> None:
        with self._lock:
            self._state = state
