"""Worker processes: what ends them, and what does not. Their work here is sleep."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from contextlib import suppress

import psutil
import pytest

from pgcore import workers
from pgcore.config import ConfigError
from pgcore.workers import spread
from tests.conftest import ROOT

LONG = 600.0


def ever() -> bool:
    return True


def children() -> set[int]:
    """Processes that this one started, but for loky's and Ray's own servants."""
    running = psutil.Process().children(recursive=True)
    with suppress(psutil.NoSuchProcess):
        return {one.pid for one in running if "popen_loky" in " ".join(one.cmdline())}
    return children()


@pytest.fixture(autouse=True)
def none_left():
    before = children()
    yield
    assert children() <= before


def test_nothing_to_do_starts_nothing():
    for backend in workers.BACKENDS:
        assert list(spread(time.sleep, [], backend, 2, ever)) == []


def test_every_item_comes_back_once():
    items = [0.0, 0.02, 0.01, 0.03, 0.04]
    assert sorted(spread(time.sleep, items, "processes", 2, ever)) == [
        (item, None) for item in sorted(items)
    ]


@pytest.mark.parametrize("backend", ["processes", "serial"])
def test_what_is_no_longer_wanted_ends(backend):
    wanted = True
    running = spread(time.sleep, [0.0, *[LONG] * 4], backend, 2, lambda: wanted)
    assert next(running) == (0.0, None)
    wanted = False
    assert list(running) == []


def test_a_sweep_that_ends_leaves_another_one_alone():
    one = spread(time.sleep, [0.0, LONG], "processes", 2, ever)
    other = spread(time.sleep, [0.0, 0.5, 0.0], "processes", 1, ever)
    next(one)
    next(other)
    one.close()
    assert sorted(other) == [(0.0, None), (0.5, None)]


@pytest.mark.parametrize("killed", [False, True], ids=["ends", "is killed"])
def test_a_process_takes_its_workers_along_when_it(killed):
    code = f"""
import os, signal, threading, time
from pgcore.workers import spread
running = spread(time.sleep, [0.0, {LONG}, {LONG}], "processes", 2, lambda: True)
next(running)
threading.Thread(target=list, args=(running,), daemon=True).start()
if {killed}:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, start_new_session=True)
    try:
        assert process.wait(60) == (-signal.SIGKILL if killed else 0)
    finally:
        process.kill()
    deadline = time.monotonic() + 60
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.05)  # polling other processes: there is nothing to wait on
        pytest.fail("a worker outlives its server")


def test_how_many():
    assert workers.count(3) == 3
    assert workers.count(-1) >= 1
    for number in (0, -2):
        with pytest.raises(ConfigError, match="workers must be at least 1, or -1"):
            workers.count(number)


def test_ctrl_c_at_the_moment_of_a_start_leaves_no_trace(monkeypatch):
    """What was just submitted is not yet with a process; loky's thread must not trip over it."""
    fallen, over = [], threading.Event()
    # A signal to the process arrives in any thread that listens, and is raised in the main one.
    threading.Thread(target=over.wait, daemon=True).start()
    monkeypatch.setattr(threading, "excepthook", fallen.append)
    submit = workers.ProcessPoolExecutor.submit

    def interrupted(pool, *given):
        future = submit(pool, *given)
        if given[1] == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return future

    monkeypatch.setattr(workers.ProcessPoolExecutor, "submit", interrupted)
    for _ in range(10):
        with pytest.raises(KeyboardInterrupt):
            list(spread(math.sqrt, range(6), "processes", 2, ever))
    over.set()
    assert not fallen, "".join(traceback.format_exception(fallen[0].exc_value))
