"""Training in environments whose value is known: right with the bootstrap, wrong without."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgcore.config import ALGORITHMS, TrainConfig
from pgcore.train import Trainer
from tests.pgcore import toys

EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)
SMALL = {"n_envs": 8, "n_steps": 64, "n_updates": 4}


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
