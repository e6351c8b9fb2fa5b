"""Chapter 5: many epochs on one sample, and a batch with its two meters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import controls
from pages.ui.charts import Axis, Color, bars, cells, layers, line, points, rules
from pages.ui.figure import Figure, Plot, Rows, build, meter, meters, sentence, table
from pages.ui.ppo_clip_figures import BETA, EPS, FOUR, FULL, SIGN, SIGNS
from pages.ui.theme import BLUE, GREEN, GREY, VERMILION

EPOCH = controls.slider("epoch", "Epochs on the same batch", 0, 20, default=10, play=True)
RATE = controls.slider(
    "rate", "Learning rate", values=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5), default=1
)
SHARE = controls.slider("share", "Shared weights", values=(0, 0.3, 0.6, 0.9), default=0)
PUSH = controls.choice("push", "Advantage", SIGN.values)

DRIFT = controls.slider("drift", "Drift: spread of log r", 0, 0.5, 0.05, default=0.25)
AGREEMENT = controls.slider(
    "agreement", "Agreement with the advantages", -1, 1.0, 0.25, default=0.0
)
BATCH, SEED = 300, 0


@st.cache_data(show_spinner="Running every setting of the next figure, once…")
def epochs() -> Figure:
    """The ratio of one sample over many epochs, and why it is where it is."""
    from pgcore.studies import ppo_clip, ppo_epochs

    optimizer = optimizer_control()
    rows = ppo_epochs.paths(
        RATE.values,
        optimizer.values,
        SHARE.values,
        list(SIGNS),
        EPOCH.values[-1],
        EPS.default,
        BETA.default,
    )
    rows = rows.rename(columns={"push": "gradient"})
    rows["push"] = rows["advantage"].map(SIGNS)
    own = ["epoch", "ratio", "gradient", "words", "place"]
    settings = ("rate", "optimizer", "share", "push")
    clip = rows.loc[rows["name"] == ppo_clip.PPO, [*settings, *own]]
    clip = clip.assign(tone=np.where(clip["place"] == ppo_clip.PLACES[1], "good", "bad"))
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
        line("paths", x, y, FOUR),
        points("here", x, y, BLUE, size=220, name="marker"),
        height=280,
    )
    below = layers(
        here,
        line("paths", x, push, replace(FOUR, legend=False)),
        points("here", x, push, BLUE, size=160),
        height=140,
    )
    return build(
        [PUSH, optimizer, EPOCH, RATE, SHARE],
        {
            "paths": Rows(rows[columns], settings),
            "here": Rows(clip, (*settings, "epoch")),
            "all": Rows(rows[columns], (*settings, "epoch")),
            "edges": Rows(edge),
        },
        [
            Plot(
                above,
                "The ratio of one sample against epochs, a line for each of four objectives; the "
                "range from 1 − ε to 1 + ε is shaded.",
                {"x": "epoch"},
                width=FULL,
            ),
            Plot(
                below,
                "Gradient of the sample's own objective against epochs, for the same four.",
                {"x": "epoch"},
                width=FULL,
            ),
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
                "Advantage against ratio, a point a sample, marked by whether it has a gradient.",
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
