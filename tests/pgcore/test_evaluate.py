"""Evaluation: whole fresh episodes, one an environment, and nothing of the training touched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgcore import agents
from pgcore.environments import sizes
from pgcore.evaluate import MAX_STEPS, default_episodes, evaluate
from tests.pgcore import toys


def agent_for(env_id: str) -> agents.Agent:
    return agents.PPO(*sizes(env_id))


def always(action: int, env_id: str) -> agents.Agent:
    """An agent whose policy all but always picks one action."""
    agent = agent_for(env_id)
    with torch.no_grad():
        agent.policy[-1].weight.zero_()
        agent.policy[-1].bias.zero_()
        agent.policy[-1].bias[action] = 1000.0
    return agent


def test_returns_and_lengths_are_those_of_whole_episodes():
    result = evaluate(agent_for(toys.COUNTER), toys.COUNTER, episodes=3)
    assert result.returns == (10.0, 10.0, 10.0)
    assert result.lengths == (5, 5, 5)
    assert result.mean == 10.0


def test_a_termination_ends_an_episode_as_a_time_limit_does():
    result = evaluate(agent_for(toys.TERMINATING), toys.TERMINATING, episodes=2)
    assert result.returns == (3.0, 3.0)
    assert result.lengths == (3, 3)


def test_every_episode_counts_once_however_short():
    # Stopping at the first so many ends would favour short episodes: the mean would be near 1.
    result = evaluate(agent_for(toys.RANDOM_LENGTH), toys.RANDOM_LENGTH, episodes=1000, seed=3)
    assert len(result.returns) == 1000
    assert result.returns == result.lengths
    assert result.mean == pytest.approx(4, abs=4 * np.sqrt(12 / 1000))


def test_actions_are_sampled_from_the_policy():
    agent = agent_for(toys.BANDIT)
    with torch.no_grad():
        # The context is one-hot: the matching action gets probability 0.8.
        agent.policy = torch.nn.Linear(2, 2, bias=False)
        agent.policy.weight.copy_(torch.eye(2) * np.log(4))
    result = evaluate(agent, toys.BANDIT, episodes=2000)
    assert result.mean == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / 2000))


def test_on_cartpole_a_step_is_worth_1_and_constant_pushing_fails_at_once():
    result = evaluate(always(0, "CartPole-v1"), "CartPole-v1", episodes=50)
    assert result.returns == result.lengths
    assert set(result.lengths) <= {8, 9, 10, 11}


def test_an_episode_without_an_end_is_cut():
    assert evaluate(agent_for(toys.ENDLESS), toys.ENDLESS, episodes=1).lengths == (MAX_STEPS,)


def test_same_seed_same_episodes():
    agent = agent_for("CartPole-v1")
    first, again, other = (evaluate(agent, "CartPole-v1", 20, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_the_agent_and_its_generator_are_left_alone():
    agent = agent_for("CartPole-v1")
    weights = {name: weight.clone() for name, weight in agent.state_dict().items()}
    generator = agent.generator.get_state()
    evaluate(agent, "CartPole-v1", 5)
    assert torch.equal(agent.generator.get_state(), generator)
    for name, weight in agent.state_dict().items():
        assert torch.equal(weight, weights[name]), name


def test_how_many_episodes_depends_on_how_fast_they_are():
    assert default_episodes("CartPole-v1") == 100
    assert default_episodes(toys.COUNTER) == 20
    assert len(evaluate(agent_for(toys.COUNTER), toys.COUNTER).returns) == 20
