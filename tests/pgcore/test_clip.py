"""PPO's clip, by autograd: where its gradient is zero, and where it is not."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pgcore import agents
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
