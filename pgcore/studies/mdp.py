"""Chapter 1: a gridworld's exact values, and episodes sampled in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pgcore.mdp import (
    Episodes,
    action_values,
    best_actions,
    optimal_policy,
    sample_episodes,
    state_values,
    uniform_policy,
)
from pgcore.returns import discounted_returns
from pgcore.studies.one_step import ARROWS
from pgcore.worlds import EXITS, GridWorld, gridworld

POLICIES = ("optimal", "random")
NEGLIGIBLE = 1e-3
"""An episode without an end is cut where its discount gamma^t has fallen below this."""
ENDS = ("ends at +1", "ends at −1", "still walking")


@dataclass(frozen=True, eq=False)
class Solved:
    """A gridworld with the exact values of one policy."""

    world: GridWorld
    policy: Tensor
    values: Tensor
    q_values: Tensor

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
    return Solved(world, pi, values, action_values(world.mdp, values, gamma))


def values(
    slips: Sequence[float], step_rewards: Sequence[float], gammas: Sequence[float]
) -> pd.DataFrame:
    """Exact values and greedy moves for every combination of settings, both policies.

    Returns:
        slip, step_reward, gamma, policy, state, col, row, value, arrow (every move that is best on
        these values; "any" where all are).
    """
    stops = [torch.tensor(s, dtype=torch.float64) for s in (slips, step_rewards, gammas)]
    slip, step_reward, gamma = torch.meshgrid(*stops, indexing="ij")
    frames = []
    for policy in POLICIES:
        solved = solve(slip, step_reward, gamma, policy)
        alive = (~solved.world.mdp.terminal).nonzero().flatten()
        best = best_actions(solved.q_values)[..., alive, :].flatten(0, -2).tolist()
        settings = [
            grid.unsqueeze(-1).expand(*grid.shape, len(alive)).flatten().numpy()
            for grid in (slip, step_reward, gamma)
        ]
        cells = [solved.world.cells[s] for s in alive.tolist()]
        repeats = slip.numel()
        frame = pd.DataFrame(dict(zip(("slip", "step_reward", "gamma"), settings, strict=True)))
        frame["policy"] = policy
        frame["state"] = np.tile(alive.numpy() + 1, repeats)
        frame["col"] = np.tile([col + 1 for _, col in cells], repeats)
        frame["row"] = np.tile([row + 1 for row, _ in cells], repeats)
        frame["value"] = solved.values[..., alive].flatten().numpy()
        frame["arrow"] = [_arrows(row) for row in best]
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _arrows(best: Sequence[bool]) -> str:
    chosen = [arrow for arrow, is_best in zip(ARROWS.values(), best, strict=True) if is_best]
    return "any" if len(chosen) == len(ARROWS) else "".join(chosen)


def play(solved: Solved, gamma: float, n_episodes: int, seed: int) -> tuple[Episodes, Tensor]:
    """Sampled episodes and the discounted return of each, shape (N,)."""
    horizon = math.ceil(math.log(NEGLIGIBLE) / math.log(gamma)) if gamma > 0 else 1
    generator = torch.Generator().manual_seed(seed)
    episodes = sample_episodes(solved.world.mdp, solved.policy, n_episodes, horizon, generator)
    not_dones = (~episodes.terminated).to(torch.float64)
    return episodes, discounted_returns(episodes.rewards, not_dones, gamma)[0]


def endings(world: GridWorld, episodes: Episodes) -> np.ndarray:
    """How each episode ended, words of ENDS, (N,)."""
    last = episodes.valid.sum(0) - 1
    final = episodes.next_states[last, torch.arange(episodes.states.shape[1])].tolist()
    kinds = [world.layout[row][col] for row, col in world.cells]
    named = dict(zip(EXITS, ENDS, strict=False))
    return np.array([named.get(kinds[state], ENDS[-1]) for state in final])


def walks(
    world: GridWorld, episodes: Episodes, counts: Sequence[int], each: int = 5, longest: int = 60
) -> pd.DataFrame:
    """Paths to draw: for each count n, the last few of the first n episodes.

    Every path keeps a little to its own side of the cells' centres, or they would hide each other.

    Args:
        counts: numbers of episodes.
        each: paths a count, at most.
        longest: steps drawn, at most.
    Returns:
        episodes (the count), walk, step, x, y (in cells, the top left corner of the grid at 0.5),
        end (a word of ENDS).
    """
    ends, rows = endings(world, episodes), []
    for n in counts:
        for walk, i in enumerate(range(max(0, n - each), n)):
            length = min(int(episodes.valid[:, i].sum()), longest)
            visited = [*episodes.states[:length, i].tolist()]
            visited.append(int(episodes.next_states[length - 1, i]))
            aside = 0.5 * ((walk + 0.5) / each - 0.5)
            for step, state in enumerate(visited):
                row, col = world.cells[state]
                place = {"x": col + 1 + aside, "y": row + 1 + aside}
                rows.append({"episodes": n, "walk": walk, "step": step, **place, "end": ends[i]})
    return pd.DataFrame(rows)


def running_mean(returns: Tensor, exact: float, counts: Sequence[int]) -> pd.DataFrame:
    """The mean of the first n returns, closing in on the exact value.

        standard error = s_n / sqrt(n),   s_n the sample standard deviation

    Args:
        returns: (N,).
        exact: the expected return.
        counts: the n, from 2 to N.
    Returns:
        episodes (n), mean, standard_error, low, high (mean -/+ 2 standard errors), exact.
    """
    sample = returns.numpy()
    mean = np.array([sample[:n].mean() for n in counts])
    error = np.array([sample[:n].std(ddof=1) / math.sqrt(n) for n in counts])
    low, high = mean - 2 * error, mean + 2 * error
    columns = {"episodes": counts, "mean": mean, "standard_error": error, "low": low, "high": high}
    return pd.DataFrame(columns | {"exact": exact})
