"""Sweeps: every backend gives the same results, and one broken run costs itself alone."""

from __future__ import annotations

import json

import pytest

from pgcore.config import ConfigError, TrainConfig
from pgcore.sweep import Result, run_one, sweep
from pgcore.train import Trainer

SMALL = {"n_updates": 4, "n_envs": 4, "n_steps": 16, "checkpoint_every": 2}


def small(**changes: object) -> TrainConfig:
    return TrainConfig.fast("ppo", **(SMALL | changes))


def by_config(results) -> dict[TrainConfig, Result]:
    return {result.config: result for result in results}


def test_a_run_is_evaluated_at_its_checkpoints():
    result = run_one(small())
    assert [point.update for point in result.curve] == [0, 2, 4]
    assert [point.env_steps for point in result.curve] == [0, 128, 256]
    assert result.final_return == result.curve[-1].mean_return > 5
    assert result.solved_at is None
    trainer = Trainer(small())
    assert len(list(trainer.run())) == 4


@pytest.mark.parametrize("backend", ["processes", "ray"])
def test_every_backend_gives_the_same_results(tmp_path, backend):
    """Bit for bit: curves, the hash of the last weights, and what went wrong."""
    if backend == "ray":
        pytest.importorskip("ray", reason="ray is optional: pip install ray")
    broken = small(env_id="Nope-v0")
    configs = [small(seed=seed) for seed in range(3)] + [broken]
    configs += [TrainConfig.homework(name, **SMALL) for name in ("reinforce", "gae")]
    here = by_config(sweep(configs, tmp_path / "here", "serial"))
    there = by_config(sweep(configs, tmp_path / "there", backend, workers=2))
    assert here == there
    assert len({result.weights for result in here.values()}) == len(configs)
    # One broken run is reported, and the rest goes on.
    assert "cannot be made" in there[broken].error
    assert [one.error for one in there.values()].count(None) == len(configs) - 1


def test_an_interrupted_sweep_goes_on_where_it_was(tmp_path):
    configs = [small(seed=seed) for seed in range(3)]
    results = sweep(configs, tmp_path, "serial")
    first = next(results)
    results.close()
    (file,) = tmp_path.iterdir()
    # Marked, so that a second run of the same config would show.
    stored = json.loads(file.read_text()) | {"seconds": 1234.5}
    file.write_text(json.dumps(stored))
    again = by_config(sweep(configs, tmp_path, "serial"))
    assert set(again) == set(configs)
    assert again[first.config] == first
    assert again[first.config].seconds == 1234.5
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"curve": 3, "error": null}'])
def test_a_damaged_result_is_run_again(tmp_path, damage):
    (whole,) = sweep([small()], tmp_path, "serial")
    (file,) = tmp_path.iterdir()
    file.write_text(damage)
    assert list(sweep([small()], tmp_path, "serial")) == [whole]


@pytest.mark.parametrize("backend", ["processes", "ray"])
def test_a_killed_process_costs_its_own_run_alone(tmp_path, backend):
    if backend == "ray":
        pytest.importorskip("ray", reason="ray is optional: pip install ray")
    fatal = small(env_id="tests.pgcore.fatal_env:Fatal-v0")
    others = [small(seed=seed) for seed in range(2)]
    results = by_config(sweep([fatal, *others], tmp_path, backend, workers=2))
    assert "killed" in results[fatal].error
    assert all(results[config] == run_one(config) for config in others)


def test_bad_input_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="backend must be one of processes, serial, ray"):
        list(sweep([small()], tmp_path, "cloud"))
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OSError):
        list(sweep([small()], file / "folder"))
