"""TrajData: the homework's storage, row by row."""

from __future__ import annotations

import pytest
import torch

from pgcore.agents import VPG
from pgcore.trajectory import TrajData


def test_fields_have_the_homeworks_shapes():
    traj = TrajData(n_steps=10, n_envs=5, n_obs=4, n_actions=2)
    assert traj.n_steps == 10
    assert traj.states.shape == (10, 5, 4)
    for name in ("actions", "rewards", "not_dones", "log_probs", "returns"):
        assert getattr(traj, name).shape == (10, 5), name
    for name in ("terminated", "truncated", "valid"):
        assert getattr(traj, name).shape == (10, 5), name
        assert getattr(traj, name).dtype == torch.bool, name
    assert traj.advantages is None


def test_store_writes_one_row():
    traj = TrajData(3, 2, 4, 2)
    states = torch.arange(8.0).reshape(2, 4)
    ones = torch.ones(2)
    traj.store(1, states, torch.tensor([1, 0]), 2 * ones, -ones, torch.tensor([True, False]))
    assert torch.equal(traj.states[1], states)
    assert traj.actions[1].tolist() == [1, 0]
    assert traj.rewards[1].tolist() == [2.0, 2.0]
    assert traj.log_probs[1].tolist() == [-1.0, -1.0]
    assert traj.not_dones[1].tolist() == [0.0, 1.0]
    for t in (0, 2):
        assert not traj.states[t].any() and not traj.rewards[t].any()
        assert traj.not_dones[t].all()


@pytest.mark.parametrize("done", [torch.tensor([1.0, 0.0]), torch.tensor([1, 0])])
def test_store_takes_dones_of_any_number_type(done):
    traj = TrajData(1, 2, 1, 2)
    traj.store(0, torch.zeros(2, 1), torch.zeros(2), torch.zeros(2), torch.zeros(2), done)
    assert traj.not_dones.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("wrong", ["s", "a", "r", "lp", "d"])
def test_store_refuses_what_would_be_broadcast(wrong):
    traj = TrajData(1, 2, 3, 2)
    row = {"s": torch.zeros(2, 3), **{name: torch.zeros(2) for name in ("a", "r", "lp", "d")}}
    row[wrong] = torch.zeros(1, 3) if wrong == "s" else torch.zeros(2, 1)
    with pytest.raises(ValueError, match=r"\(2, 1\)|\(1, 3\)"):
        traj.store(0, **row)


def test_returns_restart_at_an_end_and_the_last_row_is_its_own_reward():
    traj = TrajData(4, 1, 1, 2)
    traj.rewards = torch.tensor([[1.0], [1.0], [1.0], [1.0]])
    traj.not_dones = torch.tensor([[1.0], [0.0], [1.0], [1.0]])
    traj.calc_returns()
    torch.testing.assert_close(traj.returns.squeeze(), torch.tensor([1.99, 1.0, 1.99, 1.0]))


def test_gae_by_the_homeworks_formula():
    gamma, lam = 0.9, 0.8
    generator = torch.Generator().manual_seed(0)
    traj = TrajData(6, 3, 1, 2)
    traj.rewards, values = torch.randn(2, 6, 3, generator=generator)
    traj.not_dones = torch.randint(0, 2, (6, 3), generator=generator).float()
    traj.not_dones[-1] = 1.0
    traj.calc_gae(values, gamma, lam)
    following = torch.zeros(3)
    for t in reversed(range(6)):
        next_value = values[t + 1] if t < 5 else 0
        delta = traj.rewards[t] + gamma * next_value * traj.not_dones[t] - values[t]
        following = delta + gamma * lam * traj.not_dones[t] * following
        torch.testing.assert_close(traj.advantages[t], following)


def test_gae_with_one_more_value_bootstraps_the_last_row():
    traj = TrajData(2, 1, 1, 2)
    traj.calc_gae(torch.tensor([[0.0], [0.0], [8.0]]), gamma=0.5, lam=0.5)
    assert traj.advantages.squeeze().tolist() == [1.0, 4.0]


def test_gae_refuses_values_that_still_have_the_networks_trailing_one():
    traj = TrajData(4, 2, 3, 2)
    with pytest.raises(ValueError, match=r"\(4, 2, 1\)"):
        traj.calc_gae(VPG(3, 2).value(traj.states))


def test_detach_drops_the_graph():
    traj = TrajData(2, 1, 1, 2)
    weight = torch.ones(1, requires_grad=True)
    for t in range(2):
        traj.store(t, torch.zeros(1, 1), torch.zeros(1), torch.ones(1), 3 * weight, torch.zeros(1))
    assert traj.log_probs.requires_grad
    traj.log_probs.sum().backward()
    assert weight.grad.item() == 6.0
    traj.detach()
    assert not traj.log_probs.requires_grad and not traj.actions.requires_grad
    assert traj.log_probs.tolist() == [[3.0], [3.0]]


def test_rows_are_those_of_the_flattened_rollout():
    traj = TrajData(3, 2, 1, 2)
    numbers = torch.arange(6).reshape(3, 2)
    traj.states, traj.actions = numbers[..., None].float(), numbers
    traj.log_probs, traj.returns = numbers + 10.0, numbers + 20.0
    batch = traj.rows(torch.tensor([5, 0]))
    assert batch.states.tolist() == [[5.0], [0.0]]
    assert batch.actions.tolist() == [5, 0]
    assert batch.log_probs.tolist() == [15.0, 10.0]
    assert batch.returns.tolist() == [25.0, 20.0]
    assert batch.advantages is None
    traj.advantages = numbers + 30.0
    assert traj.rows(torch.tensor([4])).advantages.tolist() == [34.0]
