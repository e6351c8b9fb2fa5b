"""Agents: the homework's interface, and that each of them learns."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from torch.distributions import Categorical

from pgcore import agents
from pgcore.config import ALGORITHMS, PRESETS, TrainConfig
from pgcore.evaluate import evaluate
from pgcore.train import Trainer
from pgcore.trajectory import TrajData
from tests.pgcore import toys

EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)

# Mean return of 100 fresh CartPole episodes after a fast preset's training; a random policy gets
# 22. PPO's bar is CartPole's definition of solved, and holds on each of ten seeds.
REACHES = {"ppo": 475, "reinforce": 400, "vpg": 400, "gae": 400}


def test_the_registry_holds_one_agent_a_file():
    assert set(agents.REGISTRY) == {"reinforce", "vpg", "ppo", "gae"} == set(ALGORITHMS)
    for algorithm, agent in agents.REGISTRY.items():
        assert issubclass(agent, agents.Agent)
        assert agent.algorithm == algorithm and agent.name == algorithm.upper()
        assert getattr(agents, agent.name) is agent


def test_a_variant_made_elsewhere_stays_what_its_parent_is():
    class Mine(agents.PPO):
        name = "Mine"

    assert Mine.algorithm == "ppo"
    assert Mine(4, 2).config == TrainConfig.homework("ppo")


@EVERY
def test_make_follows_the_config(algorithm):
    config = TrainConfig.fast(algorithm, hidden=(7, 5), activation="tanh", seed=3)
    agent = agents.make(config, 4, 2)
    assert type(agent) is agents.REGISTRY[algorithm]
    assert [tuple(weight.shape) for weight in agent.policy.parameters()] == [
        *((7, 4), (7,), (5, 7), (5,), (2, 5), (2,))
    ]
    same = agents.make(config, 4, 2)
    other = agents.make(config.replace(seed=4), 4, 2)
    assert torch.equal(agent.policy[0].weight, same.policy[0].weight)
    assert not torch.equal(agent.policy[0].weight, other.policy[0].weight)


def test_all_algorithms_start_from_the_same_policy():
    weights = [
        agents.make(TrainConfig.homework(algorithm), 4, 2).policy[0].weight
        for algorithm in ("reinforce", "vpg", "ppo")
    ]
    assert torch.equal(weights[0], weights[1]) and torch.equal(weights[1], weights[2])


def test_get_action_samples_from_the_distribution_that_it_returns():
    agent = agents.VPG(3, 4)
    with torch.no_grad():
        agent.policy[-1].weight.mul_(20)  # far from uniform
    obs = torch.ones(1, 3).expand(40_000, 3)
    actions, distribution = agent.get_action(obs)
    assert isinstance(distribution, Categorical)
    assert actions.shape == (40_000,) and actions.dtype == torch.int64
    probs = distribution.probs[0]
    shares = torch.bincount(actions, minlength=4) / 40_000
    assert (shares - probs).abs().max() < 4 * (probs * (1 - probs) / 40_000).sqrt().max()
    assert probs.max() - probs.min() > 0.2
    assert distribution.log_prob(actions).requires_grad


def test_get_action_draws_from_the_agents_own_generator():
    obs = torch.zeros(100, 4)
    draws = []
    for seed in (0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            draws.append(agents.PPO(4, 2).get_action(obs)[0])
            assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*draws)
    assert 20 < draws[0].sum() < 80


def random_rollout(seed: int = 0) -> TrajData:
    generator = torch.Generator().manual_seed(seed)
    traj = TrajData(6, 3, 4, 2)
    traj.states = torch.randn(6, 3, 4, generator=generator)
    traj.actions = torch.randint(2, (6, 3), generator=generator)
    traj.returns = 10 * torch.rand(6, 3, generator=generator)
    return traj


@pytest.mark.parametrize("algorithm", ["vpg", "ppo"])
@pytest.mark.parametrize("precomputed", [False, True])
def test_an_undetached_advantage_lets_the_policy_loss_push_the_value_network(
    algorithm, precomputed
):
    traj = random_rollout()
    agent = agents.REGISTRY[algorithm](4, 2)
    values = agent.predict_values(traj.states)
    log_probs = agent.distribution(traj.states).log_prob(traj.actions)
    traj.log_probs = log_probs.detach()
    if precomputed:
        traj.advantages = (traj.returns - values).detach()
    loss = agent.loss(log_probs, values, traj)
    loss.policy.backward()
    gradient = agent.value[0].weight.grad
    assert (gradient is not None and bool(gradient.any())) is not precomputed
    assert agent.policy[0].weight.grad.any()


def test_reinforce_trains_no_value_network():
    traj = random_rollout()
    agent = agents.REINFORCE(4, 2)
    traj.log_probs = agent.distribution(traj.states).log_prob(traj.actions)
    agent.get_loss(traj).backward()
    assert agent.policy[0].weight.grad.any()
    assert all(weight.grad is None for weight in agent.value.parameters())


def test_gae_without_advantages_says_what_to_do():
    with pytest.raises(ValueError, match="calc_gae"):
        agents.GAE(4, 2).get_loss(random_rollout())


def test_gae_is_vpg_with_other_advantages():
    traj = random_rollout()
    vpg, gae = agents.VPG(4, 2), agents.GAE(4, 2, TrainConfig.homework("vpg").replace())
    traj.log_probs = vpg.distribution(traj.states).log_prob(traj.actions)
    traj.advantages = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(vpg.get_loss(traj), gae.get_loss(traj))


def test_values_are_in_units_of_return_and_their_loss_in_units_of_value_scale():
    plain = agents.VPG(4, 2, TrainConfig.homework("vpg"))
    scaled = agents.VPG(4, 2, TrainConfig.homework("vpg", value_scale=10.0))
    states = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(scaled.predict_values(states), 10 * plain.predict_values(states))
    traj = random_rollout()
    values = torch.zeros(6, 3)
    torch.testing.assert_close(
        scaled.critic_loss(traj, values), plain.critic_loss(traj, values) / 100
    )


SMALL = {"n_updates": 40, "n_envs": 16, "n_steps": 16, "learning_rate": 0.02}


@EVERY
@pytest.mark.parametrize("preset", PRESETS)
def test_it_learns_a_trivial_environment(preset, algorithm):
    config = TrainConfig.preset(preset, algorithm, env_id=toys.BANDIT, **SMALL)
    trainer = Trainer(config)
    untrained = evaluate(trainer.agent, toys.BANDIT, 400).mean
    for _ in trainer.run():
        pass
    assert untrained == pytest.approx(0.5, abs=0.2)
    assert evaluate(trainer.agent, toys.BANDIT, 400).mean >= 0.97


def trained_on_cartpole(algorithm: str, seed: int) -> float:
    trainer = Trainer(TrainConfig.fast(algorithm, seed=seed))
    for _ in trainer.run():
        pass
    return evaluate(trainer.agent, "CartPole-v1", 100, seed=1000 + seed).mean


@pytest.mark.parametrize("seed", range(10))
def test_fast_ppo_solves_cartpole(seed):
    assert trained_on_cartpole("ppo", seed) >= REACHES["ppo"]


@pytest.mark.parametrize("algorithm", ["reinforce", "vpg", "gae"])
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))]
)
def test_the_other_fast_presets_learn_cartpole(algorithm, seed):
    assert trained_on_cartpole(algorithm, seed) >= REACHES[algorithm]


@EVERY
def test_one_update_makes_rewarded_actions_more_likely(algorithm):
    config = TrainConfig.fast(algorithm, env_id=toys.BANDIT, n_envs=64, n_steps=16)
    trainer = Trainer(config)
    contexts = torch.eye(2)
    before = trainer.agent.distribution(contexts).probs.diagonal().detach().clone()
    for _ in islice(trainer.run(), 1):
        pass
    after = trainer.agent.distribution(contexts).probs.diagonal().detach()
    assert (after > before).all()
