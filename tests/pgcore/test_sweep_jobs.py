"""A sweep in a thread: its snapshots, its end, its bounds."""

from __future__ import annotations

import time

import psutil
import pytest

from pgcore.config import ConfigError, TrainConfig
from pgcore.jobs import JobState, Lease, Slots
from pgcore.sweep import run_one
from pgcore.sweep_jobs import MAX_RUNS, MAX_STEPS, SweepJob, bounded_grid

TINY = {"n_updates": 2, "n_envs": 2, "n_steps": 8}
CONFIGS = [TrainConfig.fast("ppo", seed=seed, **TINY) for seed in range(3)]
ENDLESS = [config.replace(n_updates=100_000) for config in CONFIGS]


def wait_for(job: SweepJob, state: JobState) -> None:
    deadline = time.monotonic() + 60
    while job.snapshot().state is not state and time.monotonic() < deadline:
        time.sleep(0.01)
    assert job.snapshot().state is state


def workers_left() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [one for one in children if "popen_loky" in " ".join(one.cmdline())]


def test_from_start_to_end_and_again(tmp_path):
    job = SweepJob(CONFIGS, tmp_path)
    assert job.snapshot().state is JobState.READY
    job.start()
    job.start()
    job.join(120)
    snapshot = job.snapshot()
    assert snapshot.state is JobState.DONE and snapshot.error is None
    assert snapshot.running == 0 and not snapshot.failed
    by_seed = sorted(snapshot.results, key=lambda result: result.config.seed)
    assert by_seed == [run_one(config) for config in CONFIGS]
    assert workers_left() == []
    # What is there is read; only the new run, which fails at once, is computed.
    broken = CONFIGS[0].replace(env_id="Nope-v0")
    again = SweepJob([*CONFIGS[:2], broken], tmp_path)
    again.start()
    again.join(120)
    snapshot = again.snapshot()
    assert snapshot.state is JobState.DONE
    assert snapshot.results[:2] == tuple(by_seed[:2])
    assert [one.config for one in snapshot.failed] == [broken]


def test_stopping_ends_the_processes(tmp_path):
    slots = Slots(1)
    job = SweepJob(ENDLESS, tmp_path, slots)
    job.start()
    wait_for(job, JobState.RUNNING)
    assert job.snapshot().running >= 1
    deadline = time.monotonic() + 60
    while not workers_left() and time.monotonic() < deadline:
        time.sleep(0.01)
    waiting = SweepJob(ENDLESS, tmp_path, slots)
    waiting.start()
    wait_for(waiting, JobState.QUEUED)
    job.stop()
    job.join(60)
    assert job.snapshot().state is JobState.STOPPED
    # The next in line goes on, and a session that is gone ends it.
    wait_for(waiting, JobState.RUNNING)
    waiting.stop()
    waiting.join(60)
    assert workers_left() == []
    assert list(tmp_path.iterdir()) == []


def test_waiting_in_line_until_the_session_is_gone(tmp_path):
    lease = Lease(grace_seconds=0.05)
    job = SweepJob(CONFIGS, tmp_path, Slots(0), lease)
    job.start()
    wait_for(job, JobState.QUEUED)
    deadline = time.monotonic() + 60
    while job.snapshot().queue_position is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert job.snapshot().queue_position == 1
    lease.release()
    job.join(60)
    assert job.snapshot().state is JobState.STOPPED


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("no folder")
    job = SweepJob(CONFIGS, tmp_path / "file")
    job.start()
    job.join(60)
    snapshot = job.snapshot()
    assert snapshot.state is JobState.FAILED
    assert "File exists" in snapshot.error and snapshot.error.endswith(".")


def test_a_visitor_s_sweep_is_bounded():
    assert len(bounded_grid(["fast"], ["ppo"], {"gamma": (0.9, 0.99)}, 100)) == 200 == MAX_RUNS
    with pytest.raises(ConfigError, match=r"these are 202 runs; on this page a sweep has at most"):
        bounded_grid(["fast"], ["ppo"], {"gamma": (0.9, 0.99)}, 101)
    # Never made: it would take all memory.
    with pytest.raises(ConfigError, match=r"these are 10,000,000,000 runs"):
        bounded_grid(["fast"], ["ppo"], {"gamma": [0.5] * 10_000}, 1_000_000)
    longest = MAX_STEPS // (32 * 32)
    assert bounded_grid(["fast"], ["ppo"], {"n_updates": (longest,)}, 1)
    with pytest.raises(ConfigError, match=r"these runs take 200 million environment steps tog"):
        bounded_grid(["fast"], ["ppo"], {"n_updates": (longest,)}, 2)
    with pytest.raises(ConfigError, match="at least one algorithm"):
        bounded_grid(["fast"], [], {}, 5)
