"""Readers first: a run that stands aside while a page is computed."""

from __future__ import annotations

import subprocess
import sys
import time

from pgcore.config import TrainConfig
from pgcore.evaluate import evaluate
from pgcore.giving_way import CHECK_SECONDS, LINGER_SECONDS, PATIENCE_SECONDS, GiveWay
from pgcore.jobs import Slots, TrainingJob
from pgcore.train import Trainer
from tests.conftest import ROOT

SMALL = TrainConfig.fast("ppo", n_updates=3, n_envs=4, n_steps=16, minibatch_size=32)


def seconds(call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def test_nobody_waits_and_nothing_is_lost():
    looks = []
    give_way = GiveWay(lambda: looks.append(1))  # type: ignore[arg-type,return-value]
    give_way()
    assert len(looks) == 1
    # Until the next look is due the question is not even asked.
    give_way._next_look = time.perf_counter() + 60
    give_way()
    assert len(looks) == 1


def test_waits_for_the_answer_and_for_its_way_to_the_browser():
    until = time.perf_counter() + 0.1
    assert seconds(GiveWay(lambda: time.perf_counter() < until)) >= 0.1 + LINGER_SECONDS / 2


def test_a_crowd_slows_a_run_and_never_stops_it():
    give_way = GiveWay(lambda: True)
    assert seconds(give_way) >= PATIENCE_SECONDS
    # Then its share, without a look.
    looked_until = give_way._next_look
    give_way()
    assert give_way._next_look == looked_until > time.perf_counter() + CHECK_SECONDS


def test_the_trainer_calls_it_after_every_step_of_both_kinds():
    calls = []
    trainer = Trainer(SMALL)
    trainer.between_steps = lambda: calls.append(trainer.update_count)
    list(trainer.run())
    steps = SMALL.n_steps + SMALL.n_epochs * (SMALL.n_envs * SMALL.n_steps // SMALL.minibatch_size)
    assert len(calls) == SMALL.n_updates * steps
    calls.clear()
    result = evaluate(trainer.agent, "CartPole-v1", 3, between_steps=lambda: calls.append(0))
    assert len(calls) == max(result.lengths)


def test_a_job_gives_way_and_its_numbers_do_not_tell():
    asked = []

    def now_and_then() -> bool:
        asked.append(time.perf_counter())
        return len(asked) % 7 < 2

    disturbed = TrainingJob(SMALL, Slots(1, now_and_then))
    disturbed.start()
    disturbed.join(60)
    assert len(asked) > 10
    free = TrainingJob(SMALL)
    free.start()
    free.join(60)
    for one, other in zip(disturbed.snapshot().stats, free.snapshot().stats, strict=True):
        assert one.policy_loss == other.policy_loss
        assert one.grad_norm == other.grad_norm


LEAVES = """
from pgcore.config import TrainConfig
from pgcore.jobs import TrainingJob
job = TrainingJob(TrainConfig.homework("ppo", n_updates=10_000))
job.start()
while len(job.snapshot().stats) < 2:
    job.join(0.05)
"""


def test_a_process_that_ends_in_the_middle_of_an_update_ends_quietly():
    done = subprocess.run(
        [sys.executable, "-c", LEAVES], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
