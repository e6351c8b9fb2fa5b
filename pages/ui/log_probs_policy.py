"""Chapter 2's main figure: logits to drag, their probabilities and log-probabilities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import charts, controls, figure
from pages.ui.controls import Control
from pages.ui.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION
from pgcore.studies import log_probs

NAMES = "ABCDEF"
COLORS = dict(zip(NAMES, (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY), strict=True))
ACTIONS = controls.choice("actions", "Number of actions", ("2", "3", "4", "5", "6"), default="3")
LOGITS = tuple(
    controls.slider(f"z{name.lower()}", f"Logit of {name}", -5.0, 5.0, 0.1, default=start)
    for name, start in zip(NAMES, (1.0, 0.0, -1.0, 0.5, -0.5, -2.0), strict=True)
)
TEMPERATURE = controls.slider("temperature", "Temperature T", 0.1, 5.0, 0.1, default=1.0)


def logits_of(n_actions: int) -> tuple[Control, ...]:
    """The sliders that a policy of so many actions has."""
    return LOGITS[:n_actions]


def named(actions: pd.Series) -> pd.Categorical:
    """Numbers of actions as their names."""
    return pd.Categorical.from_codes(actions, list(NAMES))


def rows_of(n_actions: int) -> charts.Axis:
    return charts.Axis("action", domain=tuple(NAMES[:n_actions]), kind="N")


def color_of(n_actions: int) -> charts.Color:
    return charts.Color("action", {n: COLORS[n] for n in NAMES[:n_actions]}, legend=False)


@st.cache_data(show_spinner=False)
def policy(n_actions: int) -> figure.Figure:
    """Sliders for the logits and the temperature; logit, probability, log-probability."""
    y, color, height = rows_of(n_actions), color_of(n_actions), 40 + 38 * n_actions
    logit = charts.Axis("logit", "Logit (drag a dot)", (-5, 5))
    prob = charts.Axis("prob", "Probability π(a)", (0, 1.25), format=".0%", ticks=(0, 0.5, 1))
    log_prob = charts.Axis("log_prob", "ln π(a), cut at −10", (-10, 0))
    drag = {NAMES[i]: control.name for i, control in enumerate(logits_of(n_actions))}
    plots = [
        charts.layers(
            charts.rules("policy", logit.of("zero"), None, GREY),
            charts.rules("policy", logit.of("zero"), y, color, x2=logit, strokeWidth=4),
            charts.points("policy", logit, y, color, name="marker", size=260),
            height=height,
        ),
        charts.layers(
            charts.bars("policy", prob, y, color, height={"band": 0.6}),
            charts.labels("policy", prob, y, "prob", format=".1%", align="left", dx=4),
            height=height,
        ),
        charts.layers(
            charts.bars("policy", log_prob, y, color, height={"band": 0.6}),
            height=height,
        ),
    ]
    about = (
        "The logit of each action as a dot on its own line",
        "The probability of each action as a bar",
        "The log-probability of each action as a bar to the left of zero",
    )
    return figure.build(
        [*logits_of(n_actions), TEMPERATURE],
        {},
        [
            figure.Plot(plot, text, drag={"x": drag} if i == 0 else {}, width=210)
            for i, (plot, text) in enumerate(zip(plots, about, strict=True))
        ],
        body=figure.table(
            "policy",
            {
                "action": ("Action", ""),
                "logit": ("Logit z", "+.1f"),
                "exp": ("e^(z/T)", ".3f"),
                "prob": ("π = its share", ".4f"),
                "log_prob": ("ln π", "+.4f"),
            },
        )
        + figure.meters(
            figure.meter("Entropy H", "policy.entropy", ".3f", "nats"),
            figure.meter("Largest possible, ln n", "policy.largest", ".3f", "nats"),
            figure.meter("As undecided as so many equal actions, e^H", "policy.equal", ".2f"),
        ),
        live=("policy",),
    )


def live_policy(n_actions: int) -> figure.Live:
    """The policy along every slider, from wherever the sliders stand."""
    along = (*(control.name for control in logits_of(n_actions)), TEMPERATURE.name)

    def compute(**values: float) -> Mapping[str, figure.Sweep]:
        *logits, temperature = (values[name] for name in along)
        return {"policy": figure.Sweep(sweep(tuple(logits), temperature), along)}

    return figure.Live(along, compute)


@st.cache_data(show_spinner=False, max_entries=64)
def sweep(logits: tuple[float, ...], temperature: float) -> pd.DataFrame:
    frame = log_probs.sweeps(logits, temperature, LOGITS[0].values, TEMPERATURE.values)
    names = {f"logit {i}": control.name for i, control in enumerate(LOGITS)}
    uniform = log_probs.entropy([0.0] * len(logits))
    return frame.assign(
        action=named(frame.action),
        moved=frame.moved.cat.rename_categories(names),
        zero=0.0,
        largest=uniform,
        equal=np.exp(frame.entropy),
    )
