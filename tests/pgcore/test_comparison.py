"""The runs of a sweep in groups: names, curves, tables, and what failed."""

from __future__ import annotations

import numpy as np
import pytest

from pgcore import comparison
from pgcore.comparison import groups
from pgcore.config import TrainConfig
from pgcore.plan import grid
from pgcore.sweep import Point, Result

PPO = TrainConfig.fast("ppo")


def result(config: TrainConfig, *returns: float, error: str | None = None) -> Result:
    """A run that was evaluated at steps 0, 100, 200..."""
    points = tuple(Point(i, 100 * i, value) for i, value in enumerate(returns))
    return Result(config, points, error=error)


def ppo_runs(*finals: float) -> list[Result]:
    return [result(PPO.replace(seed=seed), 20.0, final) for seed, final in enumerate(finals)]


def test_groups_differ_by_more_than_the_seed():
    configs = grid(["fast", "homework"], ["ppo", "vpg"], {"clip_eps": [0.1, 0.2]}, range(3))
    compared = groups(configs)
    assert [group.name for group in compared] == [
        f"{algorithm} {preset} · clip_eps {eps}"
        for preset in ("fast", "homework")
        for algorithm in ("PPO", "VPG")
        for eps in (0.1, 0.2)
    ]
    assert {group.planned for group in compared} == {3}
    assert not any(group.results for group in compared)


def test_a_preset_as_it_is_needs_no_further_name():
    names = [group.name for group in groups(grid(["fast", "homework"], ["gae"], {}, range(2)))]
    assert names == ["GAE fast", "GAE homework"]
    elsewhere = groups([TrainConfig.fast("vpg", env_id="Acrobot-v1", hidden=(64, 32))])
    assert elsewhere[0].name == "VPG fast · env_id Acrobot-v1 · hidden 64x32"


def test_names_and_order_do_not_change_as_results_come_in():
    configs = grid(["fast"], ["ppo"], {"gamma": [0.9, 0.99]}, range(2))
    results = [result(config, 10.0) for config in configs]
    early, late = groups(configs, results[3:]), groups(configs, results[::-1])
    assert [one.name for one in early] == [one.name for one in late]
    assert [len(one.results) for one in early] == [0, 1]
    assert [one.config.seed for one in late[0].results] == [0, 1]


def test_curves_are_medians_and_quartiles_over_seeds():
    results = [
        result(PPO.replace(seed=seed), 20.0, value) for seed, value in enumerate((1, 2, 3, 4, 100))
    ]
    compared = groups([one.config for one in results], results)
    assert comparison.curves(compared).to_dict("list") == {
        "group": ["PPO fast"] * 2,
        "env_steps": [0, 100],
        "median": [20.0, 3.0],
        "low": [20.0, 2.0],
        "high": [20.0, 4.0],
        "seeds": [5, 5],
    }
    single = comparison.seed_curves(compared)
    assert len(single) == 10
    assert single[single["seed"] == 4]["mean_return"].tolist() == [20.0, 100.0]


def test_failed_runs_are_told_and_left_out_of_returns_and_count_as_not_solved():
    results = ppo_runs(480.0, 490.0, 300.0)
    # It was solved, and then it broke.
    results.append(result(PPO.replace(seed=3), 20.0, 495.0, error="update 2: broke."))
    compared = groups([one.config for one in results], results)
    (row,) = comparison.summary(compared).to_dict("records")
    assert row | {"iqm_low": 0, "iqm_high": 0} == {
        "group": "PPO fast",
        "seeds": 3,
        "failed": 1,
        "solved": 2,
        "solved_share": 0.5,
        "iqm": pytest.approx(1270 / 3),
        "iqm_low": 0,
        "iqm_high": 0,
        "steps_to_solved": 100.0,
    }
    assert comparison.curves(compared)["seeds"].tolist() == [3, 3]
    told = comparison.runs(compared)
    assert told["error"].tolist()[-1] == "update 2: broke."
    assert np.isnan(told["final_return"].tolist()[-1])
    assert "2 of 4" in comparison.summary_lines(compared)


def test_nothing_is_there_yet():
    compared = groups([PPO, PPO.replace(seed=1)])
    assert comparison.curves(compared).empty and comparison.seed_curves(compared).empty
    assert comparison.runs(compared).empty
    (row,) = comparison.summary(compared).to_dict("records")
    assert np.isnan([row["iqm"], row["solved_share"], row["steps_to_solved"]]).all()
    assert "PPO fast" in comparison.summary_lines(compared)


def test_steps_to_solved_is_the_median_among_those_that_solved():
    results = [
        result(PPO.replace(seed=0), 20.0, 480.0, 400.0),
        result(PPO.replace(seed=1), 20.0, 30.0, 500.0),
        result(PPO.replace(seed=2), 20.0, 30.0, 400.0),
    ]
    (row,) = comparison.summary(groups([one.config for one in results], results)).to_dict("records")
    assert (row["solved"], row["solved_share"], row["steps_to_solved"]) == (2, 2 / 3, 150.0)


def test_the_table_of_runs_has_every_setting():
    results = ppo_runs(100.0, 480.0)
    frame = comparison.runs(groups([one.config for one in results], results))
    assert set(vars(PPO)) < set(frame.columns)
    assert frame["seed"].tolist() == ["0", "1"]
    assert frame["final_return"].tolist() == [100.0, 480.0]
