"""Chapter 1: CartPole in any state: how it looks, and what each push does."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import imageio.v3 as iio
import numpy as np
import pandas as pd

from pgcore.environments import OFFERED, RENDERING, make_for_rendering
from pgcore.studies.cartpole import COLUMNS, ENV_ID, limits, rollout_from

PUSHES = OFFERED[ENV_ID].actions
AXLE = (129, 132, 203)
"""The colour in which gymnasium draws the pole's axle: it tells where in the picture that is."""


def render(states: Sequence[Sequence[float]]) -> list[np.ndarray]:
    """Frames as the environment draws them, one a state, (400, 600, 3) uint8."""
    with RENDERING:
        env = make_for_rendering(ENV_ID)
        env.reset(seed=0)
        cart: Any = env.unwrapped
        frames = []
        for state in states:
            cart.state = np.array(state, dtype=np.float64)
            frames.append(cart.render())
        env.close()
    return frames


@lru_cache(maxsize=1)
def picture() -> tuple[slice, tuple[float, float, float, float]]:
    """Which rows of a frame are worth showing, and what they show: left, right, bottom and top in
    metres, the axle at height 0."""
    (frame,) = render([(0.0, 0.0, 0.0, 0.0)])
    axle = int(np.flatnonzero((frame == AXLE).all(-1).any(1)).mean().round())
    half = limits()["position"]
    pixels_a_metre = frame.shape[1] / (2 * half)
    top, bottom = 1.15 * limits()["pole_length"], -0.3
    rows = slice(round(axle - top * pixels_a_metre), round(axle - bottom * pixels_a_metre))
    extent = -half, half, (axle - rows.stop) / pixels_a_metre, (axle - rows.start) / pixels_a_metre
    return rows, extent


def pictures(states: Sequence[Sequence[float]]) -> list[str]:
    """Frames as data URIs of PNGs, cut to the rows of picture()."""
    rows, _ = picture()
    encoded = (iio.imwrite("<bytes>", frame[rows], extension=".png") for frame in render(states))
    return ["data:image/png;base64," + base64.b64encode(png).decode() for png in encoded]


def what_next(
    positions: Sequence[float],
    velocities: Sequence[float],
    degrees: Sequence[float],
    spins: Sequence[float],
    hold: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both pushes tried from every combination of the four numbers.

    Args:
        positions: m; velocities: m/s; degrees: of the pole's angle; spins: its velocity, rad/s.
        hold: steps for which the push is held, for the second frame.
    Returns:
        One row a state, with columns position, velocity, degrees, spin: angle (rad) and, after one
        step, left_<quantity>, right_<quantity>, left_end, right_end (words: what ended, or ""); and
        one row a state and push, the pole after `hold` steps as a line in metres: push, x, y, x2,
        y2, end.
    """
    grid = np.array(list(itertools.product(positions, velocities, degrees, spins)), dtype=float)
    chosen = pd.DataFrame(grid, columns=["position", "velocity", "degrees", "spin"])
    states = grid.copy()
    states[:, 2] = np.radians(grid[:, 2])
    after, held = chosen.assign(angle=states[:, 2]), []
    for action, push in enumerate(PUSHES):
        visited, ended = rollout_from(states, np.full((hold, len(states)), action))
        side = push.rsplit(maxsplit=1)[-1]
        for i, quantity in enumerate(COLUMNS):
            after[f"{side}_{quantity}"] = visited[0, :, i]
        after[f"{side}_end"] = endings(visited[0], ended[0])
        held.append(
            chosen.assign(push=push, **pole(visited[-1]), end=endings(visited[-1], ended[-1]))
        )
    return after, pd.concat(held, ignore_index=True)


def pole(states: np.ndarray) -> dict[str, np.ndarray]:
    """The pole as a line from axle (x, y) to tip (x2, y2), in metres, for states (N, 4)."""
    x, angle, length = states[:, 0], states[:, 2], limits()["pole_length"]
    tip = x + length * np.sin(angle), length * np.cos(angle)
    return {"x": x, "y": np.zeros_like(x), "x2": tip[0], "y2": tip[1]}


def endings(states: np.ndarray, ended: np.ndarray) -> np.ndarray:
    """Why each episode is over: "off the track", "pole fell", or "" where it goes on, (N,)."""
    off = np.abs(states[:, 0]) > limits()["position"]
    return np.where(ended, np.where(off, "off the track", "pole fell"), "")
