"""PPO as a learner would hand it in."""

import torch
from torch import nn
from torch.distributions import Categorical


class PPO:
    def __init__(self, n_obs, n_actions, epsilon=0.1):
        torch.manual_seed(0)
        self.name = "PPO"
        self.epsilon = epsilon
        self.policy = nn.Sequential(nn.Linear(n_obs, 128), nn.ReLU(), nn.Linear(128, n_actions))
        self.value = nn.Sequential(nn.Linear(n_obs, 128), nn.ReLU(), nn.Linear(128, 1))

    def get_action(self, obs):
        distribution = Categorical(logits=self.policy(obs))
        return distribution.sample(), distribution

    def get_loss(self, traj):
        log_probs = self.get_action(traj.states)[1].log_prob(traj.actions)
        advantages = traj.returns - self.value(traj.states).squeeze(-1)
        ratio = torch.exp(log_probs - traj.log_probs)
        clipped = torch.clamp(ratio, 1 - self.epsilon, 1 + self.epsilon)
        objective = torch.min(ratio * advantages, clipped * advantages)
        return -objective.mean() + (advantages**2).mean()
