"""The score-function estimator against the exact gradient, its spread, and the two weightings."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pgcore.studies import score_function as study

UNIFORM = (0.0, 0.0, 0.0)
SKEWED = (1.0, 0.0, -1.0)
BATCHES = [2**power for power in range(10)]
MEANS = torch.tensor(study.MEANS, dtype=torch.float64)


def closed_form(logits: torch.Tensor) -> torch.Tensor:
    """pi(a) * (mean_a - J)."""
    pi = logits.softmax(-1)
    return pi * (MEANS - (pi * MEANS).sum())


def single_pull_spread(logits: torch.Tensor, noise: float) -> float:
    """Root of the trace of the covariance of r * (onehot - pi), summed over the arms exactly."""
    pi = logits.softmax(-1)
    scores = torch.eye(3, dtype=torch.float64) - pi
    second = (pi * (MEANS.square() + noise**2) * scores.square().sum(-1)).sum()
    return float((second - closed_form(logits).square().sum()).sqrt())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_exact_gradient(logits: list[float]) -> None:
    expected = closed_form(torch.tensor(logits, dtype=torch.float64))
    assert study.exact_gradient(logits).numpy() == pytest.approx(expected.numpy(), abs=1e-12)


def test_exact_gradient_literally() -> None:
    assert study.exact_gradient(UNIFORM).tolist() == pytest.approx([-1 / 3, 0, 1 / 3])


def test_an_estimate_is_the_sum_of_weight_times_score() -> None:
    actions = torch.tensor([[0, 2], [1, 2]])
    weights = torch.tensor([[3.0, -1.0], [6.0, 2.0]], dtype=torch.float64)
    third = torch.full((3,), 1 / 3, dtype=torch.float64)
    one_hot = torch.eye(3, dtype=torch.float64)
    expected = torch.stack(
        [3 * (one_hot[0] - third) + 6 * (one_hot[1] - third), (2 - 1) * (one_hot[2] - third)]
    )
    got = study.estimates(UNIFORM, actions, weights)
    assert got.numpy() == pytest.approx(expected.numpy())


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shape"):
        study.estimates(UNIFORM, torch.zeros(4, 2, dtype=torch.int64), torch.zeros(4, 1))


@pytest.mark.parametrize("logits", [UNIFORM, SKEWED])
def test_the_estimator_is_unbiased(logits: tuple[float, ...]) -> None:
    n = 20_000
    gradients = study.sampled_gradients(logits, 1.0, batch=1, n_batches=n, seed=0)
    error = (gradients.mean(0) - study.exact_gradient(logits)).norm()
    assert error < 4 * study.spread(gradients, study.exact_gradient(logits)) / n**0.5


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("logits", [UNIFORM, SKEWED])
def test_the_spread_is_the_closed_form_over_root_batch(
    logits: tuple[float, ...], noise: float
) -> None:
    _, spreads = study.batches(logits, noise, BATCHES)
    single = single_pull_spread(torch.tensor(logits, dtype=torch.float64), noise)
    for row in spreads.itertuples():
        assert row.spread == pytest.approx(single / row.batch**0.5, rel=0.15)
    slope, fitted = study.slope(spreads)
    assert slope == pytest.approx(-0.5, abs=0.03)
    assert fitted == pytest.approx(spreads.spread.to_numpy(), rel=0.15)


def test_arrows_are_a_share_of_the_estimates_and_sum_to_zero() -> None:
    arrows, _ = study.batches(SKEWED, 1.0, [1, 8])
    assert (arrows.groupby("batch").size() == study.ARROWS).all()
    assert arrows[list(study.ARMS)].sum(axis=1).to_numpy() == pytest.approx(0, abs=1e-9)


def test_both_weightings_agree_on_one_pull_and_in_the_mean() -> None:
    arrows, spreads = study.weightings(SKEWED, 1.0, [1, 2, 10])
    one = arrows[arrows.horizon == 1].set_index("index").groupby("weighting")
    full, to_go = (one.get_group(name)[["A", "B", "C"]] for name in study.WEIGHTINGS)
    assert full.equals(to_go)
    exact = study.exact_gradient(SKEWED).numpy()
    for row in spreads.itertuples():
        # 200 estimates: the mean's own standard error is the spread over root 200.
        means = [row.A, row.B, row.C]
        assert means == pytest.approx(exact, abs=4 * row.spread / 200**0.5)


def test_reward_to_go_scatters_less_and_the_gain_grows() -> None:
    _, spreads = study.weightings(UNIFORM, 1.0, [1, 2, 10, 50])
    table = spreads.pivot(index="horizon", columns="weighting", values="spread")
    gain = table["full return"] / table["reward-to-go"]
    assert gain[1] == 1
    assert (gain[1:] > 1.2).all()
    # Long episodes of equal mean rewards: T^3 against T^3 / 3 in the variance.
    assert gain[50] == pytest.approx(3**0.5, rel=0.15)


@pytest.mark.parametrize("offset", [-4.0, 0.0, 4.0])
def test_the_objective_rises_whatever_the_loss_does(offset: float) -> None:
    frame = study.training(offset)
    assert frame.objective.iloc[0] == pytest.approx(2)
    assert frame.objective.iloc[-1] > 2.8
    direction = frame.loss.iloc[-1] - frame.loss.iloc[0]
    if offset == 4:
        assert direction < 0
    if offset == -4:
        assert direction > 0


def test_the_same_seed_gives_the_same_numbers() -> None:
    first, second = (study.weightings(UNIFORM, 1.0, [3], seed=5)[0] for _ in range(2))
    assert first.equals(second)
    assert not first.equals(study.weightings(UNIFORM, 1.0, [3], seed=6)[0])
