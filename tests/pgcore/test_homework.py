"""The assignment's own unit tests and constants, to the letter."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pgcore import agents
from pgcore.config import ALGORITHMS, TrainConfig
from pgcore.train import Trainer
from pgcore.trajectory import TrajData


@pytest.fixture
def global_seed_0():
    """The assignment's tests seed the global generator; other tests must not notice."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def assignment_rollout(returns_from_minus_1: bool = False) -> TrajData:
    """Random fields, drawn from the global generator in the assignment's order."""
    n_steps, n_envs, n_obs, n_actions = 10, 5, 4, 1
    traj = TrajData(n_steps, n_envs, n_obs, n_actions)
    traj.states = torch.rand(n_steps, n_envs, n_obs)
    traj.actions = torch.randint(0, 1, (n_steps, n_envs))
    traj.rewards = torch.rand(n_steps, n_envs)
    traj.not_dones = torch.randint(0, 2, (n_steps, n_envs))
    traj.log_probs = torch.rand(n_steps, n_envs)
    traj.returns = torch.rand(n_steps, n_envs)
    if returns_from_minus_1:
        traj.returns = 2 * traj.returns - 1
    return traj


def with_linear_networks(agent: agents.Agent) -> agents.Agent:
    torch.manual_seed(0)
    agent.policy = nn.Linear(4, 1)
    agent.value = nn.Linear(4, 1)
    return agent


@pytest.mark.parametrize("name", ["REINFORCE", "VPG", "PPO", "GAE"])
@pytest.mark.parametrize(("n_obs", "n_actions"), [(16, 4), (32, 6), (12, 7)])
def test_networks(name, n_obs, n_actions):
    agent = getattr(agents, name)(n_obs, n_actions)
    states = torch.randn(8, n_obs, generator=torch.Generator().manual_seed(0))
    assert agent.policy(states).shape == (8, n_actions)
    assert agent.value(states).shape == (8, 1)
    assert isinstance(list(agent.policy.children())[-1], nn.Linear)
    assert agent.name == name


@pytest.mark.usefixtures("global_seed_0")
def test_reinforce_loss():
    loss = agents.REINFORCE(4, 1).get_loss(assignment_rollout())
    assert loss.item() == pytest.approx(-0.2369, abs=1e-4)


@pytest.mark.usefixtures("global_seed_0")
def test_vpg_loss():
    traj = assignment_rollout()
    loss = with_linear_networks(agents.VPG(4, 1)).get_loss(traj)
    assert loss.item() == pytest.approx(0.0618, abs=1e-4)


@pytest.mark.usefixtures("global_seed_0")
@pytest.mark.parametrize(("clip_eps", "expected"), [(0.1, 0.9314), (0.2, 0.887668)])
def test_ppo_loss(clip_eps, expected):
    traj = assignment_rollout(returns_from_minus_1=True)
    config = TrainConfig.homework("ppo", clip_eps=clip_eps)
    loss = with_linear_networks(agents.PPO(4, 1, config)).get_loss(traj)
    assert loss.item() == pytest.approx(expected, abs=1e-4)


def test_epsilon_is_the_assignments_where_nothing_is_said():
    assert agents.PPO(4, 1).config.clip_eps == 0.1


@pytest.mark.parametrize("algorithm", ["reinforce", "vpg", "ppo"])
def test_initial_weights_are_those_of_manual_seed_0(algorithm):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        policy = nn.Sequential(nn.Linear(4, 128), nn.ReLU(), nn.Linear(128, 2))
        value = nn.Sequential(nn.Linear(4, 128), nn.ReLU(), nn.Linear(128, 1))
    agent = Trainer(TrainConfig.homework(algorithm)).agent
    for ours, theirs in ((agent.policy, policy), (agent.value, value)):
        assert [type(child) for child in ours] == [type(child) for child in theirs]
        pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
        assert all(torch.equal(mine, given) for mine, given in pairs)


def test_the_assignments_constants():
    for algorithm in ALGORITHMS:
        config = TrainConfig.homework(algorithm)
        assert (config.n_envs, config.n_steps, config.n_updates) == (64, 256, 250)
        assert config.total_steps == 4_096_000
        assert (config.gamma, config.learning_rate, config.lam) == (0.99, 1e-3, 0.95)
        assert config.n_epochs == (10 if algorithm == "ppo" else 1)
        assert config.minibatch_size == 0
        assert config.reset_each_rollout and not config.mask_reset_rows and not config.bootstrap
        assert not config.detach_advantage and not config.normalize_advantages
