"""Where products and ratios of probabilities break in float32, and their logarithms do not."""

from __future__ import annotations

import math

import pytest

from pgcore.studies import float32 as study


def test_half_to_the_power_of_500_underflows_after_149_steps() -> None:
    frame = study.underflow(0.5).set_index("step")
    assert frame.loc[149, "product"] == study.SMALLEST_FLOAT32 == 2.0**-149
    assert frame.loc[150, "product"] == 0
    assert frame.loc[500, "log_of_product"] == -math.inf
    assert frame.loc[500, "sum_of_logs"] == pytest.approx(500 * math.log(0.5), rel=1e-5)


def test_probable_enough_actions_do_not_underflow() -> None:
    last = study.underflow(0.9).iloc[-1]
    assert last["product"] == pytest.approx(0.9**500, rel=1e-3)
    assert last.log_of_product == pytest.approx(last.sum_of_logs, rel=1e-4)


@pytest.mark.parametrize("step_prob", [0.0, 1.0, -0.1, math.nan])
def test_a_step_probability_must_be_inside_0_to_1(step_prob: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        study.underflow(step_prob)


@pytest.mark.parametrize("step_prob", [0.05, 0.25, 0.5, 0.8, 0.85, 0.9, 0.99])
def test_the_sum_of_logs_keeps_its_gradient_where_the_product_lost_it(step_prob: float) -> None:
    naive, stable = study.underflow_gradients(step_prob)
    assert stable == pytest.approx(500 * (1 - step_prob), rel=1e-4)
    underflows = study.underflow(step_prob)["product"].iloc[-1] == 0
    assert math.isnan(naive) if underflows else naive == pytest.approx(stable)


@pytest.mark.parametrize("log_ratio", [-3.0, -0.5, 0.0, 0.25, 1.0, 3.0])
def test_the_difference_of_logs_never_breaks(log_ratio: float) -> None:
    frame = study.ratios(log_ratio)
    assert frame.stable.to_numpy() == pytest.approx(math.exp(log_ratio), rel=1e-4)
    assert frame.outcome.iloc[0] == "right"
    assert frame.naive.iloc[0] == pytest.approx(math.exp(log_ratio), rel=1e-3)
    assert frame.outcome.iloc[-1] == "not a number"


def test_where_the_naive_ratio_breaks() -> None:
    outcome = study.ratios(0.5).set_index("log_b").outcome
    assert outcome[-90.0] == "right"
    assert outcome[-102.0] == "imprecise"  # a handful of float32 steps above 0: 1.5, not 1.649
    assert outcome[-104.0] == "infinite"  # B is 0, A is not yet
    assert outcome[-105.0] == "not a number"  # 0 / 0
    assert study.ratios(-1.0).set_index("log_b").outcome[-103.5] == "zero"
