"""The bench measures what it says; how long anything takes is not asserted."""

from __future__ import annotations

import pytest
import torch

from pgcore import ready
from pgcore.config import ALGORITHMS, TrainConfig
from pgcore.train import Trainer
from tests.bench import ablations, train
from tests.bench.referee import Referee, timed_run


def test_the_referee_calls_solved_what_is_solved():
    untrained, trained = ready.agents()
    referee = Referee(evaluate_every=10)
    referee.judge(5, trained)
    assert referee.solved_steps is None and referee.final_return == 0, "judged before it was time"
    referee.judge(10, untrained)
    assert referee.solved_steps is None and 0 < referee.final_return < 100
    referee.start()
    referee.stop()
    referee.judge(20, trained)
    assert (referee.solved_steps, referee.solved_seconds) == (20, referee.seconds)
    referee.judge(25, untrained, last=True)
    assert referee.final_return < 100 and referee.solved_steps == 20


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_fast_preset_is_timed_to_its_end(algorithm):
    run = timed_run(TrainConfig.fast(algorithm, n_updates=2, n_steps=16))
    assert run.steps == 2 * 16 * 32
    assert run.seconds > 0 and run.final_return > 0


@pytest.mark.parametrize("variant", ablations.VARIANTS)
def test_an_ablation_takes_one_thing_away(variant):
    change = ablations.VARIANTS[variant]
    config = TrainConfig.fast("ppo", n_updates=1)
    shipped = Trainer(config)
    if isinstance(change, dict):
        assert (TrainConfig.fast("ppo", **change) == TrainConfig.fast("ppo")) == (not change)
        return
    trainer = change(config)
    stats = next(trainer.run())
    assert stats.update == 1
    next(shipped.run())
    if change is not ablations.with_separate_environments:  # they draw their own first states
        assert torch.equal(trainer.traj.actions, shipped.traj.actions)
        torch.testing.assert_close(trainer.parameters, shipped.parameters, rtol=1e-3, atol=1e-4)


def test_the_homeworks_table_has_a_line_for_each_algorithm_of_the_notebook(capsys):
    train.main(["--parts", "homework", "--iterations", "1", "--algorithms", "gae", "ppo"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:-1]] == ["ppo"], "GAE has no notebook"


@pytest.mark.parametrize("option", ["--seeds", "--peer-seeds", "--iterations"])
def test_a_count_that_makes_no_sense_is_refused_in_one_sentence(option, capsys):
    with pytest.raises(SystemExit):
        train.main([option, "-1"])
    assert f"{option} must be at least" in capsys.readouterr().err
