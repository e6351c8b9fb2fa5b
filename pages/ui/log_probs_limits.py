"""Chapter 2's figures that need no policy: the coin, and the limits of float32."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import charts, controls, figure
from pages.ui.theme import BLUE, GREY, ORANGE, PURPLE, VERMILION
from pgcore.studies import float32, log_probs

HEADS = controls.slider("heads", "Probability of heads p", 0.01, 0.99, 0.01, default=0.8)
STEP_PROB = controls.slider(
    "each",
    "Probability of each action",
    values=(*(i / 20 for i in range(1, 20)), 0.99),
    default=0.9,
)
STEPS = controls.slider("factors", "Steps multiplied", values=(1, *range(10, 501, 10)), default=500)
LOG_RATIO = controls.slider("difference", "ln A − ln B", -3.0, 3.0, 0.25, default=0.5)
LOG_B = controls.slider("log_b", "ln B", -110.0, -75.0, 0.25, default=-102.0)
OUTCOMES = {
    "right": BLUE,
    "imprecise": ORANGE,
    "zero": PURPLE,
    "infinite": VERMILION,
    "not a number": GREY,
}


def minus(text: str) -> str:
    """With the typographic minus that the figures use."""
    return text.replace("-", "−")


@st.cache_data(show_spinner=False)
def coin() -> figure.Figure:
    """ln p and the entropy of a coin, against p."""
    frame = log_probs.coin().rename(columns={"prob": "heads"})
    p = charts.Axis("heads", HEADS.label, (0, 1))
    log_p = charts.Axis("log_prob", "ln p", (-5, 0))
    entropy = charts.Axis("entropy", "Entropy H (nats)", (0, 0.8))
    plots = [
        charts.layers(
            charts.line("curve", p, y, BLUE),
            charts.rules("marker", p, None, GREY),
            charts.points("marker", p, y, VERMILION, name=name, size=200),
            height=220,
        )
        for y, name in ((log_p, "marker"), (entropy, "entropy"))
    ]
    about = "The natural logarithm of p against p", "The entropy of the coin against p"
    return figure.build(
        [HEADS],
        {"curve": figure.Rows(frame), "marker": figure.Rows(frame, ("heads",))},
        [
            figure.Plot(plot, text, drag={"x": "heads"})
            for plot, text in zip(plots, about, strict=True)
        ],
        body=figure.meters(
            figure.meter("ln π(heads)", "marker.log_prob", "+.3f"),
            figure.meter("ln π(tails)", "marker.log_prob_tails", "+.3f"),
            figure.meter("Logit: their difference", "marker.logit", "+.3f"),
            figure.meter("Entropy", "marker.entropy", ".3f", "nats"),
        ),
    )


@st.cache_data(show_spinner=False)
def underflow() -> figure.Figure:
    """The logarithm of a product of probabilities, and the sum of their logarithms."""
    curves, gradients = [], []
    for prob in STEP_PROB.values:
        curves.append(float32.underflow(prob, max(STEPS.values)).assign(each=prob))
        naive, stable = float32.underflow_gradients(prob, max(STEPS.values))
        gradients.append({"each": prob, "naive": f"{naive:.1f}", "stable": f"{stable:.1f}"})
    frame = pd.concat(curves).rename(columns={"step": "factors"})
    read = frame[frame.factors.isin(STEPS.values)].copy()
    read["product"] = [minus(f"{value:.3g}") for value in read["product"]]
    read["naive"] = [minus(f"{value:.2f}") for value in read.log_of_product]
    frame["log_of_product"] = frame.log_of_product.replace(-np.inf, np.nan)
    floor = pd.DataFrame({"floor": [math.log(float32.SMALLEST_FLOAT32)]})
    lowest = minus(f"{floor.floor[0]:.1f}")
    floor["words"] = f"ln of the smallest float32 above 0: {lowest}"
    floor["factors"] = max(STEPS.values)
    x = charts.Axis("factors", STEPS.label, (0, max(STEPS.values) + 10))
    y = charts.Axis("sum_of_logs", "Sum of logs (blue), log of product (orange)", (-400, 0))
    chart = charts.layers(
        charts.rules("floor", None, y.of("floor"), GREY, strokeDash=[6, 4]),
        charts.labels("floor", x, y.of("floor"), "words", align="right", dy=-10),
        charts.line("curve", x, y, BLUE),
        charts.line("curve", x, y.of("log_of_product"), VERMILION, strokeWidth=7, opacity=0.7),
        charts.rules("marker", x, None, GREY),
        charts.points("marker", x, y, BLUE, name="marker", size=180),
        height=280,
    )
    return figure.build(
        [STEP_PROB, STEPS],
        {
            "curve": figure.Rows(frame.drop(columns="product"), ("each",)),
            "marker": figure.Rows(read.drop(columns="log_of_product"), ("each", "factors")),
            "gradient": figure.Rows(pd.DataFrame(gradients), ("each",)),
            "floor": figure.Rows(floor),
        },
        [
            figure.Plot(
                chart,
                "Log of the product and sum of the logs against the number of steps",
                drag={"x": "factors"},
                width=2000,
            )
        ],
        body=figure.meters(
            figure.meter("Product, float32", "marker.product"),
            figure.meter("Its logarithm", "marker.naive"),
            figure.meter("Sum of logs", "marker.sum_of_logs", ".2f"),
            figure.meter(
                f"Gradient of the log of the product, {max(STEPS.values)} steps", "gradient.naive"
            ),
            figure.meter(f"Gradient of the sum, {max(STEPS.values)} steps", "gradient.stable"),
        ),
    )


@st.cache_data(show_spinner=False)
def ratio() -> figure.Figure:
    """A / B by dividing probabilities, as a multiple of exp(ln A - ln B), for ever smaller B."""
    frame = pd.concat([float32.ratios(gap).assign(difference=gap) for gap in LOG_RATIO.values])
    frame["relative"] = (frame.naive / frame.stable).replace(np.inf, np.nan)
    frame["one"], frame["low"], frame["high"] = 1.0, -0.35, -0.15
    frame["next"] = frame.log_b - 0.25
    frame["naive_words"] = [minus(f"{value:.4g}") for value in frame.naive]
    x = charts.Axis("log_b", "ln B", (-110, -75), reverse=True)
    y = charts.Axis("relative", "Naive ratio as a multiple of the right one", (-0.4, 2))
    color = charts.Color("outcome", OUTCOMES)
    chart = charts.layers(
        charts.line("curve", x, y.of("one"), BLUE),
        charts.points("curve", x, y, color, size=40),
        charts.cells("curve", x, y.of("low"), color, x2=x.of("next"), y2=y.of("high")),
        charts.rules("marker", x, None),
        charts.points("marker", x, y, color, name="marker", size=200),
        height=300,
    )
    return figure.build(
        [LOG_RATIO, LOG_B],
        {
            "curve": figure.Rows(frame, ("difference",)),
            "marker": figure.Rows(frame, ("difference", "log_b")),
        },
        [
            figure.Plot(
                chart,
                "The naive ratio, divided by the right one, against ln B: right, then in coarse "
                "steps, then infinite or zero, then not a number",
                drag={"x": "log_b"},
                width=2000,
            )
        ],
        body=figure.meters(
            figure.meter("exp(ln A) / exp(ln B)", "marker.naive_words"),
            figure.meter("The division is", "marker.outcome"),
            figure.meter("exp(ln A − ln B)", "marker.stable", ".3f"),
        ),
    )
