"""The numbers of an update: each is what its docstring says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from pgcore.config import ALGORITHMS, PRESETS, TrainConfig
from pgcore.train import Trainer, TrainingDiverged

EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)
SMALL = {"n_envs": 8, "n_steps": 64, "n_updates": 4}


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
        assert (stats.ratio_spread is not None) is has_ratio
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


def test_the_ratio_spread_is_the_standard_deviation_over_all_samples_of_all_epochs():
    trainer = Trainer(TrainConfig.fast("ppo", **SMALL, minibatch_size=256, learning_rate=0.05))
    ratios = []
    trainer.recorder = lambda epoch, rows, batch, log_probs, loss: ratios.append(
        loss.surrogate.ratio.detach().numpy().copy()
    )
    stats = next(trainer.run())
    assert len(ratios) == 4
    assert stats.ratio_spread == pytest.approx(np.concatenate(ratios).std(), rel=1e-5)
    assert stats.ratio_spread > 0.01
    still = next(Trainer(TrainConfig.homework("ppo", **SMALL, n_epochs=1)).run())
    assert still.ratio_spread < 1e-5


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
    (stats,) = Trainer(config).run()
    assert stats.reward_per_step < 0
