"""An environment that kills its process, as a lack of memory would."""

from __future__ import annotations

import os
import signal

import gymnasium as gym
import numpy as np


class Fatal(gym.Env):
    """Dies at its first step."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        os.kill(os.getpid(), signal.SIGKILL)


gym.register("Fatal-v0", Fatal, max_episode_steps=5)
