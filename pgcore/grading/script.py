"""Environments that play a known script, and what a learner's training loop did with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import SyncVectorEnv
from torch import Tensor

N_OBS, N_ACTIONS, N_ENVS = 4, 2, 4
SHORTEST, LONGEST = 3, 9
"""Steps an episode: many ends in any rollout, and its own end within an episode."""


class Scripted(gym.Env):
    """Observations that never repeat, rewards and ends that no action changes.

    Episodes end by turns in a terminal state and at a time limit.
    """

    observation_space = gym.spaces.Box(-np.inf, np.inf, (N_OBS,), np.float32)
    action_space = gym.spaces.Discrete(N_ACTIONS)

    def __init__(self, number: int) -> None:
        self.draws = np.random.default_rng(number)
        self.number = number
        self.episodes = 0

    def _obs(self) -> np.ndarray:
        return self.draws.normal(size=N_OBS).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        super().reset(seed=seed)
        self.episodes += 1
        self.left = int(self.draws.integers(SHORTEST, LONGEST + 1))
        return self._obs(), {}

    def step(self, action: int) -> tuple:
        self.left -= 1
        by_limit = (self.episodes + self.number) % 2 == 0
        done = self.left == 0
        return (
            self._obs(),
            self.draws.uniform(0.5, 1.5),
            done and not by_limit,
            done and by_limit,
            {},
        )


@dataclass(frozen=True)
class Call:
    """One call of get_loss: which rows, and what came with them."""

    index: Tensor
    """(B,): the row's place in the flat rollout; -1 if no environment has shown its state."""
    actions: Tensor
    """(B,)"""
    weights: Tensor | None
    """(B,): the returns, for GAE the advantages; None if the trajectory holds none."""
    log_probs: Tensor | None
    """(B,)"""
    has_graph: bool
    """Whether the log-probabilities lead back to the policy."""


@dataclass
class Rollout:
    """The steps between two updates, time-major, and the calls of get_loss that used them."""

    states: Tensor
    """(T, N, O): what the agent saw."""
    successors: Tensor
    """(T, N, O): what the environment answered, before any reset."""
    actions: Tensor
    """(T, N)"""
    rewards: Tensor
    """(T, N)"""
    terminated: Tensor
    """(T, N)"""
    truncated: Tensor
    """(T, N): a time limit, or a reset that the loop asked for in the middle."""
    valid: Tensor
    """(T, N): False where the environment only reset itself."""
    values: Tensor
    """(T, N): V(s) of the states, by the weights at the rollout's end."""
    next_values: Tensor
    """(T, N): V(s) of the successors."""
    logits: Tensor
    """(T, N, A): the policy's, by the same weights."""
    calls: list[Call]

    @property
    def log_probs(self) -> Tensor:
        """(T, N): of the actions that were taken, under the policy that took them."""
        return self.logits.log_softmax(-1).gather(-1, self.actions[..., None]).squeeze(-1)


class Watched(SyncVectorEnv):
    """N_ENVS scripted environments that remember every step.

    Autoreset is gymnasium's default, NEXT_STEP: the step after an end only resets.
    """

    def __init__(self) -> None:
        super().__init__([partial(Scripted, i) for i in range(N_ENVS)])
        self.steps: list[dict[str, np.ndarray]] = []
        """Since the last rollout was taken."""
        self.episode_returns: list[list[float]] = [[]]
        """Of the episodes that ended, by rollout; the last list is under way."""
        self.obs: np.ndarray | None = None

    def reset(self, **options: Any) -> Any:
        if self.steps:  # the loop starts afresh: a cut, as a time limit is
            last = self.steps[-1]
            last["truncated"] = last["truncated"] | ~last["terminated"]
        self.obs, infos = super().reset(**options)
        self.resetting = np.zeros(N_ENVS, bool)
        self.so_far = np.zeros(N_ENVS)
        return self.obs.copy(), infos

    def step(self, actions: Any) -> Any:
        if self.obs is None:
            raise gym.error.ResetNeeded("envs.step() was called before envs.reset()")
        before, resetting = self.obs.copy(), self.resetting
        obs, rewards, terminated, truncated, infos = super().step(actions)
        self.obs, self.resetting = obs.copy(), terminated | truncated
        self.so_far += rewards
        self.episode_returns[-1] += self.so_far[self.resetting].tolist()
        self.so_far[self.resetting] = 0
        self.steps.append(
            {
                "states": before,
                "successors": self.obs,
                "actions": np.array(actions, dtype=np.int64).reshape(-1),
                "rewards": rewards.astype(np.float32),
                "terminated": terminated.copy(),
                "truncated": truncated.copy(),
                "valid": ~resetting,
            }
        )
        return obs, rewards, terminated, truncated, infos


class Watch:
    """Stands in front of an agent's get_loss and notes what it is handed.

    Args:
        agent: the learner's; its get_loss is replaced by one that notes, then calls it.
        envs: those that the loop steps.
        weights: name of the trajectory's field that says how good an action was.
    """

    def __init__(self, agent: Any, envs: Watched, weights: str) -> None:
        self.agent, self.envs, self.weights = agent, envs, weights
        self.rollouts: list[Rollout] = []
        self.get_loss = agent.get_loss
        agent.get_loss = self

    def __call__(self, traj: Any) -> Any:
        if self.envs.steps:
            self._take_rollout()
        if self.rollouts:
            self.rollouts[-1].calls.append(self._call(traj))
        return self.get_loss(traj)

    @torch.no_grad()
    def _take_rollout(self) -> None:
        fields = {
            name: torch.from_numpy(np.stack([step[name] for step in self.envs.steps]))
            for name in self.envs.steps[0]
        }
        self.rollouts.append(
            Rollout(
                **fields,
                values=self.agent.value(fields["states"]).squeeze(-1),
                next_values=self.agent.value(fields["successors"]).squeeze(-1),
                logits=self.agent.policy(fields["states"]),
                calls=[],
            )
        )
        self.envs.steps = []
        self.envs.episode_returns.append([])

    def _call(self, traj: Any) -> Call:
        seen = self.rollouts[-1].states.flatten(0, 1)
        # Observations are drawn from a continuum, so an equal one is the same row.
        place = {row.tobytes(): i for i, row in enumerate(seen.numpy())}
        states = traj.states.detach().float().reshape(-1, N_OBS).numpy()
        index = torch.tensor([place.get(row.tobytes(), -1) for row in states])
        log_probs = self._flat(traj, "log_probs", len(index))
        actions = self._flat(traj, "actions", len(index))
        return Call(
            index,
            torch.full_like(index, -1) if actions is None else actions.long(),
            self._flat(traj, self.weights, len(index)),
            log_probs,
            has_graph=log_probs is not None and traj.log_probs.requires_grad,
        )

    @staticmethod
    def _flat(traj: Any, name: str, rows: int) -> Tensor | None:
        value = getattr(traj, name, None)
        if not isinstance(value, Tensor) or value.numel() != rows:
            return None
        return value.detach().clone().flatten()
