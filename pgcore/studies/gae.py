"""Chapter 6: generalized advantage estimation on a real rollout, and its bias and variance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor

from pgcore.returns import gae, td_errors
from pgcore.studies.cartpole_rollout import (
    Rollout,
    agent_that_reaches_the_limit,
    collect,
    trained_agent,
)

WINDOW = 40
"""Rows shown: enough for gamma * lam = 0.9 to fade away."""
ROWS_BEFORE = 27
"""Rows of a window up to and including the one in which its episode ends."""
TERMINATION = ("stops everything", "ignored")
TRUNCATION = ("bootstraps, then stops", "treated as termination", "ignored")
RESET_ROWS = ("left out", "kept")


@dataclass(frozen=True)
class Handling:
    """How three kinds of rows are treated; the first choice of each is the right one."""

    termination: str = TERMINATION[0]
    truncation: str = TRUNCATION[0]
    reset_rows: str = RESET_ROWS[0]


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


def windows() -> dict[str, Window]:
    """One real stretch around a fall and one around the time limit, by the flag that is set.

    The fall is of an agent that has barely trained, so that its TD errors are worth looking at.
    """
    fall = collect(trained_agent(n_updates=6), n_steps=300, n_envs=32)
    limit = collect(agent_that_reaches_the_limit(), n_steps=540, n_envs=32)
    return {
        "terminated": find_window(fall, "terminated"),
        "truncated": find_window(limit, "truncated"),
    }


def handled(window: Window, handling: Handling) -> Window:
    """The window as the chosen handling sees it: only the flags change, never a number."""
    terminated, truncated, valid = window.terminated, window.truncated, window.valid
    if handling.termination == "ignored":
        terminated = torch.zeros_like(terminated)
    if handling.truncation == "treated as termination":
        terminated = terminated | truncated
    elif handling.truncation == "ignored":
        truncated = torch.zeros_like(truncated)
    if handling.reset_rows == "kept":
        valid = torch.ones_like(valid)
    return replace(window, terminated=terminated, truncated=truncated, valid=valid)


def rows(
    window: Window, gamma: float, lam: float, handling: Handling | None = None
) -> pd.DataFrame:
    """Everything about each row of a window, one row a step.

    Returns:
        Columns t, reward, value, next_value, terminated, truncated (as they happened), delta,
        advantage (under the handling; nan where the row is left out) and correct (the advantage
        under the right one; nan on reset rows).
    """
    seen = handled(window, handling or Handling())
    right = handled(window, Handling())
    advantage, correct = (
        torch.where(
            each.valid,
            gae(
                each.rewards,
                each.values,
                each.next_values,
                each.terminated,
                each.truncated,
                gamma,
                lam,
            ),
            torch.nan,
        )
        for each in (seen, right)
    )
    delta = td_errors(seen.rewards, seen.values, seen.next_values, seen.terminated, gamma)
    columns = {
        "t": torch.arange(len(delta))[:, None],
        "reward": window.rewards,
        "value": window.values,
        "next_value": window.next_values,
        "terminated": window.terminated,
        "truncated": window.truncated,
        "valid": window.valid,
        "delta": delta,
        "advantage": advantage,
        "correct": correct,
    }
    return pd.DataFrame({name: column[:, 0].numpy() for name, column in columns.items()})


def td_weights(going_on: Tensor, gamma: float, lam: float) -> Tensor:
    """How much each TD error counts in each advantage, read off returns.gae itself.

    gae is linear in the TD errors, so its answer to a single reward of 1 at row j (values 0) is
    the weight of delta_j in every A_t: (gamma * lam)^(j - t) as long as no episode ends between.

    Args:
        going_on: (T,), false where the recursion stops.
        gamma, lam: in [0, 1].
    Returns:
        (T, T) float64: row t, column j. Zero below the diagonal: the past does not count.
    """
    steps = len(going_on)
    impulses = torch.eye(steps, dtype=torch.float64)
    zeros = torch.zeros_like(impulses)
    ended = (~going_on)[:, None].expand(steps, steps)
    return gae(impulses, zeros, zeros, ended, ended, gamma, lam)


def n_step_weights(horizon: int, lam: float) -> Tensor:
    """How much each n-step advantage counts in GAE: (1 - lam) lam^(n-1), n = 1 .. horizon.

    Read off td_weights: the n-step advantage holds the TD errors 0 .. n-1, so its weight is what
    the weight of delta loses from n - 1 to n. The last one, the longest, takes all that is left:
    lam^(horizon-1).

    Args:
        horizon: steps until the episode ends (or the rollout does), at least 1.
        lam: in [0, 1].
    Returns:
        (horizon,) float64, sums to 1.
    Source: Schulman et al. (2016), eq. 16, there for an endless episode.
    """
    by_lag = td_weights(torch.ones(horizon, dtype=torch.bool), gamma=1.0, lam=lam)[0]
    return by_lag - torch.cat([by_lag[1:], by_lag.new_zeros(1)])


def n_step_advantages(window: Window, t: int, gamma: float) -> Tensor:
    """A^(n)_t = r_t + .. + gamma^(n-1) r_{t+n-1} + gamma^n V(s_{t+n}) - V(s_t), n = 1, 2, ..

    One call of returns.gae at lambda 1, with a column for each n and a time limit put at row
    t + n - 1: a truncation bootstraps there and stops the sum.

    Args:
        window: as it is to be handled.
        t: row of the window.
        gamma: in [0, 1].
    Returns:
        (H,), H rows until the recursion stops or the window does; in units of reward.
    """
    ends = (window.terminated | window.truncated)[t:, 0]
    horizon = int(ends.int().argmax()) + 1 if ends.any() else len(ends)
    part = slice(t, t + horizon)
    shape = (horizon, horizon)
    limits = window.truncated[part].expand(shape) | torch.eye(horizon, dtype=torch.bool)
    return gae(
        window.rewards[part].expand(shape),
        window.values[part].expand(shape),
        window.next_values[part].expand(shape),
        window.terminated[part].expand(shape),
        limits,
        gamma,
        lam=1.0,
    )[0]
