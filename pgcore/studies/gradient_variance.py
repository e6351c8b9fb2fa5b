"""Chapter 4 on CartPole: how noisy is the policy gradient of one episode, weight by weight?"""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.distributions import Categorical
from torch.func import functional_call, grad, vmap

from pgcore.agents import Agent
from pgcore.losses import explained_variance, policy_gradient_loss
from pgcore.returns import discounted_returns
from pgcore.studies.cartpole_rollout import Rollout, collect, trained_agent

GAMMA = 1.0
"""Undiscounted, so that full return and reward-to-go estimate one and the same gradient."""
LAM = 0.95
N_STEPS = 500
"""CartPole's own time limit: every episode is whole."""
N_EPISODES = 400
RESAMPLES = 400
UPDATES = (0, 2, 4, 6, 8, 10, 15)
"""Stored: an agent that knows nothing, and so many updates later."""
DATA = Path(__file__).with_name("data") / "gradient_variance.csv"


def weights(rollout: Rollout) -> dict[str, Tensor]:
    """The weight of each step's grad log pi under each method, (T, N), 0 after the first end.

    full return: the episode's whole return at each of its steps. reward-to-go: what came after.
    constant baseline: minus the mean reward-to-go. value baseline: minus V(s). GAE: at LAM.
    """
    traj, mask = rollout.traj, rollout.first_episode
    done = traj.terminated | traj.truncated
    to_go = discounted_returns(traj.rewards, ~done, GAMMA)
    by_name = {
        "full return": to_go[0].expand_as(to_go),
        "reward-to-go": to_go,
        "constant baseline": to_go - to_go[mask].mean(),
        "value baseline": to_go - rollout.values,
        "GAE": rollout.gae(GAMMA, LAM),
    }
    return {name: weight * mask for name, weight in by_name.items()}


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


def measure(n_updates: int, n_episodes: int = N_EPISODES, seed: int = 0) -> pd.DataFrame:
    """The spread of one episode's gradient estimate, for each way to weigh the same episodes.

    Args:
        n_updates: how long the agent has trained; 0 leaves it untrained.
        n_episodes: fresh whole episodes of it, the same for every method.
        seed: of the training; the episodes use the next one.
    Returns:
        One row a method: method; variance, summed over the policy's parameters; share (of full
        return's variance) with share_low and share_high (95% bootstrap interval of the variance,
        over episodes); length of the mean estimate; episodes_needed (how many must be averaged
        until the noise is as long as the gradient: variance / |gradient|^2, nan where the episodes
        do not tell the gradient from 0); cosine of the mean with that of the value baseline. Equal
        in all rows: updates, mean_return of the episodes, explained_variance of V.
    """
    agent = trained_agent(n_updates, gamma=GAMMA, seed=seed)
    rollout = collect(agent, N_STEPS, n_episodes, seed=seed + 1)
    states, actions, mask = rollout.traj.states, rollout.traj.actions, rollout.first_episode
    weight_by = weights(rollout)
    gradients = {
        name: episode_gradients(agent, states, actions, weight)
        for name, weight in weight_by.items()
    }
    spread = {name: float(each.var(0).sum()) for name, each in gradients.items()}
    mean = {name: each.mean(0) for name, each in gradients.items()}
    # |mean|^2 is too long by the noise that is left in it.
    signal = {name: float(mean[name].square().sum()) - spread[name] / n_episodes for name in mean}
    counts = _resamples(n_episodes, seed)
    rows = []
    for name, each in gradients.items():
        low, high = torch.quantile(_variance(each, counts), torch.tensor([0.025, 0.975])).tolist()
        # All but GAE estimate one gradient: take its length from the one that knows it best.
        squared = signal["GAE" if name == "GAE" else "value baseline"]
        shares = (number / spread["full return"] for number in (spread[name], low, high))
        needed = spread[name] / squared if squared > 0 else math.nan
        cosine = float(torch.cosine_similarity(mean[name], mean["value baseline"], dim=0))
        rows.append((name, spread[name], *shares, float(mean[name].norm()), needed, cosine))
    columns = ["method", "variance", "share", "share_low", "share_high", "length"]
    frame = pd.DataFrame(rows, columns=[*columns, "episodes_needed", "cosine"])
    predicted = explained_variance(rollout.values[mask], weight_by["reward-to-go"][mask])
    return frame.assign(
        updates=n_updates,
        mean_return=float((rollout.traj.rewards * mask).sum(0).mean()),
        explained_variance=float(predicted),
    )


def _resamples(n_episodes: int, seed: int) -> Tensor:
    """How often each episode is drawn when as many are drawn with replacement, (R, N)."""
    generator = torch.Generator().manual_seed(seed)
    alike = torch.full((RESAMPLES, n_episodes), 1 / n_episodes)
    draws = torch.multinomial(alike, n_episodes, True, generator=generator)
    return torch.zeros_like(alike).scatter_add_(1, draws, torch.ones_like(alike))


def _variance(gradient: Tensor, counts: Tensor) -> Tensor:
    n_episodes = counts.shape[1]
    mean_square = counts @ gradient.square().sum(1) / n_episodes
    mean = counts @ gradient / n_episodes
    return (mean_square - mean.square().sum(1)) * n_episodes / (n_episodes - 1)


def stored() -> pd.DataFrame:
    """measure() at each of UPDATES, read from the file that `python -m` of this module writes."""
    return pd.read_csv(DATA)


if __name__ == "__main__":
    frame = pd.concat([measure(n_updates) for n_updates in UPDATES], ignore_index=True)
    frame.to_csv(DATA, index=False, float_format="%.6g")
