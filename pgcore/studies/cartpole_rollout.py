"""Real CartPole rollouts for the studies: made by the trainer that trains, never typed in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from pgcore.agents import Agent
from pgcore.config import TrainConfig
from pgcore.returns import gae
from pgcore.train import Trainer
from pgcore.trajectory import TrajData


@dataclass(frozen=True, eq=False)
class Rollout:
    """One rollout of a fixed policy, with its value network's estimates. Time-major, (T, N)."""

    agent: Agent
    traj: TrajData
    values: Tensor
    """V(s_t), in units of return."""
    next_values: Tensor
    """V of the true successor of step t; on a cut episode that is its final observation."""

    @property
    def first_episode(self) -> Tensor:
        """True on the rows up to and including each environment's first end, (T, N)."""
        done = (self.traj.terminated | self.traj.truncated).int()
        return torch.cumsum(done, dim=0) - done == 0

    def gae(self, gamma: float, lam: float) -> Tensor:
        """returns.gae of these rows, (T, N)."""
        traj = self.traj
        flags = traj.terminated, traj.truncated
        return gae(traj.rewards, self.values, self.next_values, *flags, gamma, lam)


def trained_agent(n_updates: int, gamma: float = 0.99, seed: int = 0) -> Agent:
    """An agent after so many updates of the fast PPO preset; 0 leaves it untrained."""
    trainer = Trainer(TrainConfig.fast("ppo", gamma=gamma, seed=seed))
    for _ in islice(trainer.run(), n_updates):
        pass
    return trainer.agent


def agent_that_reaches_the_limit(seed: int = 0) -> Agent:
    """The fast PPO preset's agent after the first update in which an episode hit the time limit.

    Good enough to balance for all 500 steps at times, and still falls at others.

    Raises:
        RuntimeError: if training ends without such an episode.
    """
    trainer = Trainer(TrainConfig.fast("ppo", seed=seed))
    for _ in trainer.run():
        assert trainer.traj is not None
        if trainer.traj.truncated.any():
            return trainer.agent
    raise RuntimeError("no episode reached the time limit: the preset no longer learns CartPole.")


@torch.no_grad()
def collect(agent: Agent, n_steps: int, n_envs: int, seed: int = 1) -> Rollout:
    """Fresh episodes of a policy that does not change, and what its value network says of them.

    Args:
        agent: acts and estimates; not trained.
        n_steps: T.
        n_envs: N.
        seed: of the environments and the actions.
    """
    config = agent.config.replace(n_steps=n_steps, n_envs=n_envs, seed=seed)
    trainer = Trainer(config)
    trainer.agent.load_state_dict(agent.state_dict())
    traj = trainer.rollout()
    trainer.envs.close()
    values = agent.predict_values(torch.cat([traj.states, traj.successors[None]]))
    return Rollout(agent, traj, values[:-1], values[1:])
