"""Losses and meters: literal numbers, and what autograd says about the clip."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pgcore import agents, losses
from pgcore.config import TrainConfig
from pgcore.losses import clipped_surrogate
from pgcore.trajectory import Batch

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def surrogate_and_gradient(log_ratio, advantages, eps):
    """The pieces of PPO's objective, and d(objective_i) / d(log_prob_i) by autograd."""
    log_probs = log_ratio.clone().requires_grad_()
    surrogate = clipped_surrogate(log_probs, torch.zeros_like(log_ratio), advantages, eps)
    (gradient,) = torch.autograd.grad(surrogate.objective.sum(), log_probs)
    return surrogate, gradient


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


# (advantage, ratio at eps 0.2) -> objective, whether min picked the clipped branch. The whole
# story of PPO's clip is these six rows.
SIX_CASES = [
    (+2.0, 0.5, 1.0, False),
    (+2.0, 1.1, 2.2, False),
    (+2.0, 1.5, 2.4, True),
    (-2.0, 0.5, -1.6, True),
    (-2.0, 0.9, -1.8, False),
    (-2.0, 1.5, -3.0, False),
]


@DTYPES
@pytest.mark.parametrize(("advantage", "ratio", "objective", "active"), SIX_CASES)
def test_the_six_cases_of_the_clip(advantage, ratio, objective, active, dtype):
    log_ratio = torch.tensor([math.log(ratio)], dtype=dtype)
    surrogate, gradient = surrogate_and_gradient(
        log_ratio, torch.tensor([advantage], dtype=dtype), 0.2
    )
    assert surrogate.ratio.item() == pytest.approx(ratio)
    assert surrogate.unclipped.item() == pytest.approx(ratio * advantage)
    assert surrogate.clipped.item() == pytest.approx(min(max(ratio, 0.8), 1.2) * advantage)
    assert surrogate.objective.item() == pytest.approx(objective)
    assert surrogate.clip_active.item() is active
    assert (gradient.item() == 0) is active
    if not active:
        assert gradient.item() == pytest.approx(ratio * advantage)


@DTYPES
@pytest.mark.parametrize("eps", [0.05, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("advantage", [-1.0, 1.0])
def test_on_the_bound_the_gradient_is_whole_and_one_rounding_step_beyond_it_is_gone(
    advantage, side, eps, dtype
):
    bound = torch.tensor(1 + side * eps, dtype=dtype)
    # exp rounds: many neighbouring log-ratios, so that the ratios hold the bound itself.
    steps = torch.arange(-400, 401, dtype=dtype)
    log_ratio = bound.log() * (1 + steps * torch.finfo(dtype).eps / 8)
    surrogate, gradient = surrogate_and_gradient(
        log_ratio, torch.full_like(log_ratio, advantage), eps
    )
    on_bound = surrogate.ratio == bound
    beyond = side * surrogate.ratio > side * bound
    assert on_bound.any() and beyond.any() and not (on_bound | beyond).all()
    assert torch.equal(surrogate.clip_active, beyond & (side == math.copysign(1, advantage)))
    alive = torch.where(surrogate.clip_active, 0.0, surrogate.ratio * advantage)
    assert torch.equal(gradient, alive)


samples = st.tuples(
    st.integers(0, 2**32), st.sampled_from([torch.float32, torch.float64]), st.floats(0.01, 0.99)
)


@settings(deadline=None)
@given(samples)
def test_the_gradient_is_zero_where_clip_active_and_nowhere_else(sample):
    seed, dtype, eps = sample
    generator = torch.Generator().manual_seed(seed)
    log_ratio, advantages = torch.randn(2, 500, generator=generator, dtype=dtype)
    advantages[advantages == 0] = 1.0  # randn's once in a million; the next test is about it
    surrogate, gradient = surrogate_and_gradient(log_ratio, advantages, eps)
    assert torch.equal(gradient == 0, surrogate.clip_active)


def test_an_advantage_of_zero_has_no_gradient_and_the_clip_is_not_to_blame():
    log_ratio = torch.tensor([0.1, 1.0, 3.0]).log()
    surrogate, gradient = surrogate_and_gradient(log_ratio, torch.zeros(3), 0.2)
    assert gradient.tolist() == [0.0, 0.0, 0.0]
    assert not surrogate.clip_active.any()


@DTYPES
def test_where_rounding_makes_both_branches_equal_half_of_the_gradient_is_left(dtype):
    # One rounding step beyond the bound, ratio * A and bound * A can round to the same number.
    # min then has two winners, torch splits the gradient between them, and the clipped one's
    # half is zero. clip_active is False there, and the gradient is not zero.
    bound = torch.tensor(1.2, dtype=dtype)
    beyond = torch.nextafter(bound, 2 * bound)
    advantages = torch.linspace(1, 2, 1000, dtype=dtype)
    tie = advantages[bound * advantages == beyond * advantages][0]
    steps = torch.arange(-64, 65, dtype=dtype)
    candidates = beyond.log() * (1 + steps * torch.finfo(dtype).eps / 8)
    surrogate, gradient = surrogate_and_gradient(candidates, tie.expand(len(steps)), 0.2)
    tied = surrogate.ratio == beyond
    assert tied.any() and not surrogate.clip_active[tied].any()
    assert torch.equal(gradient[tied], (beyond * tie / 2).expand(int(tied.sum())))


@pytest.mark.parametrize("eps", [0.1, 0.2])
def test_at_ratio_1_ppos_gradient_is_vpgs_with_the_advantage_detached(eps):
    config = TrainConfig.homework("ppo", clip_eps=eps, seed=3)
    ppo, vpg = agents.PPO(4, 3, config), agents.VPG(4, 3, config.replace(algorithm="vpg"))
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(50, 4, generator=generator)
    actions = torch.randint(3, (50,), generator=generator)
    returns = 3 * torch.randn(50, generator=generator)
    advantages = returns - vpg.predict_values(states).detach()
    log_probs = vpg.distribution(states).log_prob(actions)
    vpg.get_loss(Batch(states, actions, log_probs, returns, advantages)).backward()
    ppo.get_loss(Batch(states, actions, log_probs.detach(), returns, advantages)).backward()
    pairs = list(zip(ppo.named_parameters(), vpg.parameters(), strict=True))
    assert len(pairs) == 8 and all(theirs.grad.abs().max() > 0 for _, theirs in pairs)
    for (name, ours), theirs in pairs:
        torch.testing.assert_close(ours.grad, theirs.grad, msg=name)


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
    surrogate, _ = surrogate_and_gradient(ratio.log(), advantages, 0.2)
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
    surrogate, _ = surrogate_and_gradient(log_ratio, advantages, eps)
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
