"""The learning curve: small cases by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcore.config import TrainConfig
from pgcore.stats import UpdateStats
from pgcore.studies.learning_curve import MAX_POINTS, METERS, SPREAD, WINDOW, meters, return_curve
from pgcore.train import Trainer


def update(number: int, *returns: float, **changes) -> UpdateStats:
    fields = {
        "update": number,
        "env_steps": 100 * number,
        "seconds": 0.5 * number,
        "episode_returns": tuple(returns),
        "episode_lengths": tuple(int(one) for one in returns),
        "reward_per_step": 0.9,
        "policy_loss": -0.1,
        "value_loss": None,
        "entropy": 0.6,
        "approx_kl": None,
        "clip_fraction": None,
        "zero_gradient_fraction": None,
        "ratio_spread": None,
        "explained_variance": None,
        "grad_norm": 1.5,
        "learning_rate": 0.01,
    }
    return UpdateStats(**fields | changes)


def test_nothing_yet():
    for stats in ([], [update(1), update(2)]):
        curve = return_curve(stats)
        assert list(curve.columns) == ["env_steps", "mean", "low", "high", "episodes"]
        assert curve.empty
    assert list(meters([]).columns) == ["env_steps", *METERS]
    assert meters([]).empty


def test_few_episodes_are_filled_up_with_earlier_ones():
    stats = [update(1), update(2, 10), update(3), update(4, 20, 60)]
    curve = return_curve(stats, window=3)
    assert curve["env_steps"].tolist() == [200, 300, 400]
    assert curve["mean"].tolist() == [10, 10, 30]
    assert curve["episodes"].tolist() == [1, 1, 3]


def test_a_fork_begins_on_its_parents_curve():
    before, after = [update(1, 10), update(2, 20)], [update(3), update(4, 60)]
    branch = return_curve(after, window=3, history=before)
    assert branch["env_steps"].tolist() == [200, 300, 400]
    assert branch["mean"].tolist() == [15, 15, 30]
    # The parent, had it gone on like that.
    pd.testing.assert_frame_equal(
        branch, return_curve(before + after, window=3).iloc[1:].reset_index(drop=True)
    )


def test_the_window_forgets():
    stats = [update(1, 1, 2, 3), update(2, 10), update(3, 20, 30)]
    curve = return_curve(stats, window=2)
    # Update 1 has more episodes than the window: all of them count.
    assert curve["mean"].tolist() == [2, 6.5, 25]
    assert curve["episodes"].tolist() == [3, 2, 2]


def test_the_band_holds_the_middle_four_fifths():
    (row,) = return_curve([update(1, *range(101))]).to_dict("records")
    assert (row["low"], row["mean"], row["high"]) == (10, 50, 90)
    (row,) = return_curve([update(1, 7)]).to_dict("records")
    assert (row["low"], row["mean"], row["high"]) == (7, 7, 7)


@given(st.lists(st.lists(st.floats(-500, 500), max_size=30), max_size=20))
def test_each_point_is_of_the_episodes_before_it(episodes):
    stats = [update(i + 1, *returns) for i, returns in enumerate(episodes)]
    seen: list[float] = []
    points = {row.env_steps: row for row in return_curve(stats).itertuples()}
    for one in stats:
        seen.extend(one.episode_returns)
        if not seen:
            assert one.env_steps not in points
            continue
        point = points[one.env_steps]
        pool = seen[-point.episodes :]
        assert point.episodes == min(len(seen), max(WINDOW, len(one.episode_returns)))
        assert point.mean == pytest.approx(np.mean(pool), abs=1e-9)
        assert (point.low, point.high) == pytest.approx(np.quantile(pool, SPREAD), abs=1e-9)


def test_missing_meters_are_not_a_number():
    frame = meters([update(1), update(2, approx_kl=0.25, value_loss=3)])
    assert frame.loc[0, ["entropy", "grad_norm", "reward_per_step"]].tolist() == [0.6, 1.5, 0.9]
    assert math.isnan(frame.loc[0, "approx_kl"])
    assert frame.loc[1, ["approx_kl", "value_loss"]].tolist() == [0.25, 3.0]
    assert {str(dtype) for dtype in frame.dtypes} == {"float64"}


@pytest.mark.parametrize("count", [1, 2, MAX_POINTS - 1, MAX_POINTS, MAX_POINTS + 1, 5000])
@pytest.mark.parametrize("draw", [return_curve, meters])
def test_thinning_keeps_first_and_last_and_moves_nothing(draw, count):
    stats = [update(i, i) for i in range(1, count + 1)]
    frame = draw(stats)
    assert len(frame) == min(count, MAX_POINTS)
    steps = frame["env_steps"].tolist()
    assert steps[0] == 100 and steps[-1] == 100 * count
    # Evenly: no gap is twice another.
    gaps = np.diff(steps)
    assert len(gaps) == 0 or gaps.max() <= gaps.min() + 100
    assert frame.index.tolist() == list(range(len(frame)))
    if draw is return_curve:
        # Thinned after the means are taken: each is of the last WINDOW updates before it.
        last = np.arange(max(count - WINDOW, 0) + 1, count + 1)
        assert frame["mean"].iloc[-1] == pytest.approx(last.mean())


def test_a_real_run():
    stats = list(Trainer(TrainConfig.fast("ppo", n_updates=8, n_envs=4, n_steps=64)).run())
    curve, table = return_curve(stats), meters(stats)
    assert table["env_steps"].tolist() == [one.env_steps for one in stats]
    for name in METERS:
        assert table[name].tolist() == [getattr(one, name) for one in stats]
    episodes = [value for one in stats for value in one.episode_returns]
    newest = stats[-1].episode_returns
    pool = newest if len(newest) > WINDOW else episodes[-WINDOW:]
    assert curve["mean"].iloc[-1] == pytest.approx(np.mean(pool))


def test_meters_name_fields_of_the_stats():
    assert set(METERS) <= set(UpdateStats.__dataclass_fields__)
    assert SPREAD == (0.1, 0.9)  # the page says "the middle 80%"
    assert isinstance(return_curve([update(1, 5)]), pd.DataFrame)
