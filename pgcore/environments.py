"""The environments that agents train in: all from gymnasium, none of our own."""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass
from functools import lru_cache

# Frames are drawn into memory: without this, SDL looks for a display that a server does not have.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import gymnasium as gym
from gymnasium.vector import AutoresetMode, VectorEnv

from pgcore.config import ConfigError

RENDERING = threading.Lock()
"""Held while anything is drawn or closed: pygame is one for the whole process, and an environment
that closes shuts it down for every other thread."""


@dataclass(frozen=True)
class Quantity:
    """One entry of an observation."""

    name: str
    unit: str


@dataclass(frozen=True)
class Plane:
    """The two entries of an observation over which a map says most about a policy.

    Both axes are symmetric about 0, where the other entries are held.
    """

    x: int
    y: int
    x_limit: float
    """In the entry's own unit; an episode that leaves it is over, or nearly."""
    y_limit: float


@dataclass(frozen=True)
class Environment:
    """What pages and charts need to know about an environment."""

    env_id: str
    title: str
    solved_at: float
    """Mean return of 100 episodes from which the environment counts as solved."""
    untrained: float
    """Mean return of actions drawn uniformly: where an untrained agent begins."""
    step_seconds: float
    """Simulated time of one step, for playing back at real speed."""
    observations: tuple[Quantity, ...]
    actions: tuple[str, ...]
    plane: Plane | None = None
    """None where two entries alone say little, such as the cosine of an angle without its sine."""


OFFERED: dict[str, Environment] = {
    environment.env_id: environment
    for environment in (
        Environment(
            "CartPole-v1",
            "CartPole: balance a pole on a cart",
            solved_at=475.0,
            untrained=22.0,
            step_seconds=0.02,
            observations=(
                Quantity("cart position", "m"),
                Quantity("cart velocity", "m/s"),
                Quantity("pole angle", "rad"),
                Quantity("pole angular velocity", "rad/s"),
            ),
            actions=("push left", "push right"),
            plane=Plane(x=2, y=3, x_limit=math.radians(12), y_limit=2.0),
        ),
        Environment(
            "Acrobot-v1",
            "Acrobot: swing a two-link arm above the line",
            solved_at=-100.0,
            untrained=-500.0,
            step_seconds=0.2,
            observations=(
                Quantity("cos of first angle", ""),
                Quantity("sin of first angle", ""),
                Quantity("cos of second angle", ""),
                Quantity("sin of second angle", ""),
                Quantity("first angular velocity", "rad/s"),
                Quantity("second angular velocity", "rad/s"),
            ),
            actions=("torque -1", "no torque", "torque +1"),
        ),
    )
}


@lru_cache(maxsize=64)
def sizes(env_id: str) -> tuple[int, int]:
    """Length of an observation and number of actions.

    Raises:
        ConfigError: one sentence saying why the environment does not fit: unknown id, missing
            dependency, continuous actions, or an observation that is not a flat Box.
    """
    env = _make(env_id)
    try:
        observation, action = env.observation_space, env.action_space
        if not isinstance(action, gym.spaces.Discrete):
            raise ConfigError(
                f"{env_id} does not fit: its actions are {action}, and these agents choose among "
                "a discrete set."
            )
        if not isinstance(observation, gym.spaces.Box) or len(observation.shape) != 1:
            raise ConfigError(
                f"{env_id} does not fit: its observations are {observation}, and these agents "
                "read a flat Box (a vector of numbers)."
            )
        if action.start != 0:
            raise ConfigError(f"{env_id} does not fit: its actions do not count from 0.")
        return observation.shape[0], int(action.n)
    finally:
        env.close()


def _make(env_id: str, render_mode: str | None = None) -> gym.Env:
    try:
        # Not every environment takes a render_mode.
        return gym.make(env_id, render_mode=render_mode) if render_mode else gym.make(env_id)
    except Exception as error:
        problem = (
            "needs a package that is not installed"
            if isinstance(error, ImportError)
            else "cannot be made"
        )
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        stop = "" if first_line.endswith((".", "?")) else "."
        raise ConfigError(f"{env_id} {problem}: {first_line}{stop}") from None


@lru_cache(maxsize=64)
def steps_as_one(env_id: str) -> bool:
    """Whether the environment has a vectorised class of its own, much faster than single copies.

    Raises:
        ConfigError: as in sizes.
    """
    env = _make(env_id)
    try:
        return env.spec is not None and env.spec.vector_entry_point is not None
    finally:
        env.close()


def make_vec(env_id: str, n_envs: int) -> VectorEnv:
    """n_envs copies that step together; the environment's own vectorised class where it has one.

    CartPole's steps about 11 times faster than 64 separate copies.

    Raises:
        ConfigError: as in sizes.
    """
    sizes(env_id)
    envs = gym.make_vec(env_id, num_envs=n_envs)
    # The rollout counts on the final observation being handed out before the reset.
    if envs.metadata.get("autoreset_mode") != AutoresetMode.NEXT_STEP:
        raise ConfigError(f"{env_id} does not fit: it does not reset in the step after the end.")
    return envs


def make_for_rendering(env_id: str) -> gym.Env:
    """One copy whose render() returns RGB frames, without a display; hold RENDERING around it.

    Raises:
        ConfigError: as in sizes, or if the environment cannot draw.
    """
    sizes(env_id)
    return _make(env_id, render_mode="rgb_array")


def step_seconds(env_id: str) -> float:
    """Simulated seconds a step; for an environment that is not offered, from its frame rate."""
    if env_id in OFFERED:
        return OFFERED[env_id].step_seconds
    env = _make(env_id)
    rate = env.metadata.get("render_fps") or 30
    env.close()
    return 1 / float(rate)
