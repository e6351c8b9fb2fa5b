"""GAE as a learner would hand it in: VPG with other advantages, fresh log-probabilities."""

import torch
from torch import nn
from torch.distributions import Categorical


class GAE:
    def __init__(self, n_obs, n_actions):
        torch.manual_seed(0)
        self.name = "GAE"
        self.policy = nn.Sequential(
            nn.Linear(n_obs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, n_actions)
        )
        self.value = nn.Sequential(
            nn.Linear(n_obs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
        )

    def get_action(self, obs):
        distribution = Categorical(logits=self.policy(obs))
        return distribution.sample(), distribution

    def get_loss(self, traj):
        log_probs = Categorical(logits=self.policy(traj.states)).log_prob(traj.actions)
        values = self.value(traj.states).squeeze(-1)
        policy_loss = -(log_probs * traj.advantages).mean()
        return policy_loss + ((traj.returns - values) ** 2).mean()
