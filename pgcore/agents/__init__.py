"""The agents: one algorithm a file, found by its file's name."""

from __future__ import annotations

import importlib

from pgcore.agents.base import Agent, Loss
from pgcore.config import ALGORITHMS, TrainConfig


def _discover() -> dict[str, type[Agent]]:
    registry = {}
    for algorithm in ALGORITHMS:
        module = importlib.import_module(f"{__name__}.{algorithm}")
        found = [
            member
            for member in vars(module).values()
            if isinstance(member, type)
            and issubclass(member, Agent)
            and member.__module__ == module.__name__
        ]
        if len(found) != 1:
            raise ImportError(f"{module.__name__} must define exactly one Agent, not {len(found)}.")
        registry[algorithm] = found[0]
    return registry


REGISTRY = _discover()
"""Algorithm name (the file's) to its class."""

REINFORCE = REGISTRY["reinforce"]
VPG = REGISTRY["vpg"]
PPO = REGISTRY["ppo"]
GAE = REGISTRY["gae"]


def make(config: TrainConfig, n_obs: int, n_actions: int) -> Agent:
    """The config's agent, with its initial weights drawn from the config's seed."""
    return REGISTRY[config.algorithm](n_obs, n_actions, config)


__all__ = ["GAE", "PPO", "REGISTRY", "REINFORCE", "VPG", "Agent", "Loss", "make"]
