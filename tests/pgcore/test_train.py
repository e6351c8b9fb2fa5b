"""The trainer: what a rollout holds, and what an update makes of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from pgcore import losses
from pgcore.agents import VPG
from pgcore.config import ALGORITHMS, TrainConfig
from pgcore.train import Trainer
from tests.pgcore import toys

EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)
SMALL = {"n_envs": 8, "n_steps": 64, "n_updates": 4}


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in trainer.agent.state_dict().items()}


def assert_same_weights(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name]), name


def test_rows_of_a_rollout_by_hand():
    # Counter's episodes take 5 steps and a reset row: 6 rows. Rollouts of 4 cut everywhere.
    trainer = Trainer(TrainConfig.fast("vpg", env_id=toys.COUNTER, n_envs=2, n_steps=4))
    rollouts = [trainer.rollout() for _ in range(6)]

    def column(name: str) -> list:
        return torch.cat([getattr(traj, name)[:, 1] for traj in rollouts]).squeeze(-1).tolist()

    assert column("states") == [0, 1, 2, 3, 4, 5] * 4
    assert column("rewards") == [0, 1, 2, 3, 4, 0] * 4
    assert column("valid") == [True] * 5 + [False] + ([True] * 5 + [False]) * 3
    assert column("truncated") == ([False] * 4 + [True, False]) * 4
    assert not any(column("terminated"))
    assert column("not_dones") == [1, 1, 1, 1, 0, 1] * 4
    ends = [traj.successors[1].item() for traj in rollouts]
    assert ends == [4, 2, 0, 4, 2, 0]


@pytest.mark.parametrize("env_id", [toys.COUNTER, toys.TERMINATING])
def test_episodes_are_counted_across_rollouts(env_id):
    length, total = (5, 10.0) if env_id == toys.COUNTER else (3, 3.0)
    config = TrainConfig.fast("vpg", env_id=env_id, n_envs=2, n_steps=4, n_updates=9)
    stats = list(Trainer(config).run())
    lengths = [one for update in stats for one in update.episode_lengths]
    returns = [one for update in stats for one in update.episode_returns]
    assert len(lengths) == len(returns) == 2 * (36 // (length + 1))
    assert set(lengths) == {length} and set(returns) == {total}


def test_a_fresh_start_forgets_the_episode_it_cut_off():
    config = TrainConfig.homework("vpg", env_id=toys.COUNTER, n_envs=2, n_steps=8, n_updates=3)
    stats = list(Trainer(config).run())
    assert [update.episode_lengths for update in stats] == [(5, 5)] * 3
    assert [update.episode_returns for update in stats] == [(10.0, 10.0)] * 3


def test_every_homework_rollout_starts_afresh_even_without_an_update_between():
    trainer = Trainer(TrainConfig.homework("vpg", env_id=toys.COUNTER, n_envs=2, n_steps=8))
    for _ in range(3):
        assert not trainer.rollout().states[0].any()


def test_actions_follow_the_policy():
    trainer = Trainer(TrainConfig.fast("ppo", env_id=toys.COUNTER, n_envs=64, n_steps=300))
    trainer.agent.policy = torch.nn.Linear(1, 2)
    with torch.no_grad():  # the log-odds of action 1 are s - 2
        trainer.agent.policy.weight.copy_(torch.tensor([[0.0], [1.0]]))
        trainer.agent.policy.bias.copy_(torch.tensor([0.0, -2.0]))
    traj = trainer.rollout()
    for state in range(6):
        actions = traj.actions[traj.states.squeeze(-1) == state].double()
        probability = 1 / (1 + np.exp(2 - state))
        spread = np.sqrt(probability * (1 - probability) / len(actions))
        assert actions.mean().item() == pytest.approx(probability, abs=4 * spread)
    assert not torch.equal(trainer.rollout().actions, traj.actions), "new noise each rollout"


@pytest.mark.parametrize("bootstrap", [True, False])
@pytest.mark.parametrize("env_id", [toys.COUNTER, toys.TERMINATING])
def test_the_successor_of_a_cut_row_is_its_final_observation(env_id, bootstrap):
    config = TrainConfig.fast(
        "gae",
        env_id=env_id,
        n_envs=2,
        n_steps=4,
        gamma=0.5,
        lam=0.0,
        bootstrap=bootstrap,
        normalize_advantages=False,
        value_scale=1.0,
    )
    trainer = Trainer(config)
    trainer.agent.value = torch.nn.Linear(1, 1)
    with torch.no_grad():  # V(s) = s + 10: the reset's V would be 10, far from the right one
        trainer.agent.value.weight.fill_(1.0)
        trainer.agent.value.bias.fill_(10.0)
    for _ in range(6):
        traj = trainer.rollout()
        trainer.estimate(traj)
        step = traj.states.squeeze(-1)
        following = (step + 1) + 10
        following[traj.terminated] = 0
        if not bootstrap:
            following[traj.truncated] = 0
            following[-1] = 0
        expected = step + 0.5 * following - (step + 10)
        torch.testing.assert_close(traj.advantages[traj.valid], expected[traj.valid])


@EVERY
def test_reset_rows_do_not_reach_the_fast_presets_gradient(algorithm):
    config = TrainConfig.fast(algorithm, n_envs=16, n_steps=64)
    ours, theirs = Trainer(config), Trainer(config)
    traj, spoiled = ours.rollout(), theirs.rollout()
    reset = ~spoiled.valid
    assert reset.sum() > 10
    spoiled.rewards[reset] = 1000.0
    spoiled.actions[reset] = 1 - spoiled.actions[reset]
    # The state of a reset row is the final observation, which only a truncated row looks at.
    assert not spoiled.truncated.any()
    spoiled.states[reset] = 1000.0
    unspoiled, stats = ours.update(traj), theirs.update(spoiled)
    assert_same_weights(weights(ours), weights(theirs))
    assert stats.reward_per_step > unspoiled.reward_per_step
    assert stats == dataclasses.replace(unspoiled, reward_per_step=stats.reward_per_step)


@EVERY
def test_reset_rows_do_reach_the_homeworks(algorithm):
    config = TrainConfig.homework(algorithm, n_envs=16, n_steps=64, n_epochs=1)
    ours, theirs = Trainer(config), Trainer(config)
    traj, spoiled = ours.rollout(), theirs.rollout()
    spoiled.rewards[~spoiled.valid] = 1000.0
    ours.update(traj)
    theirs.update(spoiled)
    moved = (ours.agent.policy[0].weight - theirs.agent.policy[0].weight).abs().max()
    assert moved > 1e-5


@EVERY
def test_advantages_are_normalized_over_the_rows_that_happened(algorithm):
    trainer = Trainer(TrainConfig.fast(algorithm, n_envs=16, n_steps=64))
    traj = trainer.rollout()
    trainer.estimate(traj)
    used = traj.advantages[traj.valid]
    assert len(used) < traj.valid.numel()
    assert used.mean().item() == pytest.approx(0, abs=1e-5)
    assert used.std(unbiased=False).item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("minibatch_size", [0, 100, 10_000])
def test_every_epoch_takes_every_row_once(minibatch_size):
    config = TrainConfig.fast(
        "ppo", n_envs=16, n_steps=64, n_epochs=3, minibatch_size=minibatch_size
    )
    trainer = Trainer(config)
    rows = trainer.rollout().valid.flatten().nonzero().squeeze(-1)
    orders = []
    for _ in range(2):
        batches = trainer._minibatches(rows)
        assert all(len(batch) <= (minibatch_size or len(rows)) for batch in batches)
        orders.append(torch.cat(batches))
        assert torch.equal(orders[-1].sort().values, rows)
    assert torch.equal(*orders) is (minibatch_size != 100), "each epoch in an order of its own"
    trainer.update()
    n_batches = 3 * -(-len(rows) // minibatch_size) if minibatch_size == 100 else 3
    assert gradient_steps(trainer) == n_batches


def gradient_steps(trainer: Trainer) -> int:
    (steps,) = {int(state["step"]) for state in trainer.optimizer.state.values()}
    return steps


def test_target_kl_stops_after_the_epoch_that_went_too_far():
    config = TrainConfig.homework("ppo", n_envs=8, n_steps=64)
    free = Trainer(config)
    kls: list[float] = []
    free.recorder = lambda epoch, rows, batch, log_probs, loss: kls.append(
        losses.approx_kl(loss.surrogate.ratio.detach().log()).item()
    )
    next(free.run())
    assert len(kls) == gradient_steps(free) == 10 and kls[0] < 1e-9 < kls[1] < kls[3]
    held = Trainer(config.replace(target_kl=(kls[2] + kls[3]) / 2))
    next(held.run())
    assert gradient_steps(held) == 4


def test_momentum_is_adams_beta_1():
    trainer = Trainer(TrainConfig.fast("vpg", n_envs=8, n_steps=64, momentum=0.0))
    next(trainer.run())
    weights = trainer.weights
    assert torch.equal(trainer.optimizer.state[weights]["exp_avg"], weights.grad)


def test_an_agent_of_ones_own_is_trained_in_place_of_the_configs():
    class Backwards(VPG):
        """Makes what went well less likely."""

        def loss(self, log_probs, values, traj):
            right = super().loss(log_probs, values, traj)
            return dataclasses.replace(right, policy=-right.policy)

    config = TrainConfig.fast("vpg", env_id=toys.BANDIT, n_envs=64, n_steps=16)
    trainer = Trainer(config, Backwards)
    assert type(trainer.agent) is Backwards
    contexts = torch.eye(2)
    before = trainer.agent.distribution(contexts).probs.diagonal().detach().clone()
    next(trainer.run())
    assert (trainer.agent.distribution(contexts).probs.diagonal() < before).all()
