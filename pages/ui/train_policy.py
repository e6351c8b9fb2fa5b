"""The checkpoint slider of the Train page and the pictures that follow it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import figure, run_names
from pages.ui.train_policy_episode import CHECKPOINT, TAIL, Played
from pages.ui.train_policy_figure import build
from pgcore.checkpoints import Checkpoint
from pgcore.config import TrainConfig
from pgcore.environments import OFFERED
from pgcore.playback import Episode
from pgcore.studies import policy_picture


def choose(run: int, kept: dict[int, Checkpoint]) -> tuple[dict[int, Checkpoint], int]:
    """The checkpoints on the slider, and the one that it is on.

    Until a reader touches the slider it has all checkpoints and is on the newest. From then on it
    stays as it is, whatever the run adds, until newest().

    Args:
        run: number of the job.
        kept: its checkpoints now, by update.
    """
    key, asked = _key(run), figure.asked(_key(run), CHECKPOINT)
    # One list at a time: those of all runs would be many megabytes of checkpoints.
    of, listed = st.session_state.get("policy_listed", (None, kept))
    if of != key or asked is None:
        listed = kept
    st.session_state["policy_listed"] = key, listed
    return listed, next((update for update in listed if str(update) == asked), max(listed))


def newest() -> None:
    """Forget where the slider is: the next choose() takes the newest checkpoint."""
    st.session_state["policy_round"] = st.session_state.get("policy_round", 0) + 1


def show(run: int, listed: dict[int, Checkpoint], update: int, episode: Episode, seed: int) -> None:
    """The slider, the maps of every checkpoint on it, and this episode under a cursor."""
    at = (hash(listed[update].data), seed)
    stills = _once("policy_stills", at, lambda: policy_picture.stills(episode))
    played = Played(update, episode, *stills)
    made = _once(
        "policy_figure",
        (*at, _key(run), tuple(listed)),
        lambda: build(list(listed), _maps(listed), played),
    )
    with st.container(key="policy"):
        figure.show(_key(run), made, alone=False)
    st.caption(_explained(listed[update].config, played))


def _key(run: int) -> str:
    return f"policy_{run}_{st.session_state.get('policy_round', 0)}"


def _once(slot: str, key: Any, make: Callable[[], Any]) -> Any:
    """The last thing made in this slot of the session, if it is for the same key."""
    held = st.session_state.get(slot)
    if held is None or held[0] != key:
        held = st.session_state[slot] = (key, make())
    return held[1]


def _maps(listed: dict[int, Checkpoint]) -> dict[int, pd.DataFrame]:
    """A map of each checkpoint; a run that goes on adds some, and the others are kept."""
    env_id = next(iter(listed.values())).config.env_id
    environment = OFFERED.get(env_id)
    if environment is None or environment.plane is None:
        return {}
    before = st.session_state.get("policy_maps", {})
    held = np.zeros(len(environment.observations))
    maps = {}
    for checkpoint in listed.values():
        at = hash(checkpoint.data)
        maps[at] = before.get(at)
        if maps[at] is None:
            maps[at] = policy_picture.plane(checkpoint.agent(), environment.plane, held)
    st.session_state["policy_maps"] = maps
    return {update: maps[hash(checkpoint.data)] for update, checkpoint in listed.items()}


def _explained(config: TrainConfig, played: Played) -> str:
    plane = played.plane
    if plane is None:
        words = (
            "No map here: no two of the numbers that this agent sees say enough by themselves, "
            "such as the cosine of an angle without its sine. "
        )
    else:
        rest = [one.name for i, one in enumerate(played.seen) if i not in (plane.x, plane.y)]
        words = (
            "Where the map's colour fades away, at the dashed line, it is 50%: the agent is "
            f"undecided. The maps hold {' and '.join(rest)} at 0; along the episode (white: the "
            f"last {TAIL} steps before the cursor) they are not, so the chart below, which has "
            "what the agent really thought, may differ from the colour under the dot. "
        )
    if played.episode.values is None:
        name = run_names.ALGORITHM_NAMES.get(config.algorithm, config.algorithm)
        words += f"{name} trains no value network, so there is no V to draw. "
    if played.stride > 1:
        words += f"The picture changes every {played.stride} steps. "
    return words + "Move the cursor with the slider, the arrow keys, or on a chart."
