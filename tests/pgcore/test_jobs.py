"""Jobs: real threads that train, watched from outside."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest
import torch

from pgcore import jobs, runs
from pgcore.checkpoints import Checkpoint, take
from pgcore.config import TrainConfig
from pgcore.jobs import JobState, Lease, Slots, TrainingJob
from pgcore.train import Trainer
from tests.pgcore import toys

SMALL = TrainConfig.fast("ppo", n_updates=6, n_envs=4, n_steps=16, checkpoint_every=2)
LONG = SMALL.replace(n_updates=100_000, checkpoint_every=100_000)
"""Ends within a test only when it is told to."""


class Breaks(toys.Constant):
    """Works for a while, then does not."""

    def __init__(self, problem: BaseException) -> None:
        self.problem, self.steps = problem, 0

    def step(self, action):
        self.steps += 1
        if self.steps > 40:
            raise self.problem
        return super().step(action)


PROBLEMS = {
    "ToyRuntime-v0": RuntimeError("the motor is hot"),
    "ToyKey-v0": KeyError("speed"),
    "ToyEmpty-v0": MemoryError(),
    "ToyLines-v0": ValueError("no such angle\nsecond line\n  third line"),
    "ToyExit-v0": SystemExit(3),
    "ToyOS-v0": FileNotFoundError(2, "No such file or directory", "/dev/pole"),
}
for name, problem in PROBLEMS.items():
    gym.register(name, entry_point=Breaks, kwargs={"problem": problem}, max_episode_steps=8)


def until(job: TrainingJob, reached: Callable[[jobs.JobSnapshot], bool], seconds: float = 60):
    """The first snapshot for which it holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        snapshot = job.snapshot()
        if reached(snapshot):
            return snapshot
        time.sleep(0.005)
    raise AssertionError(f"not reached: {snapshot.state}, {len(snapshot.stats)} updates")


def state_is(*states: JobState) -> Callable[[jobs.JobSnapshot], bool]:
    return lambda snapshot: snapshot.state in states


RUNNING = state_is(JobState.RUNNING)


@pytest.fixture
def start():
    """start(config, ...) -> a started job; all of them are stopped at the end."""
    started = []

    def start_(config=SMALL, **options) -> TrainingJob:
        started.append(TrainingJob(config, **options))
        started[-1].start()
        return started[-1]

    yield start_
    for job in started:
        job.stop()
    for job in started:
        job.join(60)
        assert job.snapshot().state.ended


# One job ------------------------------------------------------------------------------------------


def test_a_job_from_start_to_end(start):
    job = TrainingJob(SMALL)
    ready = job.snapshot()
    assert ready.state is JobState.READY
    assert (ready.stats, ready.checkpoints, ready.progress) == ((), (), 0.0)
    assert (ready.queue_position, ready.error, ready.seconds_left) == (None, None, None)
    job = start()
    done = until(job, lambda snapshot: snapshot.state.ended)
    assert (done.state, done.error) == (JobState.DONE, None)
    assert [one.update for one in done.stats] == [1, 2, 3, 4, 5, 6]
    assert [one.update for one in done.checkpoints] == [0, 2, 4, 6]
    assert [one.update for one in done.scores] == [0, 2, 4, 6]
    assert [one.env_steps for one in done.scores] == [0, 128, 256, 384]
    assert done.progress == 1.0
    assert done.seconds_left == 0.0
    assert done.steps_per_second > 0
    assert done.active_seconds >= done.stats[-1].seconds


def test_the_last_update_is_kept_where_the_interval_misses_it(start):
    job = start(SMALL.replace(n_updates=5, checkpoint_every=3))
    done = until(job, lambda snapshot: snapshot.state.ended)
    assert [one.update for one in done.checkpoints] == [0, 3, 5]


