"""Chapter 6: bias and variance of GAE where the true advantages are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor

from pgcore.mdp import (
    Episodes,
    TabularMDP,
    action_values,
    sample_episodes,
    state_values,
    uniform_policy,
)
from pgcore.returns import gae
from pgcore.worlds import chain

GAMMA = 0.97
N_STATES = 5
END_REWARDS = (-10.0, 10.0)
MAX_STEPS = 400
"""Far beyond any episode's end in so short a corridor."""


@dataclass(frozen=True, eq=False)
class Known:
    """A corridor whose every value is known, and episodes of a policy in it."""

    mdp: TabularMDP
    policy: Tensor
    """(S, A)."""
    values: Tensor
    """The true V, (S,)."""
    advantages: Tensor
    """The true Q - V, (S, A)."""
    episodes: Episodes
    """Started in every living state alike."""


def known(n_episodes: int = 2000, seed: int = 0) -> Known:
    """The corridor, slippery one step in ten, under the uniform policy."""
    mdp = chain(N_STATES, slip=0.1, end_rewards=END_REWARDS)
    anywhere = (~mdp.terminal).double()
    mdp = replace(mdp, start=anywhere / anywhere.sum())
    policy = uniform_policy(mdp)
    values = state_values(mdp, policy, GAMMA)
    generator = torch.Generator().manual_seed(seed)
    return Known(
        mdp,
        policy,
        values,
        action_values(mdp, values, GAMMA) - values[:, None],
        sample_episodes(mdp, policy, n_episodes, MAX_STEPS, generator),
    )


def wrong_values(problem: Known, error: float) -> Tensor:
    """What a value network that is not there yet says: V_hat(s) = (1 - error) V(s), (S,).

    At error 0 it knows the truth; at error 1 it says 0 everywhere and tells no state from another.
    """
    return (1 - error) * problem.values


def expected_estimates(problem: Known, values: Tensor, lam: float) -> Tensor:
    """E[ GAE advantage | s, a ], exactly, (S, A).

    GAE is a discounted sum of TD errors, so its expectation is an action value: of the MDP whose
    reward is the TD error and whose discount is gamma * lam. One linear solve.

    Args:
        values: V_hat, (S,), 0 in terminal states.
        lam: in [0, 1].
    Source: Schulman et al. (2016), section 4 (reward shaping).
    """
    mdp = problem.mdp
    shaped = replace(mdp, rewards=mdp.rewards + GAMMA * values - values[:, None, None])
    sums = state_values(shaped, problem.policy, GAMMA * lam)
    return action_values(shaped, sums, GAMMA * lam)


def sampled_estimates(problem: Known, values: Tensor, lam: float) -> tuple[Tensor, Tensor, Tensor]:
    """GAE on the sampled episodes, for the first step of each: states, actions, advantages (N,)."""
    played = problem.episodes
    advantages = gae(
        played.rewards,
        values[played.states],
        values[played.next_states],
        played.terminated,
        played.truncated,
        GAMMA,
        lam,
    )
    return played.states[0], played.actions[0], advantages[0]


def bias(problem: Known, values: Tensor, lam: float) -> Tensor:
    """How far the expected estimate is off in comparing actions, exactly, (S, A).

    What all actions of a state share is taken out: it acts as a baseline, and a baseline adds no
    bias to the policy gradient (chapter 4).
    """
    off = expected_estimates(problem, values, lam) - problem.advantages
    return off - (problem.policy * off).sum(-1, keepdim=True)


def variance(problem: Known, values: Tensor, lam: float) -> Tensor:
    """Var( GAE advantage | s, a ), measured on the sampled episodes, (S, A); nan where not seen."""
    states, actions, advantages = sampled_estimates(problem, values, lam)
    shape = problem.policy.shape
    cell = states * shape[1] + actions
    count = torch.bincount(cell, minlength=shape.numel())
    mean = torch.bincount(cell, advantages, shape.numel()) / count
    squares = torch.bincount(cell, (advantages - mean[cell]).square(), shape.numel())
    return (squares / (count - 1)).reshape(shape)


def bias_variance(
    problem: Known, errors: Sequence[float], lambdas: Sequence[float], batches: Sequence[int]
) -> pd.DataFrame:
    """Root mean squared error of an advantage averaged over a batch, split in its two parts.

        rmse^2 = bias^2 + spread^2,    spread^2 = variance / batch

    Each a root mean square over the living states and the policy's actions, in units of reward.

    Args:
        errors: of the value function, see wrong_values.
        lambdas: GAE's.
        batches: estimates of one (s, a) that are averaged.
    Returns:
        Columns error, lam, batch, bias (exact), spread (measured), rmse and best (true for the
        lambda with the least rmse of its error and batch).
    """
    weight = problem.mdp.start[:, None] * problem.policy
    seen = weight > 0
    rows = []
    for error in errors:
        values = wrong_values(problem, error)
        for lam in lambdas:
            bias2 = float((weight * bias(problem, values, lam).square())[seen].sum())
            one = float((weight * variance(problem, values, lam))[seen].sum())
            for batch in batches:
                parts = bias2**0.5, (one / batch) ** 0.5, (bias2 + one / batch) ** 0.5
                rows.append((error, lam, batch, *parts))
    frame = pd.DataFrame(rows, columns=["error", "lam", "batch", "bias", "spread", "rmse"])
    frame["best"] = False
    frame.loc[frame.groupby(["error", "batch"])["rmse"].idxmin(), "best"] = True
    return frame


def value_tables(problem: Known, errors: Sequence[float]) -> pd.DataFrame:
    """True values of the living states and what V_hat says: columns error, state, true, said."""
    alive = (~problem.mdp.terminal).nonzero()[:, 0]
    frames = []
    for error in errors:
        said = wrong_values(problem, error)
        columns = {"state": alive, "true": problem.values[alive], "said": said[alive]}
        frames.append(pd.DataFrame({name: c.numpy() for name, c in columns.items()}))
        frames[-1]["error"] = error
    return pd.concat(frames, ignore_index=True)
