"""The homework's storage as a learner would hand it in."""

import torch


class TrajData:
    def __init__(self, n_steps, n_envs, n_obs, n_actions):
        shape = (n_steps, n_envs)
        self.n_steps = n_steps
        self.states = torch.zeros(*shape, n_obs)
        self.actions = torch.zeros(shape)
        self.rewards = torch.zeros(shape)
        self.not_dones = torch.ones(shape)
        self.log_probs = torch.zeros(shape)

    def store(self, t, s, a, r, lp, d):
        self.states[t] = s
        self.actions[t], self.rewards[t], self.log_probs[t] = a, r, lp
        self.not_dones[t] = 1 - d

    def calc_returns(self, gamma=0.99):
        rows, following = [], torch.zeros_like(self.rewards[0])
        for t in reversed(range(self.n_steps)):
            following = self.rewards[t] + gamma * self.not_dones[t] * following
            rows.append(following)
        self.returns = torch.stack(rows[::-1])

    def calc_gae(self, values, gamma=0.99, lam=0.95):
        self.advantages = torch.zeros_like(self.rewards)
        after = torch.cat([values[1:], torch.zeros_like(values[:1])])
        following = torch.zeros_like(self.rewards[0])
        for t in reversed(range(self.n_steps)):
            delta = self.rewards[t] + gamma * after[t] * self.not_dones[t] - values[t]
            following = delta + gamma * lam * self.not_dones[t] * following
            self.advantages[t] = following

    def detach(self):
        self.actions = self.actions.detach()
        self.log_probs = self.log_probs.detach()
