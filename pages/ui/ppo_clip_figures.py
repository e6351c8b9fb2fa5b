"""The figures of chapter 5, and what their sliders can be set to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import controls
from pages.ui.charts import Axis, Color, bars, cells, layers, line, points, rules
from pages.ui.figure import Figure, Plot, Rows, build, meter, meters, sentence, table
from pages.ui.theme import BLUE, GREEN, GREY, ORANGE, VERMILION

EPS = controls.CLIP_EPS
RATIO = controls.slider("ratio", "Ratio r = π_new(a|s) / π_old(a|s)", 0.02, 2.0, 0.02, default=1.4)
ADVANTAGE = controls.slider("advantage", "Advantage A", -1.5, 1.5, 0.25, default=1.0)

SIGN = controls.choice("sign", "Advantage", ["positive (+1)", "zero", "negative (−1)"])
AT = controls.slider("at", "Ratio", 0.02, 2.0, 0.02, default=1.3)
BETA = controls.slider("beta", "KL penalty β", values=(0.5, 1, 2, 3, 5, 10), default=3)

EPOCH = controls.slider("epoch", "Epochs on the same batch", 0, 20, default=10, play=True)
RATE = controls.slider(
    "rate", "Learning rate", values=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5), default=1
)
SHARE = controls.slider("share", "Shared weights", values=(0, 0.3, 0.6, 0.9), default=0)
PUSH = controls.choice("push", "Advantage", ["positive (+1)", "zero", "negative (−1)"])

DRIFT = controls.slider("drift", "Drift: spread of log r", 0, 0.5, 0.05, default=0.25)
AGREEMENT = controls.slider(
    "agreement", "Agreement with the advantages", -1, 1.0, 0.25, default=0.0
)
BATCH, SEED = 300, 0

SIGNS = dict(zip(SIGN.values, (1.0, 0.0, -1.0), strict=True))
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
    marker["tone"] = np.where(marker["slope"] == 0, "bad", "good")

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


_FOUR = Color(
    "name",
    {"PPO clip": BLUE, "no clip": GREY, "clip without min": VERMILION, "KL penalty": GREEN},
    dashes=([], [8, 5], [2, 3], [12, 3, 2, 3]),
    shapes=("circle", "square", "cross", "triangle-up"),
)


@st.cache_data(show_spinner=False)
def compare() -> Figure:
    """Four objectives against the ratio, and what each does to it there."""
    from pgcore.studies import ppo_clip

    ratios = sorted({*RATIO.values, *_ends(1 - EPS.default, 1 + EPS.default)})
    rows = ppo_clip.compare(ratios, list(SIGNS.values()), BETA.values, EPS.default)
    rows["sign"] = rows["advantage"].map({number: word for word, number in SIGNS.items()})
    here = ppo_clip.compare(AT.values, list(SIGNS.values()), BETA.values, EPS.default)
    here["sign"] = here["advantage"].map({number: word for word, number in SIGNS.items()})
    here["at"] = here["ratio"]
    value = Axis("value", "Objective", (-3, 2))
    edges = pd.DataFrame({"low": [1 - EPS.default], "high": [1 + EPS.default]})
    chart = layers(
        cells("edges", _RATIO_AXIS.of("low"), x2=_RATIO_AXIS.of("high"), color=GREY, opacity=0.15),
        rules("here", _RATIO_AXIS, color=GREY, strokeDash=[2, 3]),
        line("rows", _RATIO_AXIS, value, _FOUR),
        points("here", _RATIO_AXIS, value, _FOUR, size=120, name="marker"),
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
                "effect": ("What a gradient step does to the ratio", ""),
            },
        ),
    )


@st.cache_data(show_spinner="Running 108 small optimizations, once…")
def epochs() -> Figure:
    """The ratio of one sample over many epochs, and why it is where it is."""
    from pgcore.studies import ppo_epochs

    optimizer = optimizer_control()
    rows = ppo_epochs.paths(
        RATE.values,
        optimizer.values,
        SHARE.values,
        list(SIGNS.values()),
        EPOCH.values[-1],
        EPS.default,
        BETA.default,
    )
    rows["push_sign"] = rows["advantage"].map({number: word for word, number in SIGNS.items()})
    rows = rows.rename(columns={"push": "gradient", "push_sign": "push"})
    settings = ("rate", "optimizer", "share", "push")
    clip = rows[rows["name"] == "PPO clip"]
    clip = clip.assign(
        tone=np.where(clip["place"] == "inside the range", "good", "bad"),
        low=1 - EPS.default,
        high=1 + EPS.default,
    )
    columns = [*settings, "epoch", "name", "ratio", "gradient", "prob"]
    x = Axis("epoch", "Epoch", (0, EPOCH.values[-1]))
    y = Axis("ratio", "Ratio r of this state and action", (0, 3))
    push = Axis("gradient", "Gradient of its objective by log π", (-3, 3))
    here = rules("here", x, color=GREY, strokeDash=[2, 3])
    edge = pd.DataFrame(
        {"low": [1 - EPS.default], "high": [1 + EPS.default], "start": 0, "end": EPOCH.values[-1]}
    )
    above = layers(
        cells(
            "edges",
            x.of("start"),
            y.of("low"),
            x2=x.of("end"),
            y2=y.of("high"),
            color=GREY,
            opacity=0.15,
        ),
        here,
        line("paths", x, y, _FOUR),
        points("here", x, y, BLUE, size=220, name="marker"),
        height=280,
    )
    below = layers(
        here,
        line("paths", x, push, replace(_FOUR, legend=False)),
        points("here", x, push, BLUE, size=160),
        height=140,
    )
    return build(
        [PUSH, EPOCH, RATE, SHARE, optimizer],
        {
            "paths": Rows(rows[columns], settings),
            "here": Rows(clip, (*settings, "epoch")),
            "all": Rows(rows[columns], (*settings, "epoch")),
            "edges": Rows(edge),
        },
        [
            Plot(
                above, "The ratio against epochs for four objectives.", {"x": "epoch"}, width=FULL
            ),
            Plot(below, "The sample's own gradient against epochs.", {"x": "epoch"}, width=FULL),
        ],
        top=sentence("here.words", "here.tone"),
        body=table(
            "all",
            {
                "name": ("Objective", ""),
                "ratio": ("Ratio", ".2f"),
                "prob": ("Probability", ".3f"),
                "gradient": ("Own gradient", "+.2f"),
            },
        ),
    )


def optimizer_control() -> controls.Control:
    from pgcore.studies.ppo_epochs import OPTIMIZERS

    return controls.choice("optimizer", "Optimizer", list(OPTIMIZERS))


@st.cache_data(show_spinner=False)
def batch() -> Figure:
    """A batch of ratios and advantages, and the two meters on it."""
    from pgcore.studies import ppo_clip

    rows = ppo_clip.batch(DRIFT.values, AGREEMENT.values, EPS.default, BATCH, SEED)
    meters_ = rows.drop_duplicates(["drift", "agreement"])
    states = Color(
        "state",
        {
            "inside": GREY,
            "outside, gradient alive": GREEN,
            "outside, gradient zero": VERMILION,
        },
        shapes=("circle", "triangle-up", "cross"),
    )
    x = Axis("ratio", "Ratio r", (0, 3))
    y = Axis("advantage", "Advantage", (-3.5, 3.5))
    edges = pd.DataFrame({"low": [1 - EPS.default], "high": [1 + EPS.default]})
    chart = layers(
        cells("edges", x.of("low"), x2=x.of("high"), color=GREY, opacity=0.15),
        points("rows", x, y, states, size=40, opacity=0.8),
        height=320,
    )
    shares = meters_.melt(
        ["drift", "agreement"],
        ["clip_fraction", "zero_gradient_fraction"],
        "meter",
        value_name="share",
    )
    shares["meter"] = shares["meter"].map(
        {"clip_fraction": "outside the range", "zero_gradient_fraction": "gradient zero"}
    )
    meter_bars = layers(
        bars(
            "shares",
            Axis("meter", kind="N"),
            Axis("share", "Share of the batch", (0, 1), format="%"),
            BLUE,
        ),
        height=320,
    )
    return build(
        [DRIFT, AGREEMENT],
        {
            "rows": Rows(
                rows[["drift", "agreement", "ratio", "advantage", "state"]], ("drift", "agreement")
            ),
            "meters": Rows(meters_, ("drift", "agreement")),
            "shares": Rows(shares, ("drift", "agreement")),
            "edges": Rows(edges),
        },
        [
            Plot(
                chart,
                "Advantage against ratio, a point a sample; its mark says whether it has a gradient.",
                width=460,
            ),
            Plot(
                meter_bars,
                "Two bars: the share of samples outside the range, and with zero gradient.",
                width=260,
            ),
        ],
        top=meters(
            meter("Outside the range: clip_fraction", "meters.clip_fraction", ".1%"),
            meter("Gradient zero: zero_gradient_fraction", "meters.zero_gradient_fraction", ".1%"),
            meter("approx_kl", "meters.kl", ".3f", "nats"),
        ),
    )
