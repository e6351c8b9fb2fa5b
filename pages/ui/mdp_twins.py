"""Chapter 1's hidden velocities: two moments that look the same, and what a picture leaves open."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import charts, controls, figure, mdp_cartpole
from pages.ui.theme import BLUE, VERMILION
from pgcore.studies import cartpole, cartpole_state, markov

STEPS = 8
_EPISODES, _SEED = 1000, 0
_TWINS = {"A": BLUE, "B": VERMILION}

AHEAD = controls.slider("ahead", "Steps later", 0, STEPS, 1, default=0, play=True)
SEEN = controls.choice("seen", "Velocities", ["hidden", "shown"])


@st.cache_data(show_spinner=False)
def transitions() -> pd.DataFrame:
    """What happened in episodes of a policy that flips a coin."""
    return cartpole.random_episodes(_EPISODES, _SEED)


@st.cache_data(show_spinner=False)
def _twins() -> pd.DataFrame:
    return markov.twins(transitions(), STEPS)


@st.cache_data(show_spinner=False)
def twin_figure() -> figure.Figure:
    """Two stored moments that look alike, and what followed them."""
    pair = _twins()
    pair["degrees"] = np.degrees(pair.angle)
    pair = pair.assign(left=0.02, top=0.9, title="Moment " + pair.twin)
    pair["png"] = cartpole_state.pictures(pair[list(cartpole.COLUMNS)].to_numpy())
    told = pd.concat(pair.assign(seen=seen) for seen in SEEN.values)
    for name in markov.HIDDEN:
        words = told[name].map("{:+.2f}".format).str.replace("-", "−")
        told[name] = words.where(told.seen == "shown", "?")
    colors = charts.Color("twin", _TWINS)
    step = charts.Axis("ahead", "Steps later", (0, STEPS), ticks=AHEAD.values)
    angle = charts.Axis("degrees", "Pole angle (°)", (-12, 12))
    course = charts.layers(
        charts.line("pair", step, angle, colors),
        charts.points("now", step, angle, colors, name="marker", size=160),
        height=200,
    )
    corner = (
        charts.Axis("left", domain=(0, 1), hidden=True),
        charts.Axis("top", domain=(0, 1), hidden=True),
    )
    stages = [
        figure.Plot(
            charts.layers(
                charts.pictures(name, "png"),
                charts.labels(
                    name, *corner, "title", color, align="left", fontWeight="bold", fontSize=16
                ),
            ),
            f"The frame of moment {name}.",
            width=300,
            aspect=mdp_cartpole.shape(),
        )
        for name, color in _TWINS.items()
    ]
    return figure.build(
        [AHEAD, SEEN],
        {
            "pair": figure.Rows(pair[["twin", "ahead", "degrees"]]),
            "now": figure.Rows(pair[["twin", "ahead", "degrees"]], ("ahead",)),
            "told": figure.Rows(told.drop(columns=["png", "title"]), ("seen", "ahead")),
            **{
                name: figure.Rows(
                    pair[pair.twin == name][["ahead", "png", "left", "top", "title"]], ("ahead",)
                )
                for name in "AB"
            },
        },
        [
            *stages,
            figure.Plot(
                course,
                "The pole's angle over the next steps, one line a moment.",
                drag={"x": "ahead"},
                width=300,
            ),
        ],
        body=figure.table(
            "told",
            {
                "twin": ("Moment", ""),
                "position": ("Position (m)", "+.3f"),
                "degrees": ("Angle (°)", "+.2f"),
                "velocity": ("Velocity (m/s)", ""),
                "angular_velocity": ("Angular velocity (rad/s)", ""),
            },
        ),
    )


def where_twins_come_from() -> str:
    """About the two moments, in words."""
    a, b = (group.iloc[0] for _, group in _twins().groupby("twin"))
    degrees = abs(math.degrees(a.angle - b.angle))
    return (
        f"Both moments happened, in {_EPISODES:,} episodes of a policy that flips a coin. They are "
        f"{1000 * abs(a.position - b.position):.1f} mm and {degrees:.1f}° apart, and the coin gave "
        f"both the same next {STEPS} pushes."
    )


@st.cache_data(show_spinner=False)
def _unexplained() -> pd.DataFrame:
    shares = markov.unexplained(markov.angle_changes(transitions()))
    words = ["under 0.1%" if share < 0.001 else f"{share:.1%}" for share in shares.share]
    return shares.assign(percent=100 * shares.share, words=words)


def what_is_missing() -> str:
    """What each view leaves open, in words."""
    shares = dict(_unexplained()[["shown", "words"]].itertuples(index=False))
    picture, before, push, _ = shares.values()
    return (
        "How much of the pole's next movement stays open? Over all these episodes, for a "
        f"least-squares prediction from one picture: {picture} of its variance. The picture before "
        f"helps ({before} left), the push between the two settles it ({push}). So agents that "
        "see pictures get several in a row: the recent past stands in for the state."
    )


@st.cache_data(show_spinner=False)
def missing_figure() -> figure.Figure:
    """The same as bars."""
    rows = _unexplained()
    x = charts.Axis("percent", "Share left open (%)", (0, 70))
    y = charts.Axis("shown", domain=tuple(rows.shown), kind="N")
    chart = charts.layers(
        charts.bars("rows", x, y, BLUE),
        charts.labels("rows", x, y, "words", align="left", dx=6),
        height=170,
    )
    return figure.build(
        [],
        {"rows": figure.Rows(rows[["shown", "percent", "words"]])},
        [figure.Plot(chart, what_is_missing(), width=2000)],
    )
