"""Chapter 2's other figures on the policy that the main one sets: samples, entropy, gradient."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import charts, controls, figure
from pages.ui.controls import Control
from pages.ui.log_probs_policy import NAMES, TEMPERATURE, color_of, named, rows_of, sweep
from pages.ui.theme import BLUE, GREY, VERMILION
from pgcore.studies import log_probs

SAMPLES = controls.slider(
    "samples",
    "Samples drawn",
    values=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000),
    default=20,
    play=True,
)
DRAW = controls.slider("draw", "Which draw", 1, 4, 1, default=1)
ADDED = controls.slider("added", "Added to its logit", -5.0, 5.0, 0.1, default=0.0)


def taken(n_actions: int) -> Control:
    return controls.choice("taken", "Action taken", tuple(NAMES[:n_actions]))


@st.cache_data(show_spinner=False)
def samples(n_actions: int) -> figure.Figure:
    """How often each action came up, beside its probability."""
    y, color, height = rows_of(n_actions), color_of(n_actions), 40 + 38 * n_actions
    share = charts.Axis("frequency", "Share drawn (bar); π ± 2 standard errors (line)", (0, 1))
    surprise = charts.Axis("mean_surprise", "Mean of −ln π(a) over the samples", (0, 3))
    n = charts.Axis("samples", SAMPLES.label, (0.9, 11_000), log=True, ticks=(1, 10, 100, 1000))
    return figure.build(
        [SAMPLES, DRAW],
        {},
        [
            figure.Plot(
                charts.layers(
                    charts.bars("now", share, y, color, height={"band": 0.6}, opacity=0.6),
                    charts.rules("now", share.of("low"), y, x2=share.of("high"), strokeWidth=3),
                    charts.points("now", share.of("prob"), y, size=90, name="prob"),
                    height=height,
                ),
                "How often each action was drawn, as a bar, with its probability as a dot",
            ),
            figure.Plot(
                charts.layers(
                    charts.rules("now", None, surprise.of("entropy"), GREY, strokeDash=[6, 4]),
                    charts.line("all", n, surprise, BLUE),
                    charts.points("now", n, surprise, VERMILION, size=160, name="surprise"),
                    height=height,
                ),
                "Mean of minus log pi over the samples, against how many there are",
                drag={"x": "samples"},
            ),
        ],
        body=figure.meters(
            figure.meter("Mean of −ln π(a) over the samples", "now.mean_surprise", ".3f", "nats"),
            figure.meter("Entropy H (dashed)", "now.entropy", ".3f", "nats"),
        ),
        live=("now", "all"),
    )


def live_samples(logits: tuple[float, ...], temperature: float) -> figure.Live:
    def compute() -> Mapping[str, figure.Rows]:
        frame = _frequencies(logits, temperature)
        one = frame[frame.action == "A"]
        return {
            "now": figure.Rows(frame, ("samples", "draw")),
            "all": figure.Rows(one, ("draw",)),
        }

    return figure.Live((), compute)


@st.cache_data(show_spinner=False, max_entries=64)
def _frequencies(logits: tuple[float, ...], temperature: float) -> pd.DataFrame:
    frame = log_probs.frequencies(logits, temperature, SAMPLES.values, DRAW.values)
    band = 2 * frame.standard_error
    return frame.rename(columns={"n": SAMPLES.name, "seed": DRAW.name}).assign(
        action=named(frame.action),
        low=(frame.prob - band).clip(lower=0),
        high=(frame.prob + band).clip(upper=1),
    )


@st.cache_data(show_spinner=False)
def entropy() -> figure.Figure:
    """The entropy of the policy against its temperature; nothing to drag."""
    x = charts.Axis("value", "Temperature T", (0, max(TEMPERATURE.values)))
    y = charts.Axis("entropy", "Entropy H in nats (dashed: ln n)", (0, 2))
    chart = charts.layers(
        charts.rules("here", None, y.of("largest"), GREY, strokeDash=[6, 4]),
        charts.line("curve", x, y, BLUE),
        charts.points("here", x, y, VERMILION, size=180, name="here"),
        height=200,
    )
    about = "The entropy of the policy above against its temperature, rising towards ln n"
    return figure.build([], {}, [figure.Plot(chart, about)], live=("curve", "here"))


def live_entropy(logits: tuple[float, ...], temperature: float) -> figure.Live:
    def compute() -> Mapping[str, figure.Rows]:
        frame = sweep(logits, temperature)
        along = (frame.moved == TEMPERATURE.name) & (frame.action == "A")
        curve = frame.loc[along, ["value", "entropy", "largest"]]
        here = curve[np.isclose(curve.value, temperature)]
        return {"curve": figure.Rows(curve), "here": figure.Rows(here)}

    return figure.Live((), compute)


@st.cache_data(show_spinner=False)
def gradient(n_actions: int, reach: float) -> figure.Figure:
    """The gradient of the log-probability of the action taken, by every logit."""
    y, color = rows_of(n_actions), color_of(n_actions)
    height = 40 + 38 * n_actions
    x = charts.Axis(
        "autograd", "∂ ln π(taken) / ∂ logit: autograd (bar), formula (ring)", (-reach, reach)
    )
    prob = charts.Axis("prob", "Probability π(a)", (0, 1), format=".0%")
    return figure.build(
        [taken(n_actions), ADDED],
        {},
        [
            figure.Plot(
                charts.layers(
                    charts.bars("gradient", prob, y, color, height={"band": 0.6}), height=height
                ),
                "Probability of each action",
                width=240,
            ),
            figure.Plot(
                charts.layers(
                    charts.bars("gradient", x, y, color, height={"band": 0.6}),
                    charts.points(
                        "gradient", x.of("closed_form"), y, name="gradient", filled=False, size=200
                    ),
                    height=height,
                ),
                "Gradient of the log-probability of the action taken by each logit",
            ),
        ],
        body=figure.table(
            "gradient",
            {
                "action": ("Action", ""),
                "one_hot": ("onehot(taken)", ".0f"),
                "prob": ("π", ".4f"),
                "closed_form": ("(onehot − π) / T", "+.4f"),
                "autograd": ("Autograd", "+.4f"),
            },
        ),
        live=("gradient",),
    )


def gradient_of(
    n_actions: int, logits: tuple[float, ...], temperature: float
) -> tuple[figure.Figure, figure.Live]:
    """The gradient under one policy: by 1 / T it reaches further in the cold."""

    def compute() -> Mapping[str, figure.Rows]:
        return {"gradient": figure.Rows(_gradients(logits, temperature), ("taken", "added"))}

    return gradient(n_actions, max(1.0, 1 / temperature)), figure.Live((), compute)


@st.cache_data(show_spinner=False, max_entries=64)
def _gradients(logits: tuple[float, ...], temperature: float) -> pd.DataFrame:
    frame = log_probs.gradient_sweep(logits, temperature, ADDED.values)
    return frame.assign(action=named(frame.action), taken=named(frame.taken))
