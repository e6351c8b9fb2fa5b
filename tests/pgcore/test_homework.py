"""The assignment: its own unit tests, and TrainConfig.homework against its notebook."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Categorical

from pgcore import agents
from pgcore.config import ALGORITHMS, TrainConfig
from pgcore.environments import make_vec
from pgcore.evaluate import evaluate
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


def notebook_rollout(trainer: Trainer, actions: torch.Tensor) -> TrajData:
    """The notebook's loop: step by step, with the graph kept, these actions taken."""
    config, agent = trainer.config, trainer.agent
    traj = TrajData(config.n_steps, config.n_envs, trainer.n_obs, trainer.n_actions)
    obs = trainer.obs
    for t in range(config.n_steps):
        states = torch.from_numpy(np.array(obs))
        log_probs = Categorical(logits=agent.policy(states)).log_prob(actions[t])
        obs, rewards, terminated, truncated, _ = trainer.envs.step(actions[t].numpy())
        done = torch.from_numpy(terminated | truncated)
        traj.store(t, states, actions[t], torch.from_numpy(rewards), log_probs, done)
    traj.calc_returns()
    return traj


@pytest.mark.parametrize("algorithm", ["reinforce", "vpg", "ppo"])
def test_the_trainer_computes_what_a_step_by_step_rollout_with_its_graph_does(algorithm):
    config = TrainConfig.homework(algorithm, n_envs=16, n_steps=120, n_epochs=1)
    ours, theirs = Trainer(config), Trainer(config)
    traj = notebook_rollout(theirs, ours.rollout().actions)
    assert torch.equal(traj.states, ours.traj.states)
    assert torch.equal(traj.rewards, ours.traj.rewards)
    assert torch.equal(traj.not_dones, ours.traj.not_dones)
    assert (traj.not_dones == 0).any(), "no episode ended: the test shows little"
    if algorithm == "ppo":
        traj.detach()
    loss = theirs.agent.get_loss(traj)
    loss.backward()
    stats = ours.update()
    assert stats.policy_loss + (stats.value_loss or 0) == pytest.approx(loss.item(), rel=1e-5)
    for mine, given in zip(ours.parameters, theirs.parameters, strict=True):
        scale = given.grad.abs().max().item()
        torch.testing.assert_close(mine.grad, given.grad, rtol=1e-3, atol=1e-5 * scale)


def test_ppo_takes_ten_full_batch_steps_a_rollout():
    trainer = Trainer(TrainConfig.homework("ppo", n_envs=4, n_steps=16))
    next(trainer.run())
    steps = {float(state["step"]) for state in trainer.optimizer.state.values()}
    assert steps == {10.0}


def test_a_random_policys_reward_a_step_is_1_minus_the_share_of_reset_rows():
    envs = make_vec("CartPole-v1", 64)
    rng = np.random.default_rng(0)
    envs.reset(seed=0)
    rewards = np.stack([envs.step(rng.integers(2, size=64))[1] for _ in range(256)])
    assert rewards.mean() == pytest.approx(0.96, abs=0.002)
    assert 600 <= (rewards == 0).sum() <= 750


def test_the_first_rollout_has_the_notebooks_reward_and_reset_rows():
    trainer = Trainer(TrainConfig.homework("vpg"))
    stats = next(trainer.run())
    reset_rows = int((~trainer.traj.valid).sum())
    assert stats.reward_per_step == pytest.approx(1 - reset_rows / 16_384)
    # Seed 0's untrained network is a little worse than chance: HOMEWORK.md measures 0.954.
    assert stats.reward_per_step == pytest.approx(0.954, abs=0.003)
    assert 700 <= reset_rows <= 800
    assert np.mean(stats.episode_lengths) == pytest.approx(20, abs=2)


def test_every_rollout_starts_from_fresh_episodes():
    trainer = Trainer(TrainConfig.homework("vpg", n_envs=8, n_steps=20))
    for _ in islice(trainer.run(), 3):
        assert (trainer.traj.states[0].abs() <= 0.05).all()
        assert trainer.traj.valid[0].all()


def mean_return_after(algorithm: str, n_updates: int) -> float:
    trainer = Trainer(TrainConfig.homework(algorithm))
    for _ in islice(trainer.run(), n_updates):
        pass
    return evaluate(trainer.agent, "CartPole-v1", 100, seed=1).mean


# HOMEWORK.md's table, measured with other random numbers: a factor of 1.6 either way.
@pytest.mark.parametrize(
    ("algorithm", "n_updates", "measured"), [("vpg", 50, 63), ("ppo", 10, 134)]
)
def test_it_learns_at_the_notebooks_pace(algorithm, n_updates, measured):
    assert measured / 1.6 < mean_return_after(algorithm, n_updates) < measured * 1.6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "n_updates", "low", "high"),
    [("reinforce", 250, 300, 475), ("vpg", 250, 300, 475), ("ppo", 50, 350, 500)],
)
def test_it_ends_where_the_notebook_does(algorithm, n_updates, low, high):
    assert low < mean_return_after(algorithm, n_updates) <= high