@pytest.mark.parametrize("build", [TrainConfig.fast, TrainConfig.homework])
@pytest.mark.parametrize("algorithm", ["vpg", "ppo"])
def test_the_numbers_are_those_of_the_trainer(start, build, algorithm):
    config = build(algorithm, n_updates=4, n_envs=4, n_steps=32, seed=5)
    trainer = Trainer(config)
    expected = list(trainer.run())
    done = until(start(config), lambda snapshot: snapshot.state.ended)
    assert list(done.stats) == expected
    last = done.checkpoints[-1].agent().state_dict()
    for name, weight in trainer.agent.state_dict().items():
        assert torch.equal(weight, last[name])


def test_two_jobs_at_once_change_nothing_for_each_other(start):
    configs = [SMALL.replace(seed=seed, n_updates=15) for seed in (1, 2)]
    expected = [list(Trainer(config).run()) for config in configs]
    slots = Slots(2)
    both = [start(config, slots=slots) for config in configs]
    # Others draw from the global generators meanwhile.
    while not all(job.snapshot().state.ended for job in both):
        torch.rand(1)
        np.random.rand()  # noqa: NPY002
        time.sleep(0.001)
    assert [list(job.snapshot().stats) for job in both] == expected


def test_a_job_leaves_the_global_generators_alone(start):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    until(start(), lambda snapshot: snapshot.state.ended)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


def test_pace_changes_no_number(start):
    expected = list(Trainer(SMALL).run())
    before = time.monotonic()
    done = until(start(updates_per_second=20), lambda snapshot: snapshot.state.ended)
    assert list(done.stats) == expected
    assert time.monotonic() - before >= 5 / 20  # slower for sure than the limit


def test_pause_and_resume_change_no_number(start):
    config = SMALL.replace(n_updates=40)
    expected = list(Trainer(config).run())
    job = start(config, updates_per_second=100)
    for updates in (3, 9, 20):
        until(job, lambda snapshot, at=updates: len(snapshot.stats) >= at)
        job.pause()
        until(job, state_is(JobState.PAUSED))
        job.resume()
    done = until(job, lambda snapshot: snapshot.state.ended)
    assert done.state is JobState.DONE
    assert list(done.stats) == expected


def test_a_pause_holds(start):
    job = start(LONG)
    until(job, lambda snapshot: len(snapshot.stats) >= 2)
    job.pause()
    paused = until(job, state_is(JobState.PAUSED))
    for _ in range(3):
        time.sleep(jobs._TICK)  # what is awaited is that nothing happens
        assert job.snapshot() == paused
    job.resume()
    until(job, lambda snapshot: len(snapshot.stats) > len(paused.stats))


def test_a_pause_asked_for_and_taken_back_at_once(start):
    job = start(LONG)
    until(job, lambda snapshot: len(snapshot.stats) >= 2)
    for _ in range(50):
        job.pause()
        job.resume()
    seen = len(job.snapshot().stats)
    until(job, lambda snapshot: len(snapshot.stats) > seen + 2)


@pytest.mark.parametrize("paused", [False, True])
def test_stop_keeps_what_was_learnt(start, paused):
    job = start(LONG)
    until(job, lambda snapshot: len(snapshot.stats) >= 3)
    if paused:
        job.pause()
        until(job, state_is(JobState.PAUSED))
    job.stop()
    stopped = until(job, lambda snapshot: snapshot.state.ended)
    assert (stopped.state, stopped.error) == (JobState.STOPPED, None)
    assert stopped.checkpoints[-1].update == stopped.stats[-1].update == len(stopped.stats)
    for press in (job.resume, job.pause, job.start, job.stop):
        press()
    assert job.snapshot() == stopped


def test_stop_does_not_wait_for_the_pace(start):
    job = start(LONG, updates_per_second=0.001)
    until(job, lambda snapshot: len(snapshot.stats) == 1)
    job.stop()
    assert until(job, lambda snapshot: snapshot.state.ended).state is JobState.STOPPED


def test_stop_before_start(start):
    job = TrainingJob(SMALL)
    job.join()  # has no thread yet
    job.stop()
    job.start()
    assert until(job, lambda snapshot: snapshot.state.ended).state is JobState.STOPPED
    assert job.snapshot().stats == ()


