"""Same config, same numbers, bit for bit, whatever else the process does."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pytest
import torch

from pgcore.config import ALGORITHMS, PRESETS, TrainConfig
from pgcore.evaluate import evaluate
from pgcore.stats import UpdateStats
from pgcore.train import Trainer

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


def test_the_seed_reaches_weights_environments_actions_and_minibatches():
    one, two = (Trainer(TrainConfig.fast("ppo", **SMALL, seed=seed)) for seed in (0, 1))
    assert not torch.equal(one.agent.policy[0].weight, two.agent.policy[0].weight)
    assert not np.array_equal(one.obs, two.obs)
    assert one.noise.random() != two.noise.random()
    assert not torch.equal(one.shuffle.get_state(), two.shuffle.get_state())
    assert not torch.equal(one.agent.generator.get_state(), two.agent.generator.get_state())


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
