"""Statistics over seeds: literal cases, identities, and how often an interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from pgcore import comparison
from pgcore.comparison import groups, iqm, iqm_estimate, probability_of_improvement
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


# The interquartile mean ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([7.0], 7.0),
        ([1.0, 2.0, 6.0], 3.0),
        ([0.0, 4.0, 6.0, 1000.0], 5.0),  # the middle two of four
        ([9.0, 1.0, 2.0, 3.0, -50.0], 2.0),  # one off either end of five
        ([float(i) for i in range(8)], 3.5),
        ([0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 99.0, 99.0], 2.5),
    ],
)
def test_iqm(scores, expected):
    assert iqm(np.array(scores)) == expected
    assert iqm(np.array(scores[::-1])) == expected


def test_iqm_along_the_last_axis():
    scores = np.random.default_rng(0).normal(size=(3, 5, 10))
    each = [[iqm(row) for row in block] for block in scores]
    assert np.array_equal(iqm(scores), each)
    with pytest.raises(ValueError, match="at least one score"):
        iqm(np.array([]))


def test_one_wild_seed_moves_the_mean_and_not_the_iqm():
    scores = np.array([480.0, 490.0, 485.0, 9.0])
    assert iqm(scores) == 482.5
    assert scores.mean() == 366.0


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Twenty draws of a normal distribution, whose IQM is its mean: 95% intervals, 400 times."""
    truth, generator = 3.0, np.random.default_rng(1)
    held = 0
    for i in range(400):
        estimate = iqm_estimate(generator.normal(truth, 2.0, size=20), resamples=400, seed=i)
        held += estimate.low <= truth <= estimate.high
    # The percentile bootstrap is known to be a little too narrow for so few.
    assert 0.88 <= held / 400 <= 0.97


def test_an_interval_is_narrower_with_more_seeds_and_says_nothing_with_one():
    scores = np.random.default_rng(0).normal(size=200)
    few, many = iqm_estimate(scores[:10]), iqm_estimate(scores)
    assert few.high - few.low > 2 * (many.high - many.low)
    assert iqm_estimate(np.full(5, 500.0)) == (500.0, 500.0, 500.0)
    one = iqm_estimate(scores[:1])
    assert one.value == scores[0] and np.isnan([one.low, one.high]).all()
    assert np.isnan(iqm_estimate(scores[:0])).all()


def test_an_interval_is_the_same_every_time_and_leaves_the_global_generator_alone():
    scores = np.random.default_rng(0).normal(size=10)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert iqm_estimate(scores) == iqm_estimate(scores) != iqm_estimate(scores, seed=1)
    x, y = scores[:5], scores[5:]
    assert probability_of_improvement(x, y) == probability_of_improvement(x, y)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# The probability of improvement -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([2.0, 3.0], [0.0, 1.0], 1.0),
        ([0.0, 1.0], [2.0, 3.0], 0.0),
        ([1.0], [1.0], 0.5),
        ([1.0, 3.0], [2.0], 0.5),
        ([1.0, 2.0, 3.0], [2.0, 0.0], 4.5 / 6),  # 1>0, 2=2, 2>0, 3>2, 3>0
    ],
)
def test_probability_of_improvement(x, y, expected):
    estimate = probability_of_improvement(np.array(x), np.array(y))
    assert estimate.value == pytest.approx(expected, abs=1e-15)
    other = probability_of_improvement(np.array(y), np.array(x))
    assert estimate.value + other.value == pytest.approx(1.0, abs=1e-15)
    if min(len(x), len(y)) < 2:
        assert np.isnan([estimate.low, estimate.high]).all()
    else:
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_its_interval_holds_the_truth_about_as_often_as_it_says():
    """X ~ N(1, 1) and Y ~ N(0, 1): P(X > Y) is the normal distribution's at 1 / sqrt 2, 0.760."""
    truth, generator = 0.760250, np.random.default_rng(2)
    held = 0
    for i in range(400):
        x, y = generator.normal(1, 1, size=20), generator.normal(0, 1, size=15)
        estimate = probability_of_improvement(x, y, resamples=400, seed=i)
        held += estimate.low <= truth <= estimate.high
    assert 0.88 <= held / 400 <= 0.98


def test_nothing_to_compare():
    assert np.isnan(probability_of_improvement(np.array([]), np.array([1.0]))).all()


# Groups -------------------------------------------------------------------------------------------


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
