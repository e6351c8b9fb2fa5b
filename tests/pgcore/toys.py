"""Environments small enough to know every number of, registered with gymnasium like any other."""

from __future__ import annotations

import gymnasium as gym
import numpy as np


class Constant(gym.Env):
    """One observation, reward 1, no end of its own: V = 1 / (1 - gamma), whatever one does."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action):
        return np.ones(1, np.float32), 1.0, False, False, {}


class Counter(gym.Env):
    """The observation is the number of steps taken, and so is the reward: 0, 1, 2, ..."""

    observation_space = gym.spaces.Box(0, np.inf, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)
    ends_after = np.inf

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.count += 1
        terminated = self.count >= self.ends_after
        return np.full(1, self.count, np.float32), self.count - 1.0, terminated, False, {}


class Terminating(Counter):
    """Counter with an end of its own, after three steps."""

    ends_after = 3


class Bandit(gym.Env):
    """Two contexts, two actions, one step: reward 1 where they match. Best return 1, random 0.5."""

    observation_space = gym.spaces.Box(0, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.context = int(self.np_random.integers(2))
        return np.eye(2, dtype=np.float32)[self.context], {}

    def step(self, action):
        return np.zeros(2, np.float32), float(action == self.context), True, False, {}


class RandomLength(Constant):
    """Ends after each step with probability 1/4: mean length 4, many short episodes."""

    def step(self, action):
        obs, reward, _, _, info = super().step(action)
        return obs, reward, bool(self.np_random.random() < 0.25), False, info


class Notebook(Constant):
    """Keeps something that is not plain data."""

    def __init__(self) -> None:
        self.notes = {1, 2, 3}


class StartsAtOne(Constant):
    """Names its actions 1 and 2."""

    action_space = gym.spaces.Discrete(2, start=1)


def _register(name: str, environment: type[gym.Env], **limits: int) -> str:
    env_id = f"{name}-v0"
    if env_id not in gym.registry:
        gym.register(env_id, entry_point=environment, **limits)
    return env_id


CONSTANT = _register("ToyConstant", Constant, max_episode_steps=8)
ENDLESS = _register("ToyEndless", Constant)
COUNTER = _register("ToyCounter", Counter, max_episode_steps=5)
TERMINATING = _register("ToyTerminating", Terminating)
BANDIT = _register("ToyBandit", Bandit)
RANDOM_LENGTH = _register("ToyRandomLength", RandomLength)
NOTEBOOK = _register("ToyNotebook", Notebook)
STARTS_AT_ONE = _register("ToyStartsAtOne", StartsAtOne)
