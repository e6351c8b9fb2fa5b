"""REINFORCE as a learner would hand it in."""

import torch
from torch import nn
from torch.distributions import Categorical


class REINFORCE:
    def __init__(self, n_obs, n_actions):
        torch.manual_seed(0)
        self.name = "REINFORCE"
        self.policy = nn.Sequential(nn.Linear(n_obs, 128), nn.ReLU(), nn.Linear(128, n_actions))
        self.value = nn.Sequential(nn.Linear(n_obs, 128), nn.ReLU(), nn.Linear(128, 1))

    def get_action(self, obs):
        distribution = Categorical(logits=self.policy(obs))
        return distribution.sample(), distribution

    def get_loss(self, traj):
        return -(traj.log_probs * traj.returns).mean()
