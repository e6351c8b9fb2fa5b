"""Where the runs of a sweep are computed: this process, several on this machine, a Ray cluster.

The processes are those of loky, joblib's own pool: unlike the standard library's they need no
__main__ to import, so that a server's page can start them. loky ends them with psutil.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

import joblib
from joblib.externals.loky import ProcessPoolExecutor

from pgcore.config import ConfigError

BACKENDS = ("processes", "serial", "ray")
_TICK = 0.25
Item = TypeVar("Item")
Work = Callable[[Item], Any]
Wanted = Callable[[], bool]


def count(workers: int) -> int:
    """How many processes: as many as asked for, or one a core for -1.

    Raises:
        ConfigError: for 0 and other negative numbers.
    """
    if workers == -1:
        return joblib.cpu_count()
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, or -1 for one a core, not {workers}.")
    return workers


def spread(
    work: Work[Item], items: Sequence[Item], backend: str, workers: int, wanted: Wanted
) -> Iterator[tuple[Item, Any]]:
    """Each item with work(item), as they become ready; None where a process was killed over it.

    Args:
        work: a function of an imported module that raises nothing.
        backend: "processes" on this machine, "serial" in this process, or "ray", a Ray cluster
            (RAY_ADDRESS, or a local one), which needs `pip install ray`.
        workers: how many at the same time, as in count; Ray takes -1 for all that it has.
        wanted: asked several times a second; once it says False, everything ends, processes too.
    Raises:
        ConfigError: for an unknown backend, a bad number of workers, or if ray is not installed.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"backend must be one of {', '.join(BACKENDS)}, not {backend!r}.")
    at_once = count(workers)
    if not items:
        return
    if backend == "serial":
        for item in items:
            if not wanted():
                return
            yield item, work(item)
    elif backend == "ray":
        yield from _on_ray(work, deque(items), len(items) if workers == -1 else at_once, wanted)
    else:
        yield from _in_processes(work, deque(items), at_once, wanted)


def _in_processes(
    work: Work[Item], waiting: deque[Item], workers: int, wanted: Wanted
) -> Iterator[tuple[Item, Any]]:
    while waiting:
        suspects = yield from _pool(work, waiting, workers, wanted)
        if not suspects:
            return
        for item in suspects:
            # In a pool to itself, so that the one that dies again is known by name.
            again = yield from _pool(work, deque([item]), 1, wanted)
            yield from ((one, None) for one in again)


def _pool(
    work: Work[Item], waiting: deque[Item], workers: int, wanted: Wanted
) -> Generator[tuple[Item, Any], None, list[Item]]:
    """Takes from `waiting`; returns what was being computed when a process was killed."""
    # A pool of its own, not joblib's shared one: two sweeps of one server must not end each other.
    pool = ProcessPoolExecutor(
        min(workers, len(waiting)), initializer=_begin, initargs=(os.getpid(),)
    )
    # Or the exit of this process would wait until its workers are done.
    pool._flags.kill_workers = True
    # Python raises a Ctrl-C in its main thread alone, so a start in another one is never cut short.
    starter = ThreadPoolExecutor(1, initializer=_deaf_to_ctrl_c)
    running: dict[Future, Item] = {}
    try:
        while wanted() and (waiting or running):
            while waiting and len(running) < workers:
                future = starter.submit(_hand_over, pool, work, waiting[0]).result()
                running[future] = waiting.popleft()
            ready, _ = wait(running, timeout=_TICK, return_when=FIRST_COMPLETED)
            for future in ready:
                result = future.result()
                yield running.pop(future), result
        return []
    except BrokenProcessPool:
        return list(running.values())
    finally:
        starter.shutdown()
        pool.shutdown(kill_workers=True)


def _hand_over(pool: ProcessPoolExecutor, work: Work[Item], item: Item) -> Future:
    """Submit, and wait until loky's thread has taken it: it fails where the pool ends before."""
    future = pool.submit(work, item)
    while not (future.running() or future.done()):
        time.sleep(0.001)  # polling: loky announces this to nobody
    return future


def _deaf_to_ctrl_c() -> None:
    """What this thread starts never hears of it: the first process ends the others."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _begin(parent: int) -> None:
    if hasattr(os, "nice"):
        # Whoever moves a slider meanwhile comes first.
        os.nice(5)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """A parent that is killed can end nobody."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _on_ray(
    work: Work[Item], waiting: deque[Item], at_once: int, wanted: Wanted
) -> Iterator[tuple[Item, Any]]:
    # Not through joblib's Ray backend: it hands out results only when all are there.
    try:
        import ray
    except ImportError:
        raise ConfigError("the ray backend needs a package: pip install ray.") from None
    if not ray.is_initialized():
        # The workers import this very checkout, wherever the sweep was started from.
        root = str(Path(__file__).resolve().parent.parent)
        ray.init(log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": root}})
    task = ray.remote(num_cpus=1, max_retries=0)(work)
    running: dict[Any, Item] = {}
    try:
        while wanted() and (waiting or running):
            while waiting and len(running) < at_once:
                item = waiting.popleft()
                running[task.remote(item)] = item
            ready, _ = ray.wait(list(running), timeout=_TICK)
            for reference in ready:
                item = running.pop(reference)
                try:
                    result = ray.get(reference)
                except ray.exceptions.RayError:
                    result = None
                yield item, result
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
