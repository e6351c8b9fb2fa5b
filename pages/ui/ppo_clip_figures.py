"""Chapter 5: one sample's objective, against the ratio and against three others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import controls
from pages.ui.charts import Axis, Color, cells, layers, line, points, rules
from pages.ui.figure import Figure, Plot, Rows, build, meter, meters, sentence, table
from pages.ui.theme import BLUE, GREEN, GREY, ORANGE, VERMILION

EPS = controls.CLIP_EPS
RATIO = controls.slider("ratio", "Ratio r = new / old probability", 0.02, 2.0, 0.02, default=1.4)
ADVANTAGE = controls.slider("advantage", "Advantage A", -1.5, 1.5, 0.25, default=1.0)

SIGN = controls.choice("sign", "Advantage", ["positive", "zero", "negative"])
AT = controls.slider("at", "Ratio", 0.02, 2.0, 0.02, default=1.3)
BETA = controls.slider("beta", "KL penalty β", values=(0.5, 1, 2, 3, 5, 10), default=3)

SIGNS = dict(zip((1.0, 0.0, -1.0), SIGN.values, strict=True))
FULL = 2000  # wider than any page: a plot on a row of its own
_RATIO_AXIS = Axis("ratio", "Ratio r", (0, 2), ticks=np.arange(0, 2.1, 0.2).round(1), format=".1f")


def _ends(low: float, high: float) -> list[float]:
    """Points that draw a curve with kinks at the range's bounds exactly."""
    kinks = [value + side for value in (low, high) for side in (-1e-6, 1e-6)]
    return [RATIO.values[0], *kinks, RATIO.values[-1]]


@st.cache_data(show_spinner=False)
def objective() -> Figure:
    """Objective and slope against the ratio, with the branch that min picked in words."""
    from pgcore.studies import ppo_clip

    curve = pd.concat(
        ppo_clip.objective(_ends(1 - eps, 1 + eps), ADVANTAGE.values, [eps]) for eps in EPS.values
    )
    long = curve.melt(
        ["ratio", "advantage", "eps"], ["unclipped", "clipped", "objective"], "branch"
    )
    names = {"unclipped": "r · A", "clipped": "clip(r) · A", "objective": "min: the objective"}
    long["branch"] = long["branch"].map(names)
    marker = ppo_clip.objective(RATIO.values, ADVANTAGE.values, EPS.values)
    silent = [marker["advantage"] == 0, marker["slope"] == 0]
    marker["tone"] = np.select(silent, ["neutral", "bad"], "good")

    value = Axis("value", "Objective", (-3, 3))
    slope = Axis("slope", "Slope of the objective, by autograd", (-1.7, 1.7), ticks=(-1, 0, 1))
    colors = Color(
        "branch",
        dict(zip(names.values(), (GREY, ORANGE, BLUE), strict=True)),
        dashes=([6, 4], [2, 3], []),
    )
    band = cells(
        "marker", _RATIO_AXIS.of("low"), x2=_RATIO_AXIS.of("high"), color=GREY, opacity=0.15
    )
    here = rules("marker", _RATIO_AXIS, color=GREY, strokeDash=[2, 3])
    above = layers(
        band,
        here,
        line("curves", _RATIO_AXIS, value, colors),
        points("marker", _RATIO_AXIS, value.of("objective"), VERMILION, name="marker", size=220),
        height=300,
    )
    below = layers(
        band,
        here,
        line("curve", _RATIO_AXIS, slope, BLUE),
        points("marker", _RATIO_AXIS, slope, VERMILION, name="slope", size=160),
        height=130,
    )
    drag = {"x": "ratio"}
    return build(
        [RATIO, ADVANTAGE, EPS],
        {
            "curve": Rows(curve[["ratio", "advantage", "eps", "slope"]], ("advantage", "eps")),
            "curves": Rows(long, ("advantage", "eps")),
            "marker": Rows(marker, ("advantage", "eps", "ratio")),
        },
        [
            Plot(
                above,
                "Lines of ratio times advantage, of the clipped ratio times advantage, and of "
                "their minimum, against the ratio; a point on the minimum at the chosen ratio.",
                drag,
                width=FULL,
            ),
            Plot(below, "Slope of the minimum against the ratio: A, or 0.", drag, width=FULL),
        ],
        top=sentence("marker.words", "marker.tone"),
        body=meters(
            meter("r · A", "marker.unclipped", "+.2f"),
            meter("clip(r) · A", "marker.clipped", "+.2f"),
            meter("Objective: the smaller", "marker.objective", "+.2f"),
            meter("Slope along r", "marker.slope", "+.2f"),
            meter("Gradient by log π(a|s)", "marker.push", "+.2f"),
        ),
    )


FOUR = Color(
    "name",
    {"no clip": GREY, "clip without min": VERMILION, "KL penalty": GREEN, "PPO clip": BLUE},
    dashes=([8, 5], [2, 3], [12, 3, 2, 3], []),
)


@st.cache_data(show_spinner=False)
def compare() -> Figure:
    """Four objectives against the ratio, and what each does to it there."""
    from pgcore.studies import ppo_clip

    ratios = sorted({*RATIO.values, *_ends(1 - EPS.default, 1 + EPS.default)})
    rows = ppo_clip.compare(ratios, list(SIGNS), BETA.values, EPS.default)
    rows["sign"] = rows["advantage"].map(SIGNS)
    here = ppo_clip.compare(AT.values, list(SIGNS), BETA.values, EPS.default)
    here["sign"] = here["advantage"].map(SIGNS)
    here["at"] = here["ratio"]
    value = Axis("value", "Objective", (-3, 2))
    edges = pd.DataFrame({"low": [1 - EPS.default], "high": [1 + EPS.default]})
    chart = layers(
        cells("edges", _RATIO_AXIS.of("low"), x2=_RATIO_AXIS.of("high"), color=GREY, opacity=0.15),
        rules("here", _RATIO_AXIS, color=GREY, strokeDash=[2, 3]),
        line("rows", _RATIO_AXIS, value, FOUR),
        points("here", _RATIO_AXIS, value, FOUR, size=120, name="marker"),
        height=300,
    )
    return build(
        [SIGN, AT, BETA],
        {
            "rows": Rows(rows, ("sign", "beta")),
            "here": Rows(here, ("sign", "beta", "at")),
            "edges": Rows(edges),
        },
        [Plot(chart, "Four objectives against the ratio.", {"x": "at"}, width=FULL)],
        body=table(
            "here",
            {
                "name": ("Objective", ""),
                "value": ("Value", "+.2f"),
                "slope": ("Slope along r", "+.2f"),
                "effect": ("A gradient step …", ""),
            },
        ),
    )
