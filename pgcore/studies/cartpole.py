"""CartPole as a decision process: its state, what an action does, and what hiding half of it costs.

Every motion comes from gymnasium's own CartPole; nothing of its physics is written here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pgcore.environments import OFFERED, make_vec

ENV_ID = "CartPole-v1"
QUANTITIES = OFFERED[ENV_ID].observations
COLUMNS = ("position", "velocity", "angle", "angular_velocity")


def _copies(n: int, seed: int = 0) -> Any:
    # Any: gymnasium's interface has no name for CartPole's inner state, which is read and set here.
    envs = make_vec(ENV_ID, n)
    envs.reset(seed=seed)
    return envs.unwrapped


@lru_cache(maxsize=1)
def limits() -> dict[str, float]:
    """What ends an episode, from the environment itself: |position| in m, |angle| in rad, steps;
    and pole_length in m, for drawing."""
    cart = _copies(1)
    return {
        "position": float(cart.x_threshold),
        "angle": float(cart.theta_threshold_radians),
        "steps": float(cart.max_episode_steps),
        "pole_length": 2 * float(cart.length),
    }


def rollout_from(states: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What gymnasium's CartPole does from chosen states under chosen actions.

    Args:
        states: (N, 4), float64.
        actions: (T, N), 0 pushes left, 1 right.
    Returns:
        States (T, N, 4), and terminated (T, N): true from the step on which the episode ended.
        States after an end are those of the end.
    """
    envs = _copies(len(states))
    envs.state = np.array(states, dtype=np.float64).T
    visited, ended = [], []
    over = np.zeros(len(states), dtype=bool)
    last = np.array(states, dtype=np.float64)
    for action in actions:
        _, _, terminated, _, _ = envs.step(action)
        last = np.where(over[:, None], last, envs.state.T)
        over = over | terminated
        visited.append(last)
        ended.append(over)
    envs.close()
    return np.stack(visited), np.stack(ended)


def futures(state: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Every state that the next `depth` actions can lead to, so that a game need not wait.

    Copy i of the environment plays the bits of i, most significant first: after d steps, all
    copies that share the first d bits are in the same state.

    Args:
        state: (4,), float64.
        depth: decisions to look ahead, at least 1.
    Returns:
        (2^(depth+1) - 2, 4) states and as many terminated flags, level by level: after d actions
        that spell the binary number p, the row is 2^d - 2 + p.
    """
    copies = 2**depth
    bits = (np.arange(copies) >> np.arange(depth)[::-1, None]) & 1
    states, ended = rollout_from(np.tile(state, (copies, 1)), bits)
    first = [slice(None, None, copies >> (d + 1)) for d in range(depth)]
    return (
        np.concatenate([states[d, first[d]] for d in range(depth)]),
        np.concatenate([ended[d, first[d]] for d in range(depth)]),
    )


def first_state(seed: int) -> np.ndarray:
    """Where an episode with this seed starts, (4,) float64."""
    return _copies(1, seed).state[:, 0].copy()


def random_episodes(n_episodes: int, seed: int) -> pd.DataFrame:
    """Whole episodes of a policy that flips a coin, as one row a transition.

    Returns:
        episode, step, the four quantities, action, next_<quantity> for each, terminated.
    """
    envs = make_vec(ENV_ID, n_episodes)
    coin = np.random.default_rng([seed, 1])
    obs, _ = envs.reset(seed=seed)
    playing = np.ones(n_episodes, dtype=bool)
    rows = []
    for step in range(int(limits()["steps"])):
        actions = coin.integers(0, 2, size=n_episodes)
        following, _, terminated, truncated, _ = envs.step(actions)
        index = np.flatnonzero(playing)
        columns = [index, np.full(len(index), step), obs[index], actions[index]]
        columns += [following[index], terminated[index]]
        rows.append(np.column_stack(columns))
        obs = following
        playing &= ~(terminated | truncated)
        if not playing.any():
            break
    envs.close()
    names = ["episode", "step", *COLUMNS, "action", *(f"next_{c}" for c in COLUMNS), "terminated"]
    frame = pd.DataFrame(np.concatenate(rows), columns=names)
    frame = frame.astype({"episode": int, "step": int, "action": int, "terminated": bool})
    return frame.sort_values(["episode", "step"], ignore_index=True)


def random_scores(n_episodes: int, seed: int) -> np.ndarray:
    """Steps survived by the coin-flipping policy, which is its return, (n_episodes,)."""
    return random_episodes(n_episodes, seed).groupby("episode").size().to_numpy()
