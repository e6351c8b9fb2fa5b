"""Inside an update: one transition through all epochs, and the reason for each of its gradients."""

from __future__ import annotations

import base64
from typing import Any

import imageio.v3 as iio
import numpy as np
import pandas as pd

from pgcore.environments import RENDERING, make_for_rendering
from pgcore.recording import Recording
from pgcore.studies import cartpole, cartpole_state, update

AFTER = "after the update"
"""What path says of its last point."""
FRAME_HEIGHT = 250


def history(recording: Recording, row: int) -> pd.DataFrame:
    """A transition at every gradient step of the update: how it stood when it was last used.

    Args:
        row: of the rollout; one that the update used.
    Returns:
        Frame of one row a step: update.samples' columns with `step` the step now and `used` the
        step that the numbers are from; took (which product min took), words (one plain sentence
        why its gradient is what it is), tone (good, bad, neutral). Before its first use the
        numbers are nan.
    """
    own = update.samples(recording, np.flatnonzero(recording.row == row))
    own["took"] = np.select(
        [own.clip_active, own.clipped == own.unclipped], ["clipped", "both are equal"], "unclipped"
    )
    own["words"] = [why(sample, recording) for _, sample in own.iterrows()]
    own["tone"] = np.select([own.gradient == 0, own.pulled_back], ["bad", "neutral"], "good")
    now = np.arange(1, int(recording.step[-1]) + 2)
    latest = np.searchsorted(own["step"], now, side="right") - 1
    own = own.rename(columns={"step": "used"})
    both = own.reindex(latest).reset_index(drop=True).assign(step=now)
    waiting = both["used"].isna()
    both.loc[waiting, "words"] = (
        f"Not used yet: its first minibatch is gradient step {own['used'].iloc[0]}."
    )
    both.loc[waiting, "tone"] = "neutral"
    both.loc[waiting, "took"] = "–"
    return both


def why(sample: Any, recording: Recording) -> str:
    """One sentence: why this sample's gradient is what it is.

    Args:
        sample: a row of update.samples.
    """
    low, high = recording.clip_range
    ratio, sign = f"{sample.ratio:.3f}", "positive" if sample.advantage > 0 else "negative"
    change = "more" if sample.advantage > 0 else "less"
    amount = update.signed(sample.advantage)
    if sample.advantage == 0:
        words = (
            "No gradient, but not because of the clip: its advantage is zero, and so are both "
            "products at every ratio."
        )
    elif not sample.outside:
        place = (
            "The ratio is exactly 1: nothing has moved since this action was taken."
            if sample.ratio == 1
            else f"The ratio {ratio} is inside {low:.2f} to {high:.2f}."
        )
        words = (
            f"{place} Both products are equal, and the gradient makes the action {change} likely, "
            f"because its advantage is {sign} ({amount})."
        )
    elif sample.gradient == 0 and not sample.clip_active:
        words = (
            "No gradient, but not because of the clip: the action's probability has shrunk so far "
            "that the ratio's slope is zero in float32."
        )
    elif sample.gradient == 0:
        side = f"above {high:.2f}" if sample.ratio > 1 else f"below {low:.2f}"
        words = (
            f"No gradient: the advantage is {sign} ({amount}) and the ratio is already {ratio}, "
            f"{side}. min took the clipped product, which is flat there, so this sample has "
            "stopped pushing."
        )
    else:
        moved = "more" if sample.ratio > 1 else "less"
        words = (
            f"Outside the range and still pulled back: the advantage is {sign} ({amount}), yet the "
            f"action has become {moved} likely (ratio {ratio}). min took the unclipped product, "
            "and its gradient brings the ratio back."
        )
    if not sample.happened:
        words += " (And this row never happened: the environment only reset itself in it.)"
    return words


def path(recording: Recording, row: int) -> pd.DataFrame:
    """The transition's ratio over the epochs: epoch, ratio, effect. The last row, of epoch n + 1
    and effect "after the update", is under the policy that the update left behind."""
    own = update.samples(recording, np.flatnonzero(recording.row == row))
    end = {
        "epoch": int(own["epoch"].iloc[-1]) + 1,
        "ratio": update.after(recording, row).ratio.item(),
        "effect": AFTER,
    }
    return pd.concat([own[["epoch", "ratio", "effect"]], pd.DataFrame([end])], ignore_index=True)


def picture_aspect(env_id: str) -> float:
    """Width over height of picture(); 0 where there is none."""
    if env_id == cartpole.ENV_ID:
        _, (left, right, bottom, top) = cartpole_state.picture()
        return (right - left) / (top - bottom)
    return 1.0 if env_id == "Acrobot-v1" else 0.0


def picture(recording: Recording, row: int) -> str | None:
    """The transition's state as the environment draws it, a data URI; None if it cannot tell the
    state from the observation."""
    obs = recording.traj.states.flatten(0, 1)[row].double().numpy()
    env_id = recording.config.env_id
    if env_id == cartpole.ENV_ID:
        return cartpole_state.pictures([obs.tolist()])[0]
    if env_id != "Acrobot-v1":
        return None
    angles = np.arctan2(obs[[1, 3]], obs[[0, 2]])
    with RENDERING:
        env = make_for_rendering(env_id)
        env.reset(seed=0)
        arm: Any = env.unwrapped
        arm.state = np.concatenate([angles, obs[4:]])
        frame = arm.render()
        env.close()
    factor = max(1, frame.shape[0] // FRAME_HEIGHT)
    png = iio.imwrite("<bytes>", frame[::factor, ::factor], extension=".png")
    return "data:image/png;base64," + base64.b64encode(png).decode()
