"""A policy as pictures: over two numbers of what it sees, and along an episode that it played."""

from __future__ import annotations

import base64
import io

import numpy as np
import pandas as pd
import torch
from torch.distributions import Categorical

from pgcore.agents import Agent
from pgcore.environments import OFFERED, Plane, Quantity
from pgcore.playback import Episode, indexed, palette

CELLS = 21
"""Points along each side of a map; an odd number, so that the middle is one of them."""
MAX_STILLS = 501
"""Most frames of an episode that are kept as pictures: a CartPole episode's, and its end."""


@torch.no_grad()
def plane(agent: Agent, over: Plane, held: np.ndarray, cells: int = CELLS) -> pd.DataFrame:
    """pi(a|s) and V(s) on a square lattice of two entries of the observation.

    Args:
        agent: its distribution is asked as in training; nothing is sampled.
        over: which two entries, and how far; both axes are symmetric about 0.
        held: (n_obs,) an observation; its two entries of the plane do not matter.
        cells: points along each side, the limits included.
    Returns:
        cells * cells rows, x fastest: x and y in the observation's units, p0, p1, ... the
        probability of each action, and value in units of return where the agent trains V.
    Raises:
        ValueError: if held is no observation with these two entries.
    """
    if held.ndim != 1 or not {over.x, over.y} <= set(range(len(held))):
        raise ValueError(f"an observation of shape {held.shape} has no entries {over.x}, {over.y}.")
    side = np.linspace(-1, 1, cells)
    y, x = np.meshgrid(side * over.y_limit, side * over.x_limit, indexing="ij")
    states = np.tile(held.astype(float), (cells * cells, 1))
    states[:, over.x], states[:, over.y] = x.ravel(), y.ravel()
    seen = torch.as_tensor(states, dtype=torch.float32)
    probs = agent.distribution(seen).probs.numpy()
    made = pd.DataFrame({"x": x.ravel(), "y": y.ravel()})
    made[[f"p{action}" for action in range(probs.shape[1])]] = probs
    if agent.uses_value:
        made["value"] = agent.predict_values(seen).numpy()
    return made


def boundary(lattice: pd.DataFrame, column: str = "p1", level: float = 0.5) -> pd.DataFrame:
    """Where a column of a map crosses a level, as straight pieces (marching squares).

    A crossing between two neighbours is put where the line between their two values is at the
    level; a square with four crossings pairs those that its mean keeps apart.

    Args:
        lattice: from plane().
    Returns:
        One row a piece, from (x, y) to (x2, y2); none where nothing crosses.
    """
    above = lattice.pivot(index="y", columns="x", values=column) - level
    z, xs, ys = above.to_numpy(dtype=float), above.columns.to_numpy(), above.index.to_numpy()
    up = z >= 0
    count = up[:-1, :-1] * 1 + up[:-1, 1:] + up[1:, 1:] + up[1:, :-1]
    pieces = []
    for i, j in np.argwhere((count > 0) & (count < 4)):
        # Corners counter-clockwise; edge k goes from corner k to the next one.
        corners = [(i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j)]
        crossings = []
        for k in range(4):
            (i0, j0), (i1, j1) = corners[k], corners[(k + 1) % 4]
            if up[i0, j0] != up[i1, j1]:
                share = z[i0, j0] / (z[i0, j0] - z[i1, j1])
                x, y = xs[j0] + share * (xs[j1] - xs[j0]), ys[i0] + share * (ys[i1] - ys[i0])
                crossings.append((x, y))
        if len(crossings) == 4 and (z[i : i + 2, j : j + 2].mean() >= 0) != up[i, j]:
            crossings = [*crossings[1:], crossings[0]]
        pieces += [a + b for a, b in zip(crossings[::2], crossings[1::2], strict=True)]
    return pd.DataFrame(pieces, columns=["x", "y", "x2", "y2"], dtype=float)


def along(episode: Episode) -> pd.DataFrame:
    """What the agent saw, thought and did in an episode, one row a moment t = 0 .. T.

    Returns:
        step; o0, o1, ... the observation in its own units; p0, p1, ... the probabilities that the
        action was sampled from; entropy in nats; action; and value in units of return where the
        agent trains V. In the last row, where the episode ended, no action is left: p, entropy and
        action are NaN.
    """
    probs = torch.from_numpy(episode.probabilities.copy())
    entropy = Categorical(probs, validate_args=False).entropy().numpy()
    made = pd.DataFrame({"step": np.arange(episode.length + 1)})
    made[[f"o{i}" for i in range(episode.observations.shape[1])]] = episode.observations
    thought = np.column_stack([episode.probabilities, entropy, episode.actions])
    columns = [f"p{action}" for action in range(episode.probabilities.shape[1])]
    made[[*columns, "entropy", "action"]] = np.vstack([thought, np.full(thought.shape[1], np.nan)])
    if episode.values is not None:
        made["value"] = episode.values
    return made


def stills(episode: Episode, most: int = MAX_STILLS) -> tuple[list[str], int]:
    """The frames as data URIs of PNGs in the palette of the episode's GIF.

    Args:
        most: of them; a longer episode shows every second moment, or third, and so on.
    Returns:
        The pictures, and the stride: picture i is moment i * stride.
    """
    stride = -(-(episode.length + 1) // most)
    colours = palette(episode)
    made = []
    for t in range(0, episode.length + 1, stride):
        png = io.BytesIO()
        indexed(episode, t, colours).save(png, "PNG")
        made.append("data:image/png;base64," + base64.b64encode(png.getvalue()).decode())
    return made, stride


def action_names(env_id: str, n_actions: int) -> tuple[str, ...]:
    """The environment's own words for its actions; their numbers where it is not offered."""
    if env_id in OFFERED:
        return OFFERED[env_id].actions
    return tuple(f"action {action}" for action in range(n_actions))


def quantities(env_id: str, n_obs: int) -> tuple[Quantity, ...]:
    """Name and unit of each entry of an observation; their numbers where it is not offered."""
    if env_id in OFFERED:
        return OFFERED[env_id].observations
    return tuple(Quantity(f"observation {i}", "") for i in range(n_obs))
