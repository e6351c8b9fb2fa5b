"""Environments: what fits, why the rest does not, and the order of end and reset."""

from __future__ import annotations

import math
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.vector import SyncVectorEnv

from pgcore import environments
from pgcore.config import ConfigError
from pgcore.environments import OFFERED, make_for_rendering, make_vec, sizes, step_seconds
from tests.pgcore import toys


@pytest.mark.parametrize(
    ("env_id", "expected"),
    [("CartPole-v1", (4, 2)), ("Acrobot-v1", (6, 3)), ("MountainCar-v0", (2, 3))],
)
def test_sizes(env_id, expected):
    assert sizes(env_id) == expected


@pytest.mark.parametrize(("env_id", "episodes"), [("CartPole-v1", 1000), ("Acrobot-v1", 20)])
def test_where_an_untrained_agent_begins(env_id, episodes):
    env = gym.make(env_id)
    env.action_space.seed(0)
    returns = []
    for seed in range(episodes):
        env.reset(seed=seed)
        rewards, over = [], False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            rewards.append(reward)
            over = terminated or truncated
        returns.append(sum(rewards))
    env.close()
    error = np.std(returns) / math.sqrt(episodes)
    assert OFFERED[env_id].untrained == pytest.approx(np.mean(returns), abs=3 * error + 0.5)


def test_cartpole_steps_in_its_own_vectorised_class_and_others_in_sync():
    assert isinstance(make_vec("CartPole-v1", 8).unwrapped, CartPoleVectorEnv)
    assert isinstance(make_vec("Acrobot-v1", 2), SyncVectorEnv)
    assert environments.steps_as_one("CartPole-v1")
    assert not environments.steps_as_one("Acrobot-v1")


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Acrobot-v1", toys.COUNTER])
@pytest.mark.parametrize("n_envs", [1, 5])
def test_make_vec_gives_the_number_asked_for(env_id, n_envs):
    envs = make_vec(env_id, n_envs)
    assert envs.num_envs == n_envs
    obs, _ = envs.reset(seed=0)
    assert obs.shape == (n_envs, sizes(env_id)[0])
    _, rewards, terminated, truncated, _ = envs.step(np.zeros(n_envs, np.int64))
    assert rewards.shape == terminated.shape == truncated.shape == (n_envs,)


@pytest.mark.parametrize("env_id", ["CartPole", f"tests.pgcore.toys:{toys.COUNTER}"])
def test_an_id_without_a_version_or_with_a_module_works(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gymnasium says which version it took
        assert make_vec(env_id, 2).num_envs == 2


@pytest.mark.parametrize(
    ("env_id", "why"),
    [
        ("Pendulum-v1", "its actions are Box"),
        ("MountainCarContinuous-v0", "its actions are Box"),
        ("Taxi-v3", "cannot be made|its observations are Discrete"),
        ("FrozenLake-v1", "its observations are Discrete"),
        ("Blackjack-v1", "its observations are Tuple"),
        (toys.STARTS_AT_ONE, "its actions do not count from 0"),
        ("NoSuchThing-v7", "doesn't exist"),
        ("CartPole-v99", "doesn't exist"),
        ("LunarLander-v3", "Box2D is not installed"),
        ("Ant-v5", "MuJoCo is not installed"),
        ("ALE/Pong-v5", "Namespace ALE not found"),
        ("no_such_module:Thing-v0", "needs a package that is not installed: .*no_such_module"),
        ("phys2d/CartPole-v1", "needs a package that is not installed: .*jax"),
        ("../../etc", "cannot be made"),
        ("a:b:c", "cannot be made"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*out of date.*")
def test_what_does_not_fit_is_told_why_in_one_sentence(env_id, why):
    for function in (sizes, lambda name: make_vec(name, 2), make_for_rendering, step_seconds):
        if function is step_seconds and "its " in why:
            continue  # an environment that does not fit has a frame rate all the same
        with pytest.raises(ConfigError, match=why) as caught:
            function(env_id)
        message = str(caught.value)
        assert message.startswith(env_id) and message.endswith((".", "?")) and "\n" not in message


@pytest.mark.parametrize(("env_id", "steps"), [("CartPole-v1", 300), (toys.COUNTER, 30)])
def test_the_final_observation_comes_first_and_the_reset_one_step_later(env_id, steps):
    envs = make_vec(env_id, 4)
    rng = np.random.default_rng(0)
    starts, _ = envs.reset(seed=0)
    before = np.zeros(4, dtype=bool)
    resets = 0
    for _ in range(steps):
        obs, rewards, terminated, truncated, _ = envs.step(rng.integers(2, size=4))
        done = terminated | truncated
        if env_id == "CartPole-v1":
            outside = (np.abs(obs[:, 0]) > 2.4) | (np.abs(obs[:, 2]) > np.radians(12))
            assert (outside == terminated).all(), "the final observation was replaced"
            assert (np.abs(obs[before]) <= 0.05).all()
        else:
            assert (obs[done] == 5).all() and (obs[before] == starts[before]).all()
        assert not rewards[before].any() and not done[before].any()
        resets += before.sum()
        before = done
    assert resets > 10


@pytest.mark.parametrize("env_id", OFFERED)
def test_what_is_offered_is_described_as_it_is(env_id):
    environment, (n_obs, n_actions) = OFFERED[env_id], sizes(env_id)
    assert environment.env_id == env_id
    assert len(environment.observations) == n_obs
    assert len(environment.actions) == n_actions
    inner = gym.make(env_id).unwrapped
    assert step_seconds(env_id) == environment.step_seconds
    assert environment.step_seconds == pytest.approx(getattr(inner, "tau", None) or inner.dt)


def test_step_seconds_of_another_environment_follows_its_frame_rate():
    assert step_seconds("MountainCar-v0") == pytest.approx(1 / 30)


@pytest.mark.parametrize("env_id", OFFERED)
def test_rendering_needs_no_display(env_id):
    env = make_for_rendering(env_id)
    env.reset(seed=0)
    frame = env.render()
    assert frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8
    assert len(np.unique(frame)) > 2, "the picture is empty"
    env.close()


@pytest.mark.filterwarnings("ignore:.*render_mode.*")
def test_an_environment_that_cannot_draw_says_so():
    with pytest.raises(ConfigError, match=f"{toys.COUNTER} cannot be made"):
        make_for_rendering(toys.COUNTER)
