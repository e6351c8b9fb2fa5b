"""Chapter 1's CartPole: any state, as gymnasium draws it, and what each push does to it."""

from __future__ import annotations

import math
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import charts, controls, figure
from pages.ui.theme import BLUE, VERMILION
from pgcore.environments import OFFERED
from pgcore.studies import cartpole, cartpole_state

HOLD = 10
_LIMITS = cartpole.limits()
_FALLEN = round(math.degrees(_LIMITS["angle"]))

POSITION = controls.slider(
    "position",
    "Cart position",
    values=np.linspace(-_LIMITS["position"], _LIMITS["position"], 9).round(6).tolist(),
    default=0.0,
    unit="m",
    help=f"The episode ends beyond ±{_LIMITS['position']:g} m.",
)
VELOCITY = controls.slider(
    "velocity", "Cart velocity", -2.0, 2.0, 1.0, default=0.0, unit="m/s", help="No limit."
)
ANGLE = controls.slider(
    "degrees",
    "Pole angle",
    -_FALLEN,
    _FALLEN,
    2,
    default=4,
    unit="°",
    help=f"The episode ends beyond ±{_FALLEN}° (±{_LIMITS['angle']:.3f} rad).",
)
SPIN = controls.slider(
    "spin",
    "Pole angular velocity",
    -3.0,
    3.0,
    1.0,
    default=0.0,
    unit="rad/s",
    help="No limit.",
)
_PUSH = charts.Color("push", dict(zip(cartpole_state.PUSHES, (BLUE, VERMILION), strict=True)))


INTRODUCTION = f"""
#### CartPole, the world of this course
A cart on a track, a pole hinged to it. The **state** is four continuous numbers, the sliders
below. There are two **actions**, both a push of the same force: left or right, nothing between.
The **reward** is +1 for every step of {OFFERED[cartpole.ENV_ID].step_seconds:g} s. An episode ends
when the pole leans too far, the cart leaves the track, or after {_LIMITS["steps"]:g} steps.
"""


def physics() -> Callable:
    """The method that moves gymnasium's CartPole by one step."""
    return type(gym.make(cartpole.ENV_ID).unwrapped).step


def shape() -> float:
    """Width over height of CartPole's pictures."""
    _, (left, right, bottom, top) = cartpole_state.picture()
    return (right - left) / (top - bottom)


@st.cache_data(show_spinner=False)
def state_figure() -> figure.Figure:
    """The frame of any state, and where each push leads."""
    after, held = cartpole_state.what_next(
        POSITION.values, VELOCITY.values, ANGLE.values, SPIN.values, HOLD
    )
    ends = ["left_end", "right_end"]
    after[ends] = after[ends].replace("", "no")
    by = (POSITION.name, VELOCITY.name, ANGLE.name, SPIN.name)
    looks = pd.DataFrame(
        [(x, a) for x in POSITION.values for a in ANGLE.values], columns=["position", "degrees"]
    )
    looks["png"] = cartpole_state.pictures(
        [(x, 0, np.radians(a), 0) for x, a in looks.itertuples(index=False)]
    )
    _, (left, right, bottom, top) = cartpole_state.picture()
    x = charts.Axis("x", domain=(left, right), hidden=True)
    y = charts.Axis("y", domain=(bottom, top), hidden=True)
    chart = charts.layers(
        charts.pictures("looks", "png"),
        charts.rules(
            "held", x, y, _PUSH, x2=x.of("x2"), y2=y.of("y2"), strokeWidth=4, strokeDash=[6, 3]
        ),
    )
    quantities = zip(cartpole.COLUMNS, ("position", "velocity", "angle", "spin"), strict=True)
    lines = "".join(
        f"<tr><td style='white-space:normal'>{about.name} ({about.unit})</td>"
        + "".join(
            f'<td class="number">{figure.text(f"after.{column}", "+.3f")}</td>'
            for column in (now, f"left_{then}", f"right_{then}")
        )
        + "</tr>"
        for about, (then, now) in zip(cartpole.QUANTITIES, quantities, strict=True)
    )
    over = f"<tr><td>episode over</td><td></td>{_over('left')}{_over('right')}</tr>"
    heads = "".join(
        f"<th style='text-align:right;white-space:normal'>{head}</th>"
        for head in ("", "now", *(f"after {push}" for push in cartpole_state.PUSHES))
    )
    return figure.build(
        [POSITION, VELOCITY, ANGLE, SPIN],
        {
            "looks": figure.Rows(looks, ("position", "degrees")),
            "held": figure.Rows(held, by),
            "after": figure.Rows(after, by),
        },
        [
            figure.Plot(
                chart,
                "CartPole's frame: a cart on a track, a pole on it. Dashed lines show the pole "
                "after holding a push to the left and to the right.",
                drag={"x": "position"},
                width=2000,
                aspect=shape(),
            )
        ],
        body=f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{lines}{over}</tbody></table></div>",
    )


def _over(side: str) -> str:
    return f"<td class='number'>{figure.text(f'after.{side}_end')}</td>"
