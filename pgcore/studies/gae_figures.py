"""Chapter 6's main table: every step of a window for every position of the sliders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from pgcore.returns import gae
from pgcore.studies.gae import n_step_advantages, n_step_weights, td_weights
from pgcore.studies.gae_handling import rows
from pgcore.studies.gae_windows import WINDOW, Window


def advantages(window: Window, gammas: Sequence[float], lambdas: Sequence[float]) -> pd.DataFrame:
    """Every row of the window for every gamma and lambda, under the right handling.

    Returns:
        Columns gamma, lam, t, reward, value, next_value, delta, advantage (nan on the reset row),
        alive (1 - terminated), decay (gamma lam, or 0 where the recursion stops), following (what
        the recursion holds for row t + 1) and words (what this row's sum covers).
    """
    going_on = ~(window.terminated | window.truncated)[:, 0]
    padded = torch.cat([going_on, torch.ones(1, dtype=torch.bool)])
    here = torch.arange(WINDOW)
    words = [_words(window, t) for t in range(WINDOW)]
    frames = []
    for gamma in gammas:
        for lam in lambdas:
            frame = rows(window, gamma, lam)
            recursion = _recursion(window, gamma, lam)
            frames.append(
                frame.assign(
                    gamma=gamma,
                    lam=lam,
                    alive=1.0 - frame["terminated"],
                    decay=td_weights(padded, gamma, lam)[here, here + 1].numpy(),
                    following=np.append(recursion[1:], 0.0),
                    words=words,
                )
            )
    unused = ["correct", "terminated", "truncated", "valid"]
    return pd.concat(frames, ignore_index=True).drop(columns=unused)


def _recursion(window: Window, gamma: float, lam: float) -> np.ndarray:
    flags = window.terminated, window.truncated
    return gae(window.rewards, window.values, window.next_values, *flags, gamma, lam)[:, 0].numpy()


def _words(window: Window, t: int) -> str:
    end = window.end_row
    if not window.valid[t]:
        return (
            "A reset row: the environment only started anew. Its action was ignored and its "
            "reward is 0, so it is left out."
        )
    if t == end:
        return "The episode ends in this row: its TD error is all there is."
    if t < end:
        return f"The sum runs to row {end}, where the episode ends. Later rows are another episode."
    return "The sum runs to the last stored row; there V stands for all that would follow."


def sums(window: Window, gammas: Sequence[float], lambdas: Sequence[float]) -> pd.DataFrame:
    """What the advantage of each row t is made of, in both ways of writing it.

        A_t = sum_l (gamma lam)^l delta_{t+l}  =  sum_n weight_n A^(n)_t

    Returns:
        Columns gamma, lam, t, row (t + l), n (l + 1); td_weight and contribution (td_weight times
        delta); n_step (A^(n)_t) and n_weight. No rows for the reset row.
    """
    going_on = ~(window.terminated | window.truncated)[:, 0]
    starts = [t for t in range(WINDOW) if window.valid[t]]
    by_horizon = {
        (horizon, lam): n_step_weights(horizon, lam)
        for horizon in range(1, WINDOW + 1)
        for lam in lambdas
    }
    blocks = []
    for gamma in gammas:
        steps = {t: n_step_advantages(window, t, gamma).double() for t in starts}
        for lam in lambdas:
            weights = td_weights(going_on, gamma, lam)
            delta = torch.tensor(rows(window, gamma, lam)["delta"].to_numpy(dtype=np.float64))
            for t in starts:
                lag = torch.arange(len(steps[t]), dtype=torch.float64)
                weight = weights[t, t : t + len(lag)]
                constants = torch.tensor([gamma, lam, t], dtype=torch.float64)
                block = torch.stack(
                    [
                        *constants[:, None].expand(3, len(lag)),
                        t + lag,
                        lag + 1,
                        weight,
                        weight * delta[t : t + len(lag)],
                        steps[t],
                        by_horizon[len(lag), lam],
                    ],
                    dim=1,
                )
                blocks.append(block)
    columns = ["gamma", "lam", "t", "row", "n", "td_weight", "contribution", "n_step", "n_weight"]
    return pd.DataFrame(torch.cat(blocks).numpy(), columns=columns)
