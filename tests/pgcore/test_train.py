"""The trainer: what a rollout holds, what an update uses, and that it repeats bit for bit."""

from __future__ import annotations

import dataclasses
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pytest
import torch

from pgcore.config import ALGORITHMS, PRESETS, TrainConfig
from pgcore.evaluate import evaluate
from pgcore.stats import UpdateStats
from pgcore.train import Trainer, TrainingDiverged
from tests.pgcore import toys

EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)
SMALL = {"n_envs": 8, "n_steps": 64, "n_updates": 4}


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in trainer.agent.state_dict().items()}


def assert_same_weights(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name]), name


def whole_run(config: TrainConfig) -> tuple[list[UpdateStats], dict[str, torch.Tensor]]:
    trainer = Trainer(config)
    return list(trainer.run()), weights(trainer)


# --- what a rollout holds ---------------------------------------------------------------------


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
    stats, _ = whole_run(config)
    lengths = [one for update in stats for one in update.episode_lengths]
    returns = [one for update in stats for one in update.episode_returns]
    assert len(lengths) == len(returns) == 2 * (36 // (length + 1))
    assert set(lengths) == {length} and set(returns) == {total}


def test_a_fresh_start_forgets_the_episode_it_cut_off():
    config = TrainConfig.homework("vpg", env_id=toys.COUNTER, n_envs=2, n_steps=8, n_updates=3)
    stats, _ = whole_run(config)
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
    assert torch.equal(trainer.traj.actions, traj.actions)
    assert not torch.equal(trainer.rollout().actions, traj.actions), "new noise each rollout"


# --- what an update uses ----------------------------------------------------------------------


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
    assert {state["step"].item() for state in trainer.optimizer.state.values()} == {n_batches}


# --- a value that is known --------------------------------------------------------------------


def learned_value(algorithm: str, env_id: str, start: float, **changes) -> float:
    """V(start) after training in an environment with one-number observations."""
    settings = {
        "n_envs": 1,
        "n_steps": 18,
        "n_updates": 300,
        "n_epochs": 1,
        "minibatch_size": 0,
        "gamma": 0.8,
        "learning_rate": 0.02,
        "anneal_learning_rate": False,
        "max_grad_norm": 0.0,
        "hidden": (8,),
        "value_scale": 1.0,
    }
    trainer = Trainer(TrainConfig.fast(algorithm, env_id=env_id, **settings | changes))
    for _ in trainer.run():
        pass
    return trainer.agent.predict_values(torch.tensor([start])).item()


@pytest.mark.parametrize("algorithm", ["vpg", "ppo", "gae"])
def test_a_time_limit_is_no_end_where_it_is_bootstrapped(algorithm):
    # Reward 1 for ever: V = 1 / (1 - 0.8), although every episode is cut after 8 steps.
    assert learned_value(algorithm, toys.CONSTANT, 1.0) == pytest.approx(5.0, abs=0.02)


def test_without_the_bootstrap_the_value_is_wrong_and_by_as_much_as_it_must_be():
    # The mean, over an episode's 8 steps, of what is left until the cut.
    wrong = np.mean([(1 - 0.8**left) / (1 - 0.8) for left in range(1, 9)])
    assert wrong < 3
    value = learned_value("vpg", toys.CONSTANT, 1.0, bootstrap=False)
    assert value == pytest.approx(wrong, abs=0.02)
    for algorithm in ("ppo", "gae"):
        assert learned_value(algorithm, toys.CONSTANT, 1.0, bootstrap=False) < 3.2


@pytest.mark.parametrize("algorithm", ["vpg", "ppo", "gae"])
def test_a_termination_is_an_end_although_time_limits_are_bootstrapped(algorithm):
    # Rewards 0, 1, 2, then nothing: V(0) = 0.8 * 1 + 0.64 * 2.
    value = learned_value(algorithm, toys.TERMINATING, 0.0, n_steps=20, hidden=(32,))
    assert value == pytest.approx(2.08, abs=0.1)


# --- the numbers of an update -----------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("preset", PRESETS)
def test_stats_of_every_update(preset, algorithm):
    config = TrainConfig.preset(preset, algorithm, **SMALL)
    seconds = 0.0
    for count, stats in enumerate(Trainer(config).run(), start=1):
        assert stats.update == count
        assert stats.env_steps == count * 8 * 64
        assert stats.seconds > seconds
        seconds = stats.seconds
        assert len(stats.episode_returns) == len(stats.episode_lengths) > 0
        assert stats.episode_returns == stats.episode_lengths  # CartPole: 1 a step
        assert 0.9 < stats.reward_per_step < 1
        assert 0 < stats.entropy <= np.log(2) + 1e-6
        assert stats.grad_norm > 0
        has_value, has_ratio = algorithm != "reinforce", algorithm == "ppo"
        assert (stats.value_loss is not None) is has_value
        assert (stats.explained_variance is not None) is has_value
        assert (stats.approx_kl is not None) is has_ratio
        if has_ratio:
            assert stats.approx_kl >= 0
            assert 0 <= stats.zero_gradient_fraction <= stats.clip_fraction <= 1
    assert count == config.n_updates


def test_the_first_gradient_step_has_ratio_1_and_later_ones_do_not():
    one = next(Trainer(TrainConfig.homework("ppo", **SMALL, n_epochs=1)).run())
    assert one.approx_kl < 1e-9 and one.clip_fraction == one.zero_gradient_fraction == 0
    hot = TrainConfig.homework("ppo", **SMALL, n_epochs=10, learning_rate=0.05)
    ten = next(Trainer(hot).run())
    assert ten.approx_kl > 1e-4
    assert 0 < ten.zero_gradient_fraction < ten.clip_fraction


def test_stats_are_frozen():
    stats = next(Trainer(TrainConfig.fast("vpg", **SMALL)).run())
    with pytest.raises(dataclasses.FrozenInstanceError):
        stats.update = 3


def test_the_learning_rate_falls_linearly_where_it_is_annealed():
    config = TrainConfig.fast("vpg", **SMALL, learning_rate=0.01, anneal_learning_rate=True)
    rates = [stats.learning_rate for stats in Trainer(config).run()]
    assert rates == pytest.approx([0.01, 0.0075, 0.005, 0.0025])
    constant = config.replace(anneal_learning_rate=False)
    assert {stats.learning_rate for stats in Trainer(constant).run()} == {0.01}


def test_the_gradient_norm_is_reported_before_it_is_clipped():
    trainer = Trainer(TrainConfig.fast("vpg", **SMALL, max_grad_norm=1e-3))
    stats = next(trainer.run())
    left = torch.stack([weight.grad.norm() for weight in trainer.parameters]).norm()
    assert stats.grad_norm > 0.01
    assert left.item() == pytest.approx(1e-3, rel=1e-3)


def test_entropy_coef_rewards_an_undecided_policy():
    entropies = []
    for coefficient in (0.0, 10.0):
        config = TrainConfig.fast("vpg", **SMALL, entropy_coef=coefficient)
        *_, last = Trainer(config).run()
        entropies.append(last.entropy)
    assert entropies[1] > entropies[0] + 1e-4


def test_a_run_that_diverges_says_so_in_one_sentence():
    trainer = Trainer(TrainConfig.fast("ppo", **SMALL))
    with torch.no_grad():
        trainer.agent.policy[-1].bias[0] = torch.nan
    with pytest.raises(TrainingDiverged, match=r"^update 1: .* no longer a finite number"):
        next(trainer.run())


def test_an_update_without_a_rollout_is_refused():
    with pytest.raises(ValueError, match=r"call rollout\(\) first"):
        Trainer(TrainConfig.fast("vpg", **SMALL)).update()


@pytest.mark.parametrize("env_id", ["Acrobot-v1", "MountainCar-v0"])
def test_other_environments_train_too(env_id):
    config = TrainConfig.fast("ppo", env_id=env_id, n_envs=2, n_steps=300, n_updates=1)
    (stats,), _ = whole_run(config)
    assert stats.reward_per_step < 0


# --- same config, same numbers ----------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("preset", PRESETS)
def test_the_same_config_gives_the_same_numbers_bit_for_bit(preset, algorithm):
    config = TrainConfig.preset(preset, algorithm, **SMALL)
    stats, final = whole_run(config)
    again, final_again = whole_run(config)
    assert stats == again
    assert_same_weights(final, final_again)
    other, _ = whole_run(config.replace(seed=1))
    assert other != stats


def test_two_runs_that_take_turns_do_not_disturb_each_other():
    configs = [TrainConfig.fast("ppo", **SMALL), TrainConfig.homework("vpg", **SMALL, seed=1)]
    alone = [whole_run(config) for config in configs]
    trainers = [Trainer(config) for config in configs]
    turns = list(zip(*(trainer.run() for trainer in trainers), strict=True))
    for trainer, numbers, (stats, final) in zip(
        trainers, zip(*turns, strict=True), alone, strict=True
    ):
        assert list(numbers) == stats
        assert_same_weights(weights(trainer), final)


def test_two_runs_at_once_in_threads_do_not_disturb_each_other():
    configs = [
        TrainConfig.fast("ppo", n_updates=10),
        TrainConfig.homework("vpg", n_envs=32, n_steps=64, n_updates=10, seed=1),
    ]
    alone = [whole_run(config) for config in configs]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(whole_run, configs * 2))
    for (stats, final), (again, final_again) in zip(alone * 2, at_once, strict=True):
        assert stats == again
        assert_same_weights(final, final_again)


@EVERY
def test_the_global_generators_are_neither_used_nor_disturbed(algorithm):
    def states() -> tuple:
        return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()  # noqa: NPY002

    def seed_all(seed: int) -> None:
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)

    config = TrainConfig.fast(algorithm, **SMALL)
    runs = []
    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        for seed in (1, 2):
            seed_all(seed)
            before = states()
            trainer = Trainer(config)
            stats = list(islice(trainer.run(), 2))
            trainer.agent.get_action(trainer.traj.states[0])
            runs.append((stats, evaluate(trainer.agent, "CartPole-v1", 5)))
            assert states() == before, "something drew from a global generator"
    finally:
        torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        random.setstate(kept[2])
    assert runs[0] == runs[1]
