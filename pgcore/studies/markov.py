"""Is an observation enough? CartPole with its velocities hidden, on transitions that happened."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgcore.studies.cartpole import COLUMNS

SEEN = ("position", "angle")
HIDDEN = ("velocity", "angular_velocity")


def twins(
    transitions: pd.DataFrame, steps: int = 8, tolerance: tuple[float, float] = (0.005, 0.002)
) -> pd.DataFrame:
    """Two moments that look the same without velocities, got the same actions, and parted.

    Among all pairs whose position (m) and angle (rad) fall in the same bin of this width, and whose
    next `steps` actions are equal, the pair whose angular velocities differ most.

    Args:
        transitions: from cartpole.random_episodes.
        steps: how far both are followed.
    Returns:
        twin ("A", "B"), ahead (0 to steps), the four quantities, action.
    Raises:
        ValueError: if no two moments match: more episodes are needed.
    """
    t = transitions
    whole = t["episode"].eq(t["episode"].shift(-steps + 1))
    code = sum(t["action"].shift(-i).fillna(0) * 2**i for i in range(steps))
    bins = [np.floor(t[name] / width) for name, width in zip(SEEN, tolerance, strict=True)]
    moments = pd.DataFrame(
        {"code": code, "x": bins[0], "angle": bins[1], "spin": t["angular_velocity"]}
    )[whole]
    groups = moments.groupby(["code", "x", "angle"])["spin"]
    spread = groups.max() - groups.min()
    if spread.max() <= 0 or spread.empty:
        raise ValueError("no two moments match: play more episodes.")
    widest = groups.get_group(spread.idxmax())
    followed = []
    for name, start in (("A", widest.idxmin()), ("B", widest.idxmax())):
        rows = t.loc[start : start + steps - 1]
        end = rows.iloc[-1]
        states = np.vstack(
            [rows[list(COLUMNS)].to_numpy(), end[[f"next_{c}" for c in COLUMNS]].to_numpy(float)]
        )
        frame = pd.DataFrame(states, columns=list(COLUMNS))
        frame.insert(0, "twin", name)
        frame.insert(1, "ahead", np.arange(steps + 1))
        frame["action"] = [*rows["action"].tolist(), -1]
        followed.append(frame)
    return pd.concat(followed, ignore_index=True)


def angle_changes(transitions: pd.DataFrame) -> pd.DataFrame:
    """Where the pole goes next, against what is known now.

    Returns:
        the four quantities, action, change (next angle - angle), and what the step before adds:
        last_change (angle - previous angle) and last_action; rows with such a step only.
    """
    t = transitions
    frame = t[["position", "angle", "velocity", "angular_velocity", "action"]].copy()
    frame["change"] = t["next_angle"] - t["angle"]
    frame["last_change"] = t.groupby("episode")["angle"].diff()
    frame["last_action"] = t.groupby("episode")["action"].shift()
    return frame.dropna().reset_index(drop=True)


def unexplained(changes: pd.DataFrame) -> pd.DataFrame:
    """How much of the pole's next movement stays unknown, by what the agent is shown.

        share = residual variance of a least-squares fit / variance of the change

    Returns:
        shown, share in [0, 1]: position and angle alone, with the frame before, with the push
        between the two as well, and the full state.
    """
    now = ["position", "angle", "action"]
    views = {
        "position and angle": now,
        "and the frame before": [*now, "last_change"],
        "and the push between": [*now, "last_change", "last_action"],
        "all four numbers": [*now, *HIDDEN],
    }
    target = changes["change"].to_numpy()
    rows = []
    for shown, names in views.items():
        inputs = np.column_stack([np.ones(len(changes)), changes[names].to_numpy(float)])
        fit = inputs @ np.linalg.lstsq(inputs, target, rcond=None)[0]
        rows.append({"shown": shown, "share": float(np.var(target - fit) / np.var(target))})
    return pd.DataFrame(rows)