def test_a_second_start_does_nothing(start):
    job = TrainingJob(SMALL)
    threads = [threading.Thread(target=job.start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = until(job, lambda snapshot: snapshot.state.ended)
    assert [one.update for one in done.stats] == [1, 2, 3, 4, 5, 6]
    job.start()
    assert job.snapshot() == done


def test_a_snapshot_is_frozen_and_does_not_change(start):
    job = start(LONG)
    early = until(job, lambda snapshot: len(snapshot.stats) >= 2)
    count, last, data = len(early.stats), early.stats[-1], early.checkpoints[0].data
    until(job, lambda snapshot: len(snapshot.stats) >= count + 3)
    assert (len(early.stats), early.stats[-1]) == (count, last)
    assert early.checkpoints[0].data is data
    for frozen, name in (
        (early, "state"),
        (early.stats[0], "update"),
        (early.checkpoints[0], "update"),
        (early.scores[0], "update"),
        (early.scores[0].evaluation, "returns"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(frozen, name, None)
    for part in (early.stats, early.checkpoints, early.scores, early.stats[0].episode_returns):
        assert isinstance(part, tuple)


def test_checkpoints_in_memory_stay_within_the_bound(start):
    job = start(SMALL.replace(n_updates=70, checkpoint_every=1, n_steps=2))
    done = until(job, lambda snapshot: snapshot.state.ended)
    assert len(done.checkpoints) == 60
    assert (done.checkpoints[0].update, done.checkpoints[-1].update) == (0, 70)
    assert len(done.scores) == 71


# Going on from a checkpoint, and on disk ----------------------------------------------------------


def test_resume_from_a_checkpoint(start):
    expected = list(Trainer(SMALL).run())
    middle = until(start(), lambda snapshot: snapshot.state.ended).checkpoints[1]
    job = start(middle.config, resume_from=Checkpoint.from_bytes(middle.data))
    done = until(job, lambda snapshot: snapshot.state.ended)
    assert done.state is JobState.DONE
    assert list(done.stats) == expected[2:]
    assert [one.update for one in done.checkpoints] == [2, 4, 6]
    assert done.progress == 1.0


def test_resume_from_a_checkpoint_for_longer(start):
    trainer = Trainer(SMALL)
    list(trainer.run())
    job = start(SMALL.replace(n_updates=9), resume_from=take(trainer))
    done = until(job, lambda snapshot: snapshot.state.ended)
    assert [one.update for one in done.stats] == [7, 8, 9]
    assert done.state is JobState.DONE


def test_a_resumed_run_counts_its_progress_from_the_start(start):
    trainer = Trainer(SMALL)
    list(trainer.run())
    config = SMALL.replace(n_updates=12)
    job = start(config, resume_from=take(trainer), slots=Slots(1), updates_per_second=0.001)
    first = until(job, lambda snapshot: len(snapshot.stats) == 1)
    assert first.progress == pytest.approx(7 / 12)


def test_a_job_that_keeps_its_run_on_disk(start, tmp_path):
    path = tmp_path / "run"
    done = until(start(folder=path), lambda snapshot: snapshot.state.ended)
    assert (path / "metrics.csv").read_text() == runs.to_csv(done.stats)
    files = runs.checkpoint_files(path)
    assert {update: file.read_bytes() for update, file in files.items()} == {
        one.update: one.data for one in done.checkpoints
    }


def test_a_stopped_job_leaves_a_folder_to_go_on_from(start, tmp_path):
    path = tmp_path / "run"
    job = start(LONG, folder=path)
    until(job, lambda snapshot: len(snapshot.stats) >= 3)
    job.stop()
    stopped = until(job, lambda snapshot: snapshot.state.ended)
    assert runs.latest_checkpoint(path).update == stopped.stats[-1].update
    more = LONG.replace(n_updates=stopped.stats[-1].update + 2)
    job = start(more, folder=path, resume_from=runs.latest_checkpoint(path))
    done = until(job, lambda snapshot: snapshot.state.ended)
    assert (done.state, done.error) == (JobState.DONE, None)
    assert len((path / "metrics.csv").read_text().splitlines()) == 1 + more.n_updates


# What goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env_id", "says"),
    [
        ("ToyRuntime-v0", "RuntimeError: the motor is hot."),
        ("ToyKey-v0", "KeyError: 'speed'."),
        ("ToyEmpty-v0", "MemoryError."),
        ("ToyLines-v0", "no such angle second line third line."),
        ("ToyExit-v0", "SystemExit: 3."),
        ("ToyOS-v0", "[Errno 2] No such file or directory: '/dev/pole'."),
    ],
)
def test_a_crash_becomes_a_failed_job(start, env_id, says):
    slots = Slots(1)
    # Each copy has 40 steps: two rollouts of 16, and an evaluation's episodes end after 8.
    job = start(SMALL.replace(env_id=env_id, n_updates=100), slots=slots)
    failed = until(job, lambda snapshot: snapshot.state.ended)
    assert failed.state is JobState.FAILED
    assert failed.error == says
    # What was learnt before is there, and the slot is free.
    assert [one.update for one in failed.stats] == [1, 2]
    assert failed.checkpoints[0].update == 0
    assert until(start(slots=slots), lambda one: one.state.ended).state is JobState.DONE


def test_a_run_that_diverges(start):
    config = TrainConfig.homework("vpg", n_envs=8, n_steps=64, learning_rate=9.9, value_scale=1e-16)
    failed = until(start(config), lambda snapshot: snapshot.state.ended)
    assert failed.state is JobState.FAILED
    assert "the loss or its gradient is no longer a finite number" in failed.error
    assert failed.stats


@pytest.mark.parametrize(
    ("env_id", "says"), [("Nowhere-v0", "doesn't exist"), ("Pendulum-v1", "does not fit")]
)
def test_an_environment_that_does_not_fit(start, env_id, says):
    failed = until(start(SMALL.replace(env_id=env_id)), lambda snapshot: snapshot.state.ended)
    assert failed.state is JobState.FAILED
    assert says in failed.error


def test_a_folder_that_cannot_be_written(start, tmp_path):
    (tmp_path / "file").write_text("no folder")
    failed = until(start(folder=tmp_path / "file" / "run"), lambda snapshot: snapshot.state.ended)
    assert failed.state is JobState.FAILED
    assert failed.error.endswith("cannot be written: Not a directory.")


def test_a_checkpoint_of_another_environment(start):
    other = take(Trainer(SMALL.replace(env_id="Acrobot-v1")))
    forged = dataclasses.replace(other, config=SMALL)
    failed = until(start(SMALL, resume_from=forged), lambda snapshot: snapshot.state.ended)
    assert failed.state is JobState.FAILED
    assert failed.error == "the checkpoint's weights do not fit its config."


# The queue ----------------------------------------------------------------------------------------


def test_the_next_in_line_waits_and_then_runs(start):
    slots = Slots(1)
    first = start(LONG, slots=slots)
    until(first, RUNNING)
    second = start(slots=slots)
    until(second, lambda snapshot: snapshot.queue_position == 1)
    third = start(slots=slots)
    until(third, lambda snapshot: snapshot.queue_position == 2)
    waiting = second.snapshot()
    assert (waiting.state, waiting.stats) == (JobState.QUEUED, ())
    assert first.snapshot().queue_position is None
    first.stop()
    for job in (second, third):
        done = until(job, lambda snapshot: snapshot.state.ended)
        assert (done.state, done.queue_position) == (JobState.DONE, None)


def test_never_more_than_the_slots_run(start):
    slots = Slots(2)
    every = [start(SMALL, slots=slots) for _ in range(5)]
    most = 0
    while not all(job.snapshot().state.ended for job in every):
        snapshots = [job.snapshot() for job in every]
        # Taken one after another: a job counts if it runs before and after the others were asked.
        again = [job.snapshot() for job in every]
        both = zip(snapshots, again, strict=True)
        most = max(most, sum(RUNNING(a) and RUNNING(b) and a.stats == b.stats for a, b in both))
        time.sleep(0.001)
    assert most <= 2
    assert all(job.snapshot().state is JobState.DONE for job in every)


def test_a_pause_frees_the_slot(start):
    slots = Slots(1)
    first = start(LONG, slots=slots)
    until(first, lambda snapshot: len(snapshot.stats) >= 1)
    second = start(LONG, slots=slots)
    until(second, state_is(JobState.QUEUED))
    first.pause()
    until(second, RUNNING)
    assert first.snapshot().state is JobState.PAUSED
    # Back in line now: its slot is taken.
    first.resume()
    until(first, lambda snapshot: snapshot.queue_position == 1)
    second.stop()
    until(first, RUNNING)


def test_stop_in_line(start):
    slots = Slots(1)
    first = start(LONG, slots=slots)
    until(first, RUNNING)
    second, third = start(slots=slots), start(slots=slots)
    until(third, state_is(JobState.QUEUED))
    second.stop()
    assert until(second, lambda snapshot: snapshot.state.ended).state is JobState.STOPPED
    until(third, lambda snapshot: snapshot.queue_position == 1)
    assert second.snapshot().checkpoints == ()


def test_pause_in_line_gives_way(start):
    """A job paused while it waits does not hold up those behind it."""
    slots = Slots(1)
    first = start(LONG, slots=slots)
    until(first, RUNNING)
    second = start(LONG, slots=slots)
    until(second, state_is(JobState.QUEUED))
    second.pause()
    until(second, state_is(JobState.PAUSED))
    first.stop()
    third = start(slots=slots)
    assert until(third, lambda snapshot: snapshot.state.ended).state is JobState.DONE
    assert second.snapshot().stats == ()
    second.resume()
    until(second, lambda snapshot: len(snapshot.stats) >= 1)


# The lease ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["running", "paused", "queued"])
def test_a_job_ends_after_its_session(start, where):
    slots, lease = Slots(1), Lease(grace_seconds=0.3)
    if where == "queued":
        until(start(LONG, slots=slots), RUNNING)
    job = start(LONG, slots=slots, lease=lease)
    if where == "queued":
        until(job, state_is(JobState.QUEUED))
    else:
        until(job, lambda snapshot: len(snapshot.stats) >= 1)
    if where == "paused":
        job.pause()
        until(job, state_is(JobState.PAUSED))
    released = time.monotonic()
    lease.release()
    ended = until(job, lambda snapshot: snapshot.state.ended)
    assert ended.state is JobState.STOPPED
    assert time.monotonic() - released > 0.3


def test_a_lease_taken_again_in_time(start):
    lease = Lease(grace_seconds=1.0)
    job = start(LONG, lease=lease)
    until(job, lambda snapshot: len(snapshot.stats) >= 1)
    for _ in range(3):
        lease.release()
        time.sleep(0.3)
        lease.renew()
    time.sleep(1.2)  # beyond the deadline of each of the releases
    seen = len(job.snapshot().stats)
    until(job, lambda snapshot: len(snapshot.stats) > seen)
    assert job.snapshot().state is JobState.RUNNING


def test_one_session_s_lease_is_not_the_other_s(start):
    slots = Slots(2)
    mine, yours = Lease(grace_seconds=0.0), Lease(grace_seconds=0.0)
    gone, stays = start(LONG, slots=slots, lease=mine), start(LONG, slots=slots, lease=yours)
    until(stays, lambda snapshot: len(snapshot.stats) >= 1)
    mine.release()
    until(gone, state_is(JobState.STOPPED))
    seen = len(stays.snapshot().stats)
    until(stays, lambda snapshot: len(snapshot.stats) > seen)


def test_the_grace_is_longer_than_a_blip_and_shorter_than_the_promise():
    # The promise: a closed tab stops its job within 30 s.
    assert 5 <= jobs.GRACE_SECONDS <= 25
