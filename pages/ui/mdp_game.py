"""CartPole by hand: the browser follows the pushes through states that gymnasium computed.

With each message the server sends every state that the next pushes can lead to, so a push shows
at once and the physics is nowhere but in gymnasium. The browser reports the pushes; the server
goes along them and sends what lies ahead of there.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import charts, controls, figure
from pages.ui.theme import BLUE, GREEN, VERMILION
from pgcore.environments import OFFERED
from pgcore.studies.attempt import DEPTH, Attempt, beaten, lasted
from pgcore.studies.cartpole import ENV_ID, limits, random_scores
from pgcore.studies.cartpole_state import picture

_HERE = Path(__file__).resolve().parent
_component = st.components.v2.component(
    "pgcore_game",
    html=(_HERE / "mdp_game.html").read_text(),
    css=(_HERE / "mdp_game.css").read_text(),
    js=(_HERE / "mdp_game.js").read_text(),
)
SPEED = controls.choice(
    "speed", "Speed", ("one push at a time", "slow motion", "real time"), default="slow motion"
)
_SLOWDOWN = {"one push at a time": 0, "slow motion": 5, "real time": 1}
"""How many times slower than real; 0 waits for the player."""
_RANDOM_EPISODES = 1000


@dataclass(frozen=True)
class Play:
    """What a session has played."""

    attempt: Attempt
    number: int = 1
    scores: tuple[int, ...] = ()

    def heard(self, message: Any) -> Play:
        """What a message from the browser changes; one that makes no sense changes nothing."""
        if not isinstance(message, dict):
            return self
        if message.get("number") == self.number + 1:
            return Play(Attempt.start(self.number + 1), self.number + 1, self.scores)
        on_top = message.get("number") == self.number and message.get("step") == self.attempt.steps
        if not on_top or self.attempt.over or not isinstance(message.get("pushes"), list):
            return self
        try:
            attempt = self.attempt.advance(message["pushes"])
        except ValueError:
            return self
        scores = (*self.scores, attempt.steps) if attempt.over else self.scores
        return replace(self, attempt=attempt, scores=scores)


@st.cache_data(show_spinner=False)
def random_results() -> np.ndarray:
    """Scores of the policy that flips a coin."""
    return random_scores(_RANDOM_EPISODES, seed=0)


@st.fragment
def show(key: str) -> None:
    """The game. At the end of an episode the page runs again, for scores()."""
    speed = SPEED.widget()
    before = _play(key)
    play = before.heard(st.session_state.get(key, {}).get("message"))
    st.session_state[f"{key} play"] = play
    _component(key=key, data=_sent(play, _SLOWDOWN[speed]), on_message_change=_nothing)
    if play.scores != before.scores:
        st.rerun()


def _play(key: str) -> Play:
    return st.session_state.get(f"{key} play") or Play(Attempt.start(1))


def _nothing() -> None:
    """A component reports a state only where a callback is named."""


def _sent(play: Play, slowdown: int) -> dict[str, Any]:
    attempt = play.attempt
    # What is drawn: position and angle, first here, then after each sequence of pushes.
    ahead = np.concatenate([attempt.state[None], attempt.states])[:, [0, 2]].astype("<f4")
    _, (left, right, bottom, top) = picture()
    return {
        "number": play.number,
        "step": attempt.steps,
        "limit": limits()["steps"],
        "depth": DEPTH,
        "states": base64.b64encode(ahead.tobytes()).decode(),
        "ended": base64.b64encode(attempt.ended.astype(np.uint8).tobytes()).decode(),
        "milliseconds": 1000 * OFFERED[ENV_ID].step_seconds * slowdown,
        "over": _verdict(play) if attempt.over else "",
        "view": [left, right, bottom, top],
        "pole": limits()["pole_length"],
        "angle": limits()["angle"],
        "pushes": OFFERED[ENV_ID].actions,
    }


def _verdict(play: Play) -> str:
    score, random = play.attempt.steps, random_results()
    seconds = score * OFFERED[ENV_ID].step_seconds
    return (
        f"{play.attempt.ending().capitalize()} after {score} steps ({seconds:.2f} s). Coin "
        f"flipping lasts {random.mean():.0f} on average; you beat {beaten(score, random):.0%} of "
        f"{len(random):,} random episodes."
    )


@st.cache_data(show_spinner=False)
def _score_figure() -> figure.Figure:
    longest = int(limits()["steps"])
    steps, share = lasted(random_results(), longest)
    curve = pd.DataFrame({"steps": steps, "share": 100 * share})
    ticks = (5, 10, 20, 50, 100, 200, longest)
    x = charts.Axis("steps", "Steps survived = return", (5, longest), log=True, ticks=ticks)
    y = charts.Axis("share", "Random episodes that last at least as long (%)", (-3, 103))
    colors = charts.Color("which", {"random policy": BLUE, "you": VERMILION, "your best": GREEN})
    chart = charts.layers(
        charts.line("curve", x, y, colors), charts.points("yours", x, y, colors, size=140)
    )
    return figure.build(
        [],
        {"curve": figure.Rows(curve[curve.steps >= 5].assign(which="random policy"))},
        [
            figure.Plot(
                chart,
                "Share of random episodes that last at least so many steps, with your scores.",
                width=2000,
            )
        ],
        live=("yours",),
    )


def scores(key: str) -> None:
    """The player's scores among those of the random policy."""
    mine, random = _play(key).scores, random_results()
    share = [100 * float((random >= score).mean()) for score in mine]
    which = ["your best" if score == max(mine) else "you" for score in mine]
    yours = pd.DataFrame({"steps": np.array(mine, float), "share": np.array(share, float)})
    rows = figure.Rows(yours.assign(which=np.array(which, str)))
    figure.show(f"{key}-scores", _score_figure(), live=figure.Live((), lambda: {"yours": rows}))
