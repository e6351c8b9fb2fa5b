"""Chapter 4 on CartPole: how noisy is the policy gradient of one episode, weight by weight?"""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor
from torch.distributions import Categorical
from torch.func import functional_call, grad, vmap

from pgcore.agents import Agent
from pgcore.losses import explained_variance, policy_gradient_loss
from pgcore.returns import discounted_returns, gae
from pgcore.studies.cartpole_rollout import Rollout, collect, trained_agent

GAMMA = 1.0
"""Undiscounted, so that full return and reward-to-go estimate one and the same gradient."""
LAM = 0.95
N_STEPS = 500
"""CartPole's own time limit: every episode is whole."""
RESAMPLES = 200
WEIGHTS = (
    "full return",
    "reward-to-go",
    "constant baseline",
    "value baseline",
    "GAE",
)
"""What multiplies grad log pi, from the oldest idea to the newest."""


def weights(rollout: Rollout) -> dict[str, Tensor]:
    """The weight of each step's grad log pi under each method, (T, N), 0 after the first end.

    full return: the episode's whole return at each of its steps. reward-to-go: what came after.
    constant baseline: minus the mean reward-to-go. value baseline: minus V(s). GAE: at LAM.
    """
    traj, mask = rollout.traj, rollout.first_episode
    done = traj.terminated | traj.truncated
    to_go = discounted_returns(traj.rewards, ~done, GAMMA)
    by_name = (
        to_go[0].expand_as(to_go),
        to_go,
        to_go - to_go[mask].mean(),
        to_go - rollout.values,
        gae(
            traj.rewards,
            rollout.values,
            rollout.next_values,
            traj.terminated,
            traj.truncated,
            GAMMA,
            LAM,
        ),
    )
    return {name: weight * mask for name, weight in zip(WEIGHTS, by_name, strict=True)}


def episode_gradients(agent: Agent, traj_states: Tensor, actions: Tensor, weight: Tensor) -> Tensor:
    """Each episode's own estimate: sum over its steps of grad log pi(a|s) * weight, by autograd.

    Args:
        agent: whose policy acted.
        traj_states: (T, N, O).
        actions, weight: (T, N), one column an episode; rows of weight 0 do not count.
    Returns:
        (N, P), one row an episode, one column a parameter of the policy; for gradient ascent.
    """

    def objective(
        parameters: dict[str, Tensor], states: Tensor, actions: Tensor, weight: Tensor
    ) -> Tensor:
        logits = functional_call(agent.policy, parameters, (states,))
        log_probs = Categorical(logits=logits, validate_args=False).log_prob(actions)
        return -len(weight) * policy_gradient_loss(log_probs, weight)

    parameters = {name: p.detach() for name, p in agent.policy.named_parameters()}
    gradient = vmap(grad(objective), in_dims=(None, 1, 1, 1), chunk_size=64)(
        parameters, traj_states, actions, weight
    )
    return torch.cat([part.flatten(1) for part in gradient.values()], dim=1)


def measure(n_updates: int, n_episodes: int = 200, seed: int = 0) -> pd.DataFrame:
    """The spread of one episode's gradient estimate, for each way to weigh the same episodes.

    Args:
        n_updates: how long the agent has trained; 0 leaves it untrained.
        n_episodes: fresh whole episodes of it, the same for every method.
        seed: of the training; the episodes use the next one.
    Returns:
        One row a method: method; variance, summed over the policy's parameters, with low and high
        (a 95% bootstrap interval over episodes); relative (to full return); length of the mean
        estimate; episodes_needed (episodes whose average is as long as its own standard error:
        variance / length^2); cosine of the mean with that of the value baseline; and, equal in all
        rows, mean_return of the episodes and explained_variance of V.
    """
    agent = trained_agent(n_updates, gamma=GAMMA, seed=seed)
    rollout = collect(agent, N_STEPS, n_episodes, seed=seed + 1)
    traj, mask = rollout.traj, rollout.first_episode
    by_method = weights(rollout)
    gradients = {
        name: episode_gradients(agent, traj.states, traj.actions, weight)
        for name, weight in by_method.items()
    }
    generator = torch.Generator().manual_seed(seed)
    draws = torch.multinomial(
        torch.full((RESAMPLES, n_episodes), 1 / n_episodes), n_episodes, True, generator=generator
    )
    counts = torch.zeros(RESAMPLES, n_episodes).scatter_add_(1, draws, torch.ones(draws.shape))
    reference = gradients["value baseline"].mean(0)
    whole = float(gradients["full return"].var(0).sum())
    rows = []
    for name, gradient in gradients.items():
        mean, variance = gradient.mean(0), float(gradient.var(0).sum())
        length = float(mean.norm())
        resampled = _resampled_variance(gradient, counts)
        low, high = torch.quantile(resampled, torch.tensor([0.025, 0.975])).tolist()
        cosine = float(torch.cosine_similarity(mean, reference, dim=0))
        rows.append(
            (name, variance, low, high, variance / whole, length, variance / length**2, cosine)
        )
    frame = pd.DataFrame(
        rows,
        columns=[
            "method",
            "variance",
            "low",
            "high",
            "relative",
            "length",
            "episodes_needed",
            "cosine",
        ],
    )
    frame["mean_return"] = float((traj.rewards * mask).sum(0).mean())
    frame["explained_variance"] = float(
        explained_variance(rollout.values[mask], by_method["reward-to-go"][mask])
    )
    return frame


def _resampled_variance(gradient: Tensor, counts: Tensor) -> Tensor:
    # Of episodes drawn with replacement: counts (R, N) says how often each of N was drawn.
    n_episodes = counts.shape[1]
    mean_square = counts @ gradient.square().sum(1) / n_episodes
    mean = counts @ gradient / n_episodes
    return (mean_square - mean.square().sum(1)) * n_episodes / (n_episodes - 1)
