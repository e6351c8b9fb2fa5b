"""Chapter 2's numbers: literal cases, identities, autograd against the closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pgcore.agents import REINFORCE
from pgcore.studies import log_probs as study

logit_lists = st.lists(st.floats(-5, 5), min_size=2, max_size=6)
temperatures = st.floats(0.1, 5)
LOGITS = [-5.0, -2.5, 0.0, 3.0, 5.0]
TEMPERATURES = [0.1, 2.5, 5.0]
SIZES = [1, 10, 100, 10_000]


def test_softmax_of_two_equal_logits_is_the_fair_coin() -> None:
    table = study.softmax_table([0.0, 0.0])
    assert table.prob.tolist() == [0.5, 0.5]
    assert table.log_prob.to_numpy() == pytest.approx(-0.6931471805599453)
    assert study.entropy([0.0, 0.0]) == pytest.approx(math.log(2))


def test_softmax_of_1_0_minus_1() -> None:
    table = study.softmax_table([1.0, 0.0, -1.0])
    assert table.prob.to_numpy() == pytest.approx([0.66524096, 0.24472847, 0.09003057])
    assert table.log_prob.to_numpy() == pytest.approx([-0.40760596, -1.40760596, -2.40760596])


@settings(deadline=None, max_examples=40)
@given(logit_lists, temperatures)
def test_exp_column_normalised_is_prob(logits: list[float], temperature: float) -> None:
    table = study.softmax_table(logits, temperature)
    assert table.prob.to_numpy() == pytest.approx((table.exp / table.exp.sum()).to_numpy())
    assert table.prob.sum() == pytest.approx(1)
    assert np.log(table.prob).to_numpy() == pytest.approx(table.log_prob.to_numpy())


@settings(deadline=None, max_examples=40)
@given(logit_lists, st.floats(-100, 100))
def test_adding_one_number_to_every_logit_changes_nothing(
    logits: list[float], shift: float
) -> None:
    before = study.policy(logits).probs
    after = study.policy([logit + shift for logit in logits]).probs
    assert after.numpy() == pytest.approx(before.numpy(), abs=1e-12)


def test_temperature_goes_from_greedy_to_uniform() -> None:
    assert study.policy([1.0, 0.0], 0.01).probs[0] == pytest.approx(1)
    assert study.policy([1.0, 0.0], 1e6).probs[0] == pytest.approx(0.5, abs=1e-6)


def test_it_is_the_distribution_that_agents_act_with() -> None:
    agent = REINFORCE(4, 3)
    obs = torch.tensor([0.1, -0.2, 0.3, -0.4])
    logits = agent.policy(obs).detach()
    ours = study.policy(logits)
    theirs = agent.distribution(obs)
    assert ours.probs.numpy() == pytest.approx(theirs.probs.detach().numpy(), abs=1e-6)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_that_is_not_above_0_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be above 0"):
        study.policy([0.0, 1.0], temperature)


def test_a_logit_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        study.policy([0.0, math.inf])


def test_sweeps_move_one_slider_and_leave_the_others() -> None:
    logits, temperature = [0.5, -2.0, 1.0], 0.7
    frame = study.sweeps(logits, temperature, LOGITS, TEMPERATURES)
    assert set(frame.moved) == {"logit 0", "logit 1", "logit 2", "temperature"}
    row = frame.query("moved == 'logit 1' and value == 3.0").set_index("action")
    expected = study.softmax_table([0.5, 3.0, 1.0], temperature)
    assert row.prob.to_numpy() == pytest.approx(expected.prob.to_numpy())
    assert row.log_prob.to_numpy() == pytest.approx(expected.log_prob.to_numpy())
    assert row.logit.tolist() == [0.5, 3.0, 1.0]
    row = frame.query("moved == 'temperature' and value == 2.5").set_index("action")
    assert row.prob.to_numpy() == pytest.approx(study.softmax_table(logits, 2.5).prob.to_numpy())
    assert row.entropy.to_numpy() == pytest.approx(study.entropy(logits, 2.5))


def test_sweeps_at_the_sliders_ends_stay_finite() -> None:
    frame = study.sweeps([5.0, -5.0, 5.0, -5.0, 5.0, -5.0], 0.1, LOGITS, TEMPERATURES)
    assert np.isfinite(frame[["exp", "prob", "log_prob", "entropy"]].to_numpy()).all()


def test_coin() -> None:
    frame = study.coin().set_index("prob")
    fair = frame.loc[0.5]
    assert fair.log_prob == pytest.approx(math.log(0.5))
    assert fair.logit == pytest.approx(0)
    assert fair.entropy == frame.entropy.max() == pytest.approx(math.log(2))
    assert frame.loc[0.75].logit == pytest.approx(math.log(3))


def test_frequencies_count_what_they_say_and_approach_the_probabilities() -> None:
    frame = study.frequencies([1.0, 0.0, -1.0], 1.0, SIZES, [3])
    assert frame.n.unique().tolist() == SIZES
    assert (frame.groupby("n")["count"].sum() == SIZES).all()
    last = frame[frame.n == 10_000]
    assert (abs(last.frequency - last.prob) < 4 * last.standard_error).all()
    assert last.standard_error.iloc[0] == pytest.approx(0.0047191, rel=1e-4)
    assert last.mean_surprise.iloc[0] == pytest.approx(last.entropy.iloc[0], abs=0.03)
    # The samples are nested: no count falls as n grows.
    assert (frame.groupby("action")["count"].diff().dropna() >= 0).all()


def test_frequencies_depend_on_the_seed_alone() -> None:
    same = (
        study.frequencies([0.0, 1.0], 1.0, SIZES, [1]),
        study.frequencies([0.0, 1.0], 1.0, SIZES, [1]),
    )
    assert same[0].equals(same[1])
    assert not same[0].equals(study.frequencies([0.0, 1.0], 1.0, SIZES, [2]))


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(7)
    untouched = torch.rand(1)
    torch.manual_seed(7)
    study.frequencies([0.0, 1.0], 1.0, SIZES, [1])
    assert torch.rand(1) == untouched


@settings(deadline=None, max_examples=40)
@given(logit_lists, temperatures, st.integers(0, 5))
def test_autograd_gives_onehot_minus_pi_over_t(
    logits: list[float], temperature: float, action: int
) -> None:
    action %= len(logits)
    frame = study.gradient_sweep(logits, temperature, LOGITS)
    frame = frame[frame.taken == action]
    assert frame.autograd.to_numpy() == pytest.approx(frame.closed_form.to_numpy(), abs=1e-9)
    # Probability is only moved around: no push on the sum of the logits.
    assert frame.groupby("added").autograd.sum().to_numpy() == pytest.approx(0, abs=1e-9)


def test_gradient_sweep_literally() -> None:
    both = study.gradient_sweep([0.0, 0.0], 1.0, LOGITS)
    frame = both[both.taken == 0]
    at_zero = frame[frame.added == 0.0]
    assert at_zero.autograd.tolist() == pytest.approx([0.5, -0.5])
    assert at_zero.one_hot.tolist() == [1.0, 0.0]
    at_five = frame[frame.added == 5.0]
    assert at_five.autograd.tolist() == pytest.approx([0.0066929, -0.0066929], rel=1e-4)
    of_the_other = both[(both.taken == 1) & (both.added == 5.0)]
    assert of_the_other.autograd.tolist() == pytest.approx([-0.0066929, 0.0066929], rel=1e-4)
