"""Losses and meters: literal numbers and identities."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pgcore import agents, losses
from pgcore.losses import clipped_surrogate
from pgcore.trajectory import Batch

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def test_policy_gradient_loss_by_hand():
    log_probs, weights = torch.tensor([-1.0, -2.0]), torch.tensor([3.0, 5.0])
    assert losses.policy_gradient_loss(log_probs, weights).item() == 6.5


def test_its_gradient_is_the_weight():
    log_probs = torch.zeros(2, 2, requires_grad=True)
    weights = torch.tensor([[1.0, -2.0], [0.0, 4.0]])
    losses.policy_gradient_loss(log_probs, weights).backward()
    assert torch.equal(log_probs.grad, -weights / 4)


def test_value_loss_by_hand():
    assert losses.value_loss(torch.tensor([1.0, 2.0]), torch.tensor([4.0, 3.0])).item() == 5.0


samples = st.tuples(
    st.integers(0, 2**32), st.sampled_from([torch.float32, torch.float64]), st.floats(0.01, 0.99)
)


def test_approx_kl_by_hand():
    log_ratio = torch.tensor([1.5, 0.5], dtype=torch.float64).log()
    expected = ((0.5 - math.log(1.5)) + (-0.5 - math.log(0.5))) / 2
    assert losses.approx_kl(log_ratio).item() == pytest.approx(expected, rel=1e-12)


def test_approx_kl_estimates_the_kl_divergence():
    old, new = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 0.3, 0.2])
    actions = torch.multinomial(
        old, 200_000, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    estimate = losses.approx_kl((new / old).log()[actions])
    assert estimate.item() == pytest.approx((old * (old / new).log()).sum().item(), rel=0.02)


@settings(deadline=None)
@given(samples, st.floats(-12, 3))
def test_approx_kl_is_never_negative(sample, magnitude):
    seed, dtype, _ = sample
    generator = torch.Generator().manual_seed(seed)
    log_ratio = torch.randn(100, generator=generator, dtype=dtype) * 10**magnitude
    assert (losses.approx_kl(log_ratio) >= 0).item()
    assert losses.approx_kl(torch.zeros(3)).item() == 0.0


def test_the_two_meters_by_hand():
    # Two are outside the range on each side; the advantage silences one of each two.
    ratio = torch.tensor([0.5, 0.5, 1.0, 1.5, 1.5])
    advantages = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0])
    surrogate = clipped_surrogate(ratio.log(), torch.zeros(5), advantages, 0.2)
    assert losses.clip_fraction(surrogate.ratio, 0.2).item() == pytest.approx(0.8)
    assert losses.zero_gradient_fraction(surrogate.clip_active).item() == pytest.approx(0.4)


@settings(deadline=None)
@given(samples)
def test_no_more_samples_are_silenced_than_are_outside_the_range(sample):
    seed, dtype, eps = sample
    generator = torch.Generator().manual_seed(seed)
    advantages = torch.randn(400, generator=generator, dtype=dtype)
    # Half of them within rounding of the two bounds, where a sloppy comparison would show.
    near = math.log(1 + eps), math.log(1 - eps)
    spread = torch.finfo(dtype).eps * torch.randn(2, 100, generator=generator, dtype=dtype)
    far = torch.randn(200, generator=generator, dtype=dtype)
    log_ratio = torch.cat([near[0] + spread[0], near[1] + spread[1], far])
    surrogate = clipped_surrogate(log_ratio, torch.zeros_like(log_ratio), advantages, eps)
    outside = losses.clip_fraction(surrogate.ratio, eps)
    assert losses.zero_gradient_fraction(surrogate.clip_active) <= outside


@DTYPES
@pytest.mark.parametrize("eps", [0.05, 0.1, 0.2, 0.3, 0.5, 0.9])
def test_a_ratio_on_the_bound_is_not_outside_and_the_next_number_is(eps, dtype):
    for side in (-1, 1):
        bound = torch.tensor(1 + side * eps, dtype=dtype)
        beyond = torch.nextafter(bound, bound + side)
        assert losses.clip_fraction(bound, eps).item() == 0.0
        assert losses.clip_fraction(beyond, eps).item() == 1.0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 3.0, 6.0], 1.0),
        ([11.0, 12.0, 13.0, 16.0], 1.0),  # a constant offset costs no variance
        ([7.0, 7.0, 7.0, 7.0], 0.0),
        ([-1.0, -2.0, -3.0, -6.0], -3.0),
        ([0.5, 1.0, 1.5, 3.0], 0.75),
    ],
)
def test_explained_variance_by_hand(values, expected):
    returns = torch.tensor([1.0, 2.0, 3.0, 6.0])
    assert losses.explained_variance(torch.tensor(values), returns).item() == pytest.approx(
        expected
    )


@pytest.mark.parametrize("constant", [0.0, 0.1, 7.7, 1e6 + 0.1])
@pytest.mark.parametrize("n", [1, 3, 7, 1000])
def test_where_returns_do_not_vary_nothing_can_be_explained(constant, n):
    explained = losses.explained_variance(torch.linspace(0, 1, n), torch.full((n,), constant))
    assert explained.isnan()


COLUMN, FLAT = torch.zeros(4, 1), torch.zeros(4)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (losses.policy_gradient_loss, (COLUMN, FLAT)),
        (losses.policy_gradient_loss, (FLAT, COLUMN)),
        (losses.value_loss, (COLUMN, FLAT)),
        (losses.value_loss, (FLAT, COLUMN)),
        (clipped_surrogate, (COLUMN, FLAT, FLAT, 0.2)),
        (clipped_surrogate, (FLAT, COLUMN, FLAT, 0.2)),
        (clipped_surrogate, (FLAT, FLAT, COLUMN, 0.2)),
        (losses.explained_variance, (COLUMN, FLAT)),
        (losses.explained_variance, (FLAT, COLUMN)),
    ],
)
def test_a_column_against_a_row_is_refused(function, arguments):
    with pytest.raises(ValueError, match=r"(?s)(?=.*\(4, 1\))(?=.*\(4,\))"):
        function(*arguments)


@pytest.mark.parametrize("name", ["VPG", "PPO", "GAE"])
def test_an_agent_refuses_values_with_a_trailing_one(name):
    agent = getattr(agents, name)(2, 2)
    batch = Batch(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), FLAT, FLAT, None)
    if name == "GAE":
        batch.advantages = FLAT
    with pytest.raises(ValueError, match=r"(?s)(?=.*\(4, 1\))(?=.*\(4,\))"):
        agent.loss(FLAT, COLUMN, batch)
