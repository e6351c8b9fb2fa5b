"""Chapter 1: a gridworld solved and sampled, and a sum of discounted rewards taken apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pgcore.mdp import (
    Episodes,
    TabularMDP,
    action_values,
    greedy_policy,
    optimal_policy,
    sample_episodes,
    state_values,
    uniform_policy,
)
from pgcore.returns import discounted_returns
from pgcore.worlds import MOVES, GridWorld, gridworld

SLIPS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
STEP_REWARDS = (-2.0, -1.0, -0.5, -0.3, -0.2, -0.1, -0.04, -0.02, 0.0, 0.02, 0.1)
GAMMAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""The stops of the three sliders: close together where the best policy changes."""

POLICIES = ("optimal", "random")
NEGLIGIBLE = 1e-3
"""An episode without an end is cut where its discount gamma^t has fallen below this."""


@dataclass(frozen=True, eq=False)
class Solved:
    """A gridworld with the exact values of one policy, and what is greedy on those values."""

    world: GridWorld
    policy: Tensor
    values: Tensor
    q_values: Tensor
    greedy: Tensor

    @property
    def start_value(self) -> float:
        """Expected return of an episode, J = sum_s start(s) V(s)."""
        return float(self.world.mdp.start @ self.values)


def solve(
    slip: float | Tensor,
    step_reward: float | Tensor,
    gamma: float | Tensor,
    policy: str = "optimal",
) -> Solved:
    """Exact values of the optimal or the uniformly random policy.

    Args:
        slip, step_reward: as in worlds.gridworld: numbers, or tensors for many worlds at once.
        gamma: discount in [0, 1).
        policy: "optimal" or "random".
    """
    world = gridworld(slip, step_reward)
    if policy == "optimal":
        pi, values = optimal_policy(world.mdp, gamma)
    else:
        pi = uniform_policy(world.mdp)
        values = state_values(world.mdp, pi, gamma)
    q_values = action_values(world.mdp, values, gamma)
    return Solved(world, pi, values, q_values, greedy_policy(q_values))


def cells(solved: Solved) -> pd.DataFrame:
    """One row a state: row, col, kind (the layout's character), value, arrow (the greedy move) and
    the action value of each move."""
    world = solved.world
    frame = pd.DataFrame(world.cells, columns=["row", "col"])
    frame["kind"] = [world.layout[row][col] for row, col in world.cells]
    frame["value"] = solved.values.numpy()
    moves = list(MOVES)
    frame["arrow"] = [moves[a] for a in solved.greedy.argmax(-1).tolist()]
    frame.loc[world.mdp.terminal.numpy(), "arrow"] = ""
    for action, move in enumerate(moves):
        frame[move] = solved.q_values[:, action].numpy()
    return frame


def every_solution(policy: str = "optimal") -> Solved:
    """The gridworld at every combination of the sliders' stops, for drawing without a server.

    Returns:
        Solved, with leading dimensions (slips, step rewards, gammas).
    """
    stops = [torch.tensor(s, dtype=torch.float64) for s in (SLIPS, STEP_REWARDS, GAMMAS)]
    slip, step_reward, gamma = torch.meshgrid(*stops, indexing="ij")
    return solve(slip, step_reward, gamma, policy)


def play(solved: Solved, gamma: float, n_episodes: int, seed: int) -> tuple[Episodes, Tensor]:
    """Sampled episodes and the discounted return of each, shape (N,)."""
    horizon = math.ceil(math.log(NEGLIGIBLE) / math.log(gamma)) if gamma > 0 else 1
    generator = torch.Generator().manual_seed(seed)
    episodes = sample_episodes(solved.world.mdp, solved.policy, n_episodes, horizon, generator)
    not_dones = (~episodes.terminated).to(torch.float64)
    return episodes, discounted_returns(episodes.rewards, not_dones, gamma)[0]


def paths(episodes: Episodes, returns: Tensor, n: int) -> list[dict]:
    """The first n episodes: states visited in order, and the return of each."""
    found = []
    for i in range(n):
        length = int(episodes.valid[:, i].sum())
        states = episodes.states[:length, i].tolist()
        states.append(int(episodes.next_states[length - 1, i]))
        found.append({"states": states, "return": float(returns[i])})
    return found


def running_mean(returns: Tensor, exact: float, points: int = 200) -> pd.DataFrame:
    """The mean of the first n returns, closing in on the exact value.

        standard error = s_n / sqrt(n),   s_n the sample standard deviation

    Args:
        returns: (N,), N at least 2.
        exact: the expected return.
        points: at most so many rows, evenly spaced in log n.
    Returns:
        episodes (from 2 on), mean, standard_error, low, high (mean -/+ 2 standard errors), exact.
    """
    n = np.unique(np.geomspace(2, len(returns), points).round().astype(int))
    sample = returns.numpy()
    mean = np.array([sample[:k].mean() for k in n])
    error = np.array([sample[:k].std(ddof=1) / math.sqrt(k) for k in n])
    return pd.DataFrame(
        {
            "episodes": n,
            "mean": mean,
            "standard_error": error,
            "low": mean - 2 * error,
            "high": mean + 2 * error,
            "exact": exact,
        }
    )


REWARDS: dict[str, tuple[float, ...]] = {
    "+1 every step (CartPole)": (1.0,) * 60,
    "+1 at the end only": (0.0,) * 29 + (1.0,),
    "a cost now, a prize later": (-1.0,) * 3 + (0.0,) * 16 + (5.0,),
}
"""Reward sequences for the strip, by name."""


def discounted_sum(rewards: tuple[float, ...], gamma: float) -> pd.DataFrame:
    """A return taken apart: R_0 = sum_t gamma^t r_t.

    The weight of each reward is how much the return moves when that reward does, dR_0/dr_t: the
    derivative of the function that computes every agent's returns.

    Returns:
        t, reward, weight, contribution (weight * reward), so_far (their running sum; the last is
        the return).
    """
    r = torch.tensor(rewards, dtype=torch.float64).unsqueeze(-1).requires_grad_()
    total = discounted_returns(r, torch.ones_like(r), gamma)[0].sum()
    weight = torch.autograd.grad(total, r)[0].squeeze(-1).numpy()
    contribution = weight * np.array(rewards)
    return pd.DataFrame(
        {
            "t": np.arange(len(rewards)),
            "reward": rewards,
            "weight": weight,
            "contribution": contribution,
            "so_far": contribution.cumsum(),
        }
    )


def effective_horizon(gamma: float) -> float:
    """Steps that matter, 1 / (1 - gamma): the sum of all weights gamma^0 + gamma^1 + ...

    Args:
        gamma: in [0, 1).
    """
    return 1 / (1 - gamma)


def transitions_from(mdp: TabularMDP, state: int, action: int) -> dict[int, float]:
    """P(. | state, action), impossible states left out."""
    row = mdp.transitions[state, action]
    return {int(s): float(row[s]) for s in row.nonzero().flatten()}
