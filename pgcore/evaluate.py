"""How good is an agent? Fresh episodes, apart from training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pgcore.agents import Agent
from pgcore.environments import make_vec, steps_as_one
from pgcore.networks import numpy_forward

MAX_STEPS = 10_000


@dataclass(frozen=True)
class Evaluation:
    """Undiscounted returns and lengths of whole episodes, one an environment."""

    returns: tuple[float, ...]
    lengths: tuple[int, ...]

    @property
    def mean(self) -> float:
        """Mean return."""
        return float(np.mean(self.returns))


def default_episodes(env_id: str) -> int:
    """100, as "solved" is defined; 20 where copies step one by one and would take seconds."""
    return 100 if steps_as_one(env_id) else 20


def evaluate(
    agent: Agent,
    env_id: str,
    episodes: int | None = None,
    seed: int = 0,
    between_steps: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Play fresh episodes side by side with actions sampled from the policy.

    Every environment plays exactly one episode, to its end: stopping after the first so many
    ends would favour short episodes. An episode without an end counts up to MAX_STEPS.

    Args:
        agent: not changed; its generator is not used.
        env_id: where to play.
        episodes: how many; default_episodes where left out.
        seed: of the environments and the actions; training's numbers are left alone.
        between_steps: called after each step; it may wait.
    """
    episodes = episodes or default_episodes(env_id)
    envs = make_vec(env_id, episodes)
    noise = np.random.default_rng([seed, 1])
    logits = numpy_forward(agent.policy)
    obs, _ = envs.reset(seed=seed)
    playing = np.ones(episodes, dtype=bool)
    returns, lengths = np.zeros(episodes), np.zeros(episodes, dtype=np.int64)
    while playing.any() and lengths.max() < MAX_STEPS:
        scores = logits(np.asarray(obs, dtype=np.float32))
        actions = (scores + noise.gumbel(size=scores.shape)).argmax(axis=-1)
        obs, rewards, terminated, truncated, _ = envs.step(actions)
        returns += rewards * playing
        lengths += playing
        playing &= ~(terminated | truncated)
        between_steps()
    envs.close()
    return Evaluation(tuple(returns.tolist()), tuple(lengths.tolist()))
