"""A small loop of the homework's kind: does the learner's agent learn?"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import SyncVectorEnv, VectorEnv

from pgcore.environments import make_vec
from pgcore.grading.pull import pull, sample_weights
from pgcore.grading.subject import Mistake, Subject, scalar_loss

PPO_EPOCHS = 4


class Contexts(gym.Env):
    """A contextual bandit: three contexts, three actions, reward 1 where they match.

    An episode is eight rounds: the best return is 8, a random policy's is 8/3.
    """

    observation_space = gym.spaces.Box(0, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(3)
    rounds = 8

    def _obs(self) -> np.ndarray:
        self.context = int(self.np_random.integers(3))
        return np.eye(3, dtype=np.float32)[self.context]

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        super().reset(seed=seed)
        self.round = 0
        return self._obs(), {}

    def step(self, action: int) -> tuple:
        reward = float(action == self.context)
        self.round += 1
        return self._obs(), reward, self.round == self.rounds, False, {}


def learn(
    subject: Subject, envs: VectorEnv, n_steps: int, n_updates: int, gamma: float
) -> tuple[float, float]:
    """Train a fresh agent.

    Args:
        n_steps: steps a rollout; rollouts continue, they do not start from a reset.
        gamma: discount.
    Returns:
        Mean return of the first quarter and of the last quarter of the finished episodes' updates.
    """
    assert isinstance(envs.single_observation_space, gym.spaces.Box)
    assert isinstance(envs.single_action_space, gym.spaces.Discrete)
    n_envs, n_obs = envs.num_envs, envs.single_observation_space.shape[0]
    n_actions = int(envs.single_action_space.n)
    agent = subject.make(n_obs, n_actions)
    parameters = list({*agent.policy.parameters(), *agent.value.parameters()})
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    # Stored log-probabilities carry the graph, unless get_loss computes its own.
    fresh = pull(subject, torch.ones_like(sample_weights()[1])).fresh
    n_epochs = PPO_EPOCHS if subject.algorithm == "ppo" else 1
    obs, _ = envs.reset(seed=0)
    so_far = np.zeros(n_envs)
    finished: list[list[float]] = []
    for _ in range(n_updates):
        traj: Any = subject.storage(n_steps, n_envs, n_obs, n_actions)
        finished.append([])
        with torch.set_grad_enabled(not fresh):
            for t in range(n_steps):
                state = torch.as_tensor(obs, dtype=torch.float32)
                actions, distribution = agent.get_action(state)
                log_probs = distribution.log_prob(actions)
                obs, reward, terminated, truncated, _ = envs.step(actions.numpy())
                done = terminated | truncated
                so_far += reward
                finished[-1] += so_far[done].tolist()
                so_far[done] = 0
                rewards = torch.as_tensor(reward, dtype=torch.float32)
                traj.store(t, state, actions, rewards, log_probs, torch.as_tensor(done).float())
        _weigh(subject, agent, traj, gamma)
        for _ in range(n_epochs):
            optimizer.zero_grad()
            scalar_loss(agent, traj).backward()
            optimizer.step()
    quarter = n_updates // 4
    first, last = finished[:quarter], finished[-quarter:]
    return float(np.mean(np.concatenate(first))), float(np.mean(np.concatenate(last)))


def _weigh(subject: Subject, agent: Any, traj: Any, gamma: float) -> None:
    """Returns and advantages of unit size: seconds are too few for raw ones."""
    traj.calc_returns(gamma)
    scale = traj.returns.std() + 1e-6
    if subject.algorithm == "gae":
        traj.rewards = traj.rewards / scale
        traj.calc_returns(gamma)
        with torch.no_grad():
            traj.calc_gae(agent.value(traj.states).squeeze(-1), gamma)
        advantages = traj.advantages
        traj.advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-6)
    else:
        traj.returns = (traj.returns - traj.returns.mean()) / scale


def check_bandit(subject: Subject) -> str:
    """On the contextual bandit the agent comes closer to the best than to chance."""
    envs = SyncVectorEnv([Contexts] * 8)
    first, last = learn(subject, envs, n_steps=32, n_updates=24, gamma=0.0)
    half_way = (Contexts.rounds / 3 + Contexts.rounds) / 2
    if last < half_way:
        raise Mistake(
            f"On a contextual bandit its return went from {first:.1f} to {last:.1f}: "
            f"{half_way:.1f} was to be passed, {Contexts.rounds} is the best."
        )
    return f"return {first:.1f} at first, {last:.1f} at last, {Contexts.rounds} is the best"


def check_cartpole(subject: Subject) -> str:
    """On CartPole the return is at least doubled in a few seconds."""
    envs = make_vec("CartPole-v1", 16)
    try:
        first, last = learn(subject, envs, n_steps=128, n_updates=16, gamma=0.98)
    finally:
        envs.close()
    if last < 2 * first:
        raise Mistake(
            f"On CartPole its return went from {first:.0f} to {last:.0f}: it was to be doubled."
        )
    return f"return {first:.0f} at first, {last:.0f} at last"
