"""Statistics over seeds: literal cases, identities, and how often an interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from pgcore.estimates import iqm, iqm_estimate, probability_of_improvement

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
