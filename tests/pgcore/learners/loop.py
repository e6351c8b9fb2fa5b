"""A training loop as a learner would hand it in: right for all four agents of this folder."""

from types import SimpleNamespace

import numpy as np
import torch


def rollout(agent, envs, obs, resetting, n_steps):
    rows, returns = [], []
    for _ in range(n_steps):
        state = torch.as_tensor(obs, dtype=torch.float32)
        action, distribution = agent.get_action(state)
        obs, reward, terminated, truncated, _ = envs.step(action.numpy())
        agent.so_far += reward
        done = terminated | truncated
        returns += agent.so_far[done].tolist()
        agent.so_far[done] = 0
        rows.append(
            (
                state,
                action,
                torch.as_tensor(reward, dtype=torch.float32),
                distribution.log_prob(action),
                torch.as_tensor(terminated),
                torch.as_tensor(truncated),
                torch.as_tensor(~resetting),
                torch.as_tensor(obs, dtype=torch.float32),
            )
        )
        resetting = done
    names = [
        "states",
        "actions",
        "rewards",
        "log_probs",
        "terminated",
        "truncated",
        "valid",
        "after",
    ]
    fields = dict(zip(names, map(torch.stack, zip(*rows, strict=True)), strict=True))
    return SimpleNamespace(**fields), obs, resetting, returns


@torch.no_grad()
def estimate(agent, traj, gamma, lam):
    value = agent.value(traj.states).squeeze(-1)
    after = agent.value(traj.after).squeeze(-1)
    if agent.name == "REINFORCE":
        value, after, lam = torch.zeros_like(value), torch.zeros_like(after), 1.0
    done = traj.terminated | traj.truncated
    advantages = torch.zeros_like(traj.rewards)
    following = torch.zeros_like(traj.rewards[0])
    for t in reversed(range(len(traj.rewards))):
        bootstrap = after[t] * ~traj.terminated[t]
        delta = traj.rewards[t] + gamma * bootstrap - value[t]
        following = delta + gamma * lam * ~done[t] * following
        advantages[t] = following
    traj.returns = advantages + value
    traj.advantages = (advantages - advantages.mean()) / advantages.std()


def train(agent, envs, n_updates, gamma, lam):
    parameters = [*agent.policy.parameters(), *agent.value.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    obs, _ = envs.reset(seed=0)
    resetting = np.zeros(envs.num_envs, dtype=bool)
    agent.so_far = np.zeros(envs.num_envs)
    plot = []
    for _ in range(n_updates):
        with torch.set_grad_enabled(agent.name in ("REINFORCE", "VPG")):
            traj, obs, resetting, returns = rollout(agent, envs, obs, resetting, 32)
        estimate(agent, traj, gamma, lam)
        batch = SimpleNamespace(**{name: field[traj.valid] for name, field in vars(traj).items()})
        for _ in range(4 if agent.name == "PPO" else 1):
            loss = agent.get_loss(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        plot.append(np.mean(returns))
    return plot
