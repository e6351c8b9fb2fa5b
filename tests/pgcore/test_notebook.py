"""TrainConfig.homework against the notebook's own loop, losses and measurements."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from torch.distributions import Categorical

from pgcore import agents
from pgcore.config import TrainConfig
from pgcore.environments import make_vec
from pgcore.evaluate import evaluate
from pgcore.train import Trainer
from pgcore.trajectory import TrajData


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


def reinforce_loss(agent: agents.Agent, traj: TrajData) -> torch.Tensor:
    return -(traj.log_probs * traj.returns).mean()


def vpg_loss(agent: agents.Agent, traj: TrajData) -> torch.Tensor:
    advantages = traj.returns - agent.value(traj.states).squeeze(-1)
    return (advantages**2).mean() - (traj.log_probs * advantages).mean()


def ppo_loss(agent: agents.Agent, traj: TrajData) -> torch.Tensor:
    traj.detach()
    advantages = traj.returns - agent.value(traj.states).squeeze(-1)
    new_log_probs = Categorical(logits=agent.policy(traj.states)).log_prob(traj.actions)
    ratio = torch.exp(new_log_probs - traj.log_probs)
    clipped = torch.clamp(ratio, 1 - 0.1, 1 + 0.1)
    surrogate = torch.min(ratio * advantages, clipped * advantages)
    return -surrogate.mean() + (advantages**2).mean()


@pytest.mark.parametrize(
    ("algorithm", "notebooks_loss"),
    [("reinforce", reinforce_loss), ("vpg", vpg_loss), ("ppo", ppo_loss)],
)
def test_the_trainer_computes_what_the_notebook_does(algorithm, notebooks_loss):
    config = TrainConfig.homework(algorithm, n_envs=16, n_steps=120, n_epochs=1)
    ours, theirs = Trainer(config), Trainer(config)
    traj = notebook_rollout(theirs, ours.rollout().actions)
    assert torch.equal(traj.states, ours.traj.states)
    assert torch.equal(traj.rewards, ours.traj.rewards)
    assert torch.equal(traj.not_dones, ours.traj.not_dones)
    assert (traj.not_dones == 0).any(), "no episode ended: the test shows little"
    loss = notebooks_loss(theirs.agent, traj)
    assert theirs.agent.get_loss(traj).item() == pytest.approx(loss.item(), rel=1e-5)
    loss.backward()
    stats = ours.update()
    assert stats.policy_loss + (stats.value_loss or 0) == pytest.approx(loss.item(), rel=1e-5)
    for mine, given in zip(ours.parameters, theirs.parameters, strict=True):
        scale = given.grad.abs().max().item()
        assert scale > 0
        torch.testing.assert_close(mine.grad, given.grad, rtol=1e-3, atol=1e-5 * scale)


def test_gae_uses_the_homeworks_formula():
    trainer = Trainer(TrainConfig.homework("gae", n_envs=16, n_steps=120))
    traj = trainer.rollout()
    values = trainer.estimate(traj)
    estimated = traj.advantages
    traj.calc_gae(values, gamma=0.99, lam=0.95)
    torch.testing.assert_close(estimated, traj.advantages, rtol=1e-4, atol=1e-4)


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
