"""The notebook's own loop, as HOMEWORK.md describes it: separate environments, step by step.

Nothing of this project's trainer is in it, only the storage that the homework prescribes, so what
makes the trainer fast does not make this fast too.
"""

from __future__ import annotations

from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv

from pgcore.trajectory import TrajData
from tests.pgcore.learners.ppo import PPO
from tests.pgcore.learners.reinforce import REINFORCE
from tests.pgcore.learners.vpg import Agent as VPG

AGENTS = {"reinforce": REINFORCE, "vpg": VPG, "ppo": PPO}
"""Its GAE agent never learns (the bug clinic shows why), so there is nothing to compare."""
N_ENVS, N_STEPS, N_ITERATIONS, LEARNING_RATE = 64, 256, 250, 1e-3
PPO_EPOCHS = 10


class Notebook:
    """One agent in training."""

    def __init__(self, algorithm: str, envs: VectorEnv | None = None) -> None:
        self.agent = AGENTS[algorithm](4, 2)
        self.reuses_rollouts = algorithm == "ppo"
        networks = (self.agent.policy, self.agent.value)
        self.parameters = [weight for network in networks for weight in network.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=LEARNING_RATE)
        self.envs = envs or gym.make_vec("CartPole-v1", N_ENVS, vectorization_mode="sync")

    def rollout(
        self, obs: np.ndarray, n_steps: int = N_STEPS, actions: torch.Tensor | None = None
    ) -> TrajData:
        """Step by step from obs (N, 4); actions (T, N) are taken in place of drawn ones."""
        traj = TrajData(n_steps, len(obs), 4, 2)
        with torch.set_grad_enabled(not self.reuses_rollouts):
            for t in range(n_steps):
                states = torch.from_numpy(np.array(obs))
                drawn, distribution = self.agent.get_action(states)
                action = drawn if actions is None else actions[t]
                log_probs = distribution.log_prob(action)
                obs, rewards, terminated, truncated, _ = self.envs.step(action.numpy())
                done = torch.from_numpy(terminated | truncated)
                traj.store(t, states, action, torch.from_numpy(rewards), log_probs, done)
        traj.calc_returns()
        return traj

    def update(self, traj: TrajData) -> list[float]:
        """One gradient step, or PPO's ten; the loss of each."""
        losses = []
        for _ in range(PPO_EPOCHS if self.reuses_rollouts else 1):
            loss = self.agent.get_loss(traj)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return losses

    def run(self) -> Iterator[float]:
        """Train without end; the "Reward" that the notebook logs at each iteration."""
        # Only the first reset is seeded: each later one goes on with the environments' generators.
        obs, _ = self.envs.reset(seed=0)
        while True:
            traj = self.rollout(obs)
            self.update(traj)
            yield float(traj.rewards.mean())
            obs, _ = self.envs.reset()
