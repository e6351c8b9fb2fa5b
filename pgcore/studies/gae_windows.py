"""Chapter 6's rows: stretches of real CartPole rollouts in which an episode ends."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from torch import Tensor

from pgcore.studies.cartpole_rollout import (
    Rollout,
    agent_that_reaches_the_limit,
    collect,
    trained_agent,
)

ENDINGS = {"the pole falls": "terminated", "the time limit cuts": "truncated"}
"""What a reader calls an ending, and the flag that is set."""
FALL_UPDATES = 6
"""Training of the agent that falls: so little that its TD errors are worth looking at."""
WINDOW = 40
"""Rows shown: enough for gamma * lam = 0.9 to fade away."""
ROWS_BEFORE = 27
"""Rows of a window up to and including the one in which its episode ends."""


@dataclass(frozen=True, eq=False)
class Window:
    """WINDOW rows of one environment of a rollout, each field (T, 1), as returns.gae takes them."""

    env: int
    first_row: int
    rewards: Tensor
    values: Tensor
    next_values: Tensor
    terminated: Tensor
    truncated: Tensor
    valid: Tensor

    @property
    def end_row(self) -> int:
        """The row, counted in the window, in which its first episode ends."""
        return int((self.terminated | self.truncated)[:, 0].int().argmax())


def find_window(rollout: Rollout, ending: str) -> Window:
    """A stretch of the rollout in which an episode ends and the next one begins.

    Args:
        rollout: long enough to hold such an end.
        ending: "terminated" or "truncated".
    Returns:
        The first one, by environment, with no other end in it.
    Raises:
        ValueError: if there is none.
    """
    traj = rollout.traj
    done = traj.terminated | traj.truncated
    ends = traj.terminated if ending == "terminated" else traj.truncated
    for env, row in ends.T.nonzero().tolist():
        first = row + 1 - ROWS_BEFORE
        rows = slice(first, first + WINDOW)
        if first >= 0 and rows.stop <= len(done) and done[rows, env].sum() == 1:
            fields = {
                "rewards": traj.rewards,
                "values": rollout.values,
                "next_values": rollout.next_values,
                "terminated": traj.terminated,
                "truncated": traj.truncated,
                "valid": traj.valid,
            }
            return Window(
                env, first, **{name: field[rows, env : env + 1] for name, field in fields.items()}
            )
    raise ValueError(f"no environment has {WINDOW} rows around an episode that was {ending}.")


def rollouts() -> dict[str, Rollout]:
    """One rollout with falls and one with time limits, by the flag that is set."""
    return {
        "terminated": collect(trained_agent(FALL_UPDATES), n_steps=300, n_envs=32),
        "truncated": collect(agent_that_reaches_the_limit(), n_steps=540, n_envs=32),
    }


def windows(played: dict[str, Rollout] | None = None) -> dict[str, Window]:
    """A stretch around an end of each of rollouts(), by the flag that is set."""
    played = played or rollouts()
    return {ending: find_window(rollout, ending) for ending, rollout in played.items()}


def ends(rollouts: dict[str, Rollout]) -> pd.DataFrame:
    """Where episodes end in the whole rollouts that the windows are cut from.

    Returns:
        Columns ending, env, t, kind: termination, time limit, reset row.
    """
    frames = []
    for ending, flag in ENDINGS.items():
        traj = rollouts[flag].traj
        kinds = {
            "termination": traj.terminated,
            "time limit": traj.truncated,
            "reset row": ~traj.valid,
        }
        for kind, where in kinds.items():
            t, env = where.nonzero().T.numpy()
            frames.append(pd.DataFrame({"env": env, "t": t}).assign(ending=ending, kind=kind))
    return pd.concat(frames, ignore_index=True)


def frames_of(windows: dict[str, Window]) -> pd.DataFrame:
    """Which part of its rollout each window shows: ending, env, first, last (rows)."""
    rows = [
        (ending, windows[flag].env, windows[flag].first_row, windows[flag].first_row + WINDOW - 1)
        for ending, flag in ENDINGS.items()
    ]
    return pd.DataFrame(rows, columns=["ending", "env", "first", "last"])
