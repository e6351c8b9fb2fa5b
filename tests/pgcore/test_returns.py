"""Returns and advantages against sums that are written out, term by term."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pgcore.returns import discounted_returns, gae, td_errors
from pgcore.trajectory import TrajData


def brute_force_gae(deltas, ends, decay: float):
    """A_t = sum over l of decay^l * delta_{t+l}, up to the end of t's episode."""
    advantages = torch.zeros_like(deltas)
    for n in range(deltas.shape[1]):
        for t in range(len(deltas)):
            for later in range(t, len(deltas)):
                advantages[t, n] += decay ** (later - t) * deltas[later, n]
                if ends[later, n]:
                    break
    return advantages


@st.composite
def rollouts(draw):
    """Random rewards, values and ends, (T, N), in float64."""
    shape = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    rewards, values, next_values = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
    often = draw(st.sampled_from([0.0, 0.3, 1.0]))
    terminated, truncated = torch.rand(2, *shape, generator=generator) < often
    unit = st.floats(0, 1)
    return rewards, values, next_values, terminated, truncated, draw(unit), draw(unit)


def test_discounted_returns_by_hand():
    rewards = torch.tensor([[1.0], [2.0], [4.0], [8.0]])
    not_dones = torch.tensor([[1.0], [0.0], [1.0], [1.0]])
    returns = discounted_returns(rewards, not_dones, 0.5)
    assert returns.squeeze().tolist() == [2.0, 2.0, 8.0, 8.0]


def test_discounted_returns_keep_environments_apart():
    rewards = torch.tensor([[1.0, 10.0], [1.0, 10.0]])
    not_dones = torch.tensor([[0.0, 1.0], [1.0, 1.0]])
    assert discounted_returns(rewards, not_dones, 0.5).tolist() == [[1.0, 15.0], [1.0, 10.0]]


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.float64])
def test_discounted_returns_of_any_number_type_keep_their_fractions(dtype):
    rewards, going_on = torch.ones(3, 1, dtype=dtype), torch.ones(3, 1, dtype=torch.bool)
    torch.testing.assert_close(
        discounted_returns(rewards, going_on, 0.5).double().squeeze(),
        torch.tensor([1.75, 1.5, 1.0], dtype=torch.float64),
    )


def test_float64_is_not_rounded_to_float32_on_the_way():
    rewards = torch.ones(2, 1, dtype=torch.float64)
    assert discounted_returns(rewards, rewards.bool(), 0.99)[0].item() == 1.99


@settings(deadline=None)
@given(rollouts())
def test_discounted_returns_are_the_sum_to_the_episodes_end(rollout):
    rewards, *_, ends, _, gamma, _ = rollout
    expected = brute_force_gae(rewards, ends, gamma)
    torch.testing.assert_close(discounted_returns(rewards, ~ends, gamma), expected)


def test_td_errors_by_hand():
    one = torch.ones(3, 1)
    terminated = torch.tensor([[False], [True], [False]])
    deltas = td_errors(one, 2 * one, torch.tensor([[4.0], [100.0], [6.0]]), terminated, 0.5)
    assert deltas.squeeze().tolist() == [1.0, -1.0, 2.0]


def test_termination_stops_the_bootstrap_and_truncation_does_not():
    row, off, on = torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.bool), torch.ones(1, 1) > 0
    assert gae(row, row, 10 * row, on, off, 0.5, 0.9).item() == 0.0
    assert gae(row, row, 10 * row, off, on, 0.5, 0.9).item() == 5.0


@pytest.mark.parametrize("why", ["terminated", "truncated"])
def test_every_end_stops_the_recursion(why):
    shape = (4, 2)
    rewards = torch.arange(8.0).reshape(shape)
    values = torch.ones(shape)
    ends = torch.zeros(shape, dtype=torch.bool)
    ends[1, 0] = True
    never = torch.zeros_like(ends)
    flags = (ends, never) if why == "terminated" else (never, ends)
    before = gae(rewards, values, values, *flags, 0.9, 0.9)
    rewards[2:] += 1000
    after = gae(rewards, values, values, *flags, 0.9, 0.9)
    assert torch.equal(before[:2, 0], after[:2, 0]), "the next episode leaked into the last one"
    assert (after[:2, 1] > before[:2, 1]).all(), "the other environment has not ended"


@settings(deadline=None)
@given(rollouts())
def test_gae_is_the_double_sum(rollout):
    rewards, values, next_values, terminated, truncated, gamma, lam = rollout
    deltas = rewards + gamma * torch.where(terminated, 0.0, next_values) - values
    expected = brute_force_gae(deltas, terminated | truncated, gamma * lam)
    torch.testing.assert_close(gae(*rollout), expected)


@settings(deadline=None)
@given(rollouts())
def test_lambda_0_is_the_td_error(rollout):
    *tensors, truncated, gamma, _ = rollout
    assert torch.equal(gae(*tensors, truncated, gamma, 0.0), td_errors(*tensors, gamma))


@settings(deadline=None)
@given(rollouts())
def test_lambda_1_is_return_minus_value(rollout):
    rewards, values, _, terminated, truncated, gamma, _ = rollout
    last = torch.full_like(values[:1], 3.0)
    next_values = torch.cat([values[1:], last])
    # What a time limit or the rollout's end cut off counts as V of where it was cut.
    cut = truncated & ~terminated
    cut[-1] = ~terminated[-1]
    ends = terminated | truncated
    expected = discounted_returns(rewards + gamma * cut * next_values, ~ends, gamma) - values
    actual = gae(rewards, values, next_values, terminated, truncated, gamma, 1.0)
    torch.testing.assert_close(actual, expected)


@settings(deadline=None)
@given(rollouts())
def test_the_homeworks_gae_at_lambda_1_is_its_return_minus_value(rollout):
    rewards, values, _, ends, _, gamma, _ = rollout
    traj = TrajData(*rewards.shape, n_obs=1, n_actions=2)
    traj.rewards, traj.not_dones = rewards, (~ends).double()
    traj.calc_returns(gamma)
    traj.calc_gae(values, gamma, 1.0)
    torch.testing.assert_close(traj.advantages, traj.returns - values)


def test_gae_passes_the_gradient_of_its_values():
    values = torch.ones(3, 1, requires_grad=True)
    ends = torch.zeros(3, 1, dtype=torch.bool)
    gae(torch.ones(3, 1), values, values.detach(), ends, ends, 0.5, 0.5).sum().backward()
    # Each A_t holds -V_t once, -V_{t+1} times 1/4, -V_{t+2} times 1/16.
    assert values.grad.squeeze().tolist() == [-1.0, -1.25, -1.3125]


def _calls():
    good, bad = torch.zeros(4, 1), torch.zeros(4)
    tensors = {
        discounted_returns: (good, good),
        td_errors: (good, good, good, good),
        gae: (good, good, good, good, good),
    }
    numbers = {discounted_returns: (0.9,), td_errors: (0.9,), gae: (0.9, 0.9)}
    for function, arguments in tensors.items():
        for i in range(len(arguments)):
            arguments_with_one_flat = (*arguments[:i], bad, *arguments[i + 1 :])
            yield pytest.param(
                function,
                (*arguments_with_one_flat, *numbers[function]),
                id=f"{function.__name__}-{i}",
            )


@pytest.mark.parametrize(("function", "arguments"), list(_calls()))
def test_a_column_against_a_row_is_refused(function, arguments):
    with pytest.raises(ValueError, match=r"(?s)(?=.*\(4, 1\))(?=.*\(4,\))"):
        function(*arguments)
