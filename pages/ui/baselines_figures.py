"""The figures of chapter 4, and what their sliders can be set to."""

from __future__ import annotations

import altair as alt
import streamlit as st

from pages.ui import controls
from pages.ui.charts import Axis, Color, labels, layers, line, points, rules
from pages.ui.figure import Figure, Plot, Rows, build, meter, meters, sentence, table
from pages.ui.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION
from pgcore.studies import baseline_figures as study
from pgcore.studies import gradient_variance
from pgcore.studies.baselines import ACTIONS

BASELINE = controls.slider("baseline", "Baseline b", 0.0, 20.0, 0.5, default=0.0)
PROB_C = controls.slider(
    "prob_c", "Probability of C, the best action", values=(0.1, 0.3, 0.5, 0.7, 0.9), default=0.7
)
BATCH = controls.slider("batch", "Samples averaged in each dot", values=(1, 4, 16), default=4)
LEVEL = controls.slider("level", "Constant b", 0, 20, default=10)
LOOK = controls.slider("look", "How much b looks at the action, c", 0.0, 1.0, 0.1, default=0.0)
UPDATES = controls.slider(
    "updates", "Training so far", values=gradient_variance.UPDATES, default=10, unit="updates"
)
N_BATCHES, N_SAMPLES = 200, 2000

LANDMARK_COLORS = {"least variance": GREEN, "mean reward": ORANGE}
ACTION_COLORS = dict(zip(ACTIONS, (ORANGE, PURPLE, GREEN), strict=True))
LENGTHS = {
    "action": ("Action", ""),
    "reward": ("Reward", ".0f"),
    "prob": ("π(a)", ".2f"),
    "score2": ("|∇ log π(a)|²", ".2f"),
    "weight": ("Its reward's share in the best b", ".0%"),
}
TERMS = {
    "action": ("Action", ""),
    "prob": ("π(a)", ".2f"),
    "value": ("b(a)", "+.2f"),
    **{f"term_{name}": (f"π(a) b(a) ∂log π(a)/∂θ_{name}", "+.3f") for name in ACTIONS},
}
METHODS = {
    "method": ("Weight of each step", ""),
    "share": ("Variance", ".1%"),
    "episodes_needed": ("Episodes needed", ".1f"),
    "length": ("Length of the mean", ".0f"),
    "cosine": ("Its cosine with the value baseline's", ".2f"),
}


@st.cache_data(show_spinner=False)
def slide() -> Figure:
    """The mean that stays and the spread that does not."""
    curve = study.variances(PROB_C.values, BASELINE.values)
    most = float(curve["variance"].max())
    landmarks = study.landmarks(PROB_C.values)
    # Two heights for their names, which would overlap where the lines are close.
    landmarks["height"] = landmarks["name"].map(
        {"least variance": 0.97 * most, "mean reward": 0.87 * most}
    )
    sampled = study.sampled_variances(PROB_C.values, BASELINE.values[::4], N_SAMPLES)
    clouds = study.clouds(PROB_C.values, BASELINE.values, BATCH.values, N_BATCHES)

    x = Axis("baseline", "Baseline b", (BASELINE.values[0] - 0.5, BASELINE.values[-1] + 0.5))
    y = Axis("variance", "Variance of one sample", (-0.04 * most, most))
    color = Color("name", LANDMARK_COLORS, legend=False)
    parabola = layers(
        rules("landmarks", x, color=color, strokeDash=[4, 4]),
        labels("landmarks", x, y.of("height"), "name", fontSize=13, align="left", dx=5),
        line("curve", x, y, BLUE),
        points("sampled", x, y, GREY, size=50),
        points("marker", x, y, VERMILION, name="marker", size=220),
        height=280,
    )
    a, b = (
        Axis(f"grad_{name}", f"Push on the logit of {name}", (-14, 9), ticks=(-10, -5, 0, 5))
        for name in ACTIONS[:2]
    )
    size = alt.Size("count:Q", scale=alt.Scale(domain=[1, N_BATCHES], range=[40, 900]), legend=None)
    cloud = layers(
        points("cloud", a, b, BLUE, opacity=0.45, encode={"size": size}),
        points("marker", a.of("mean_A"), b.of("mean_B"), VERMILION, size=260, shape="cross"),
        height=280,
    )
    means = (meter(f"Mean push on {name}", f"marker.mean_{name}", "+.2f") for name in ACTIONS)
    return build(
        [BASELINE, PROB_C, BATCH],
        {
            "curve": Rows(curve, ("prob_c",)),
            "marker": Rows(curve, ("prob_c", "baseline")),
            "landmarks": Rows(landmarks, ("prob_c",)),
            "lengths": Rows(study.score_lengths(PROB_C.values), ("prob_c",)),
            "sampled": Rows(sampled, ("prob_c",)),
            "cloud": Rows(clouds, ("prob_c", "baseline", "batch")),
        },
        [
            Plot(
                parabola,
                "Variance of the gradient estimate against the baseline: a parabola. Dashed lines "
                "mark its lowest point and the mean reward; grey dots are measured on samples.",
                drag={"x": "baseline"},
            ),
            Plot(
                cloud,
                "Sampled gradient estimates as dots around their exact mean, a cross. The dots "
                "move with the baseline, the cross does not.",
            ),
        ],
        body=sentence("marker.pushes")
        + meters(
            *means,
            meter("Variance of one sample", "marker.variance", ".2f"),
            meter("Samples needed, against the best b", "marker.excess", ".1f", "times"),
        )
        + table("lengths", LENGTHS),
    )


@st.cache_data(show_spinner=False)
def walk() -> Figure:
    """The three terms of the baseline, head to tail: a closed path, until b looks at a."""
    terms = study.terms(LEVEL.values, LOOK.values)
    shares = study.dependence(LEVEL.values, LOOK.values)
    names = {"gradient_left": "expected gradient", "variance_left": "variance"}
    long = shares.melt(["level", "look"], list(names), "what", "left").replace({"what": names})

    a, b = (Axis(f"from_{name}", f"Push on the logit of {name}", (-1.5, 4)) for name in ACTIONS[:2])
    ends = {"x2": a.of("to_A"), "y2": b.of("to_B")}
    head = a.of("to_A"), b.of("to_B")
    color = Color("action", ACTION_COLORS, "Term of action", shapes=("circle", "square", "diamond"))
    path = layers(
        rules("steps", a, b, color, **ends, strokeWidth=4),
        points("steps", *head, color, size=110),
        rules("gap", a, b, VERMILION, **ends, strokeWidth=4, strokeDash=[6, 4]),
        height=300,
    )
    x = Axis("look", "How much b looks at the action, c", (-0.03, 1.03), ticks=LOOK.values[::2])
    y = Axis("left", "Share left", (0, float(long["left"].max())), format=".0%")
    colors = dict(zip(names.values(), (VERMILION, BLUE), strict=True))
    two = Color("what", colors, dashes=([], [6, 3]))
    left = layers(
        line("shares", x, y, two),
        points("marker", x, y.of("variance_left"), BLUE, size=140),
        points("marker", x, y.of("gradient_left"), VERMILION, name="marker", size=200),
        height=300,
    )
    return build(
        [LEVEL, LOOK],
        {
            "terms": Rows(terms, ("level", "look")),
            "steps": Rows(terms[terms["action"] != "sum"], ("level", "look")),
            "gap": Rows(terms[terms["action"] == "sum"], ("level", "look")),
            "shares": Rows(long, ("level",)),
            "marker": Rows(shares, ("level", "look")),
        },
        [
            Plot(
                path,
                "The baseline's three terms laid head to tail. With a constant baseline the path "
                "ends where it started; otherwise a dashed line shows the gap, which is the bias.",
            ),
            Plot(
                left,
                "Share of the true gradient and of the variance that are left, against how much "
                "the baseline looks at the action.",
                drag={"x": "look"},
            ),
        ],
        body=table("terms", TERMS)
        + meters(
            meter("Bias, length of the gap", "marker.bias", ".3f"),
            meter("Expected gradient left", "marker.gradient_left", ".0%"),
            meter("Variance left", "marker.variance_left", ".0%"),
        ),
    )


@st.cache_data(show_spinner=False)
def cartpole() -> Figure:
    """Five weights on the same stored episodes."""
    frame = gradient_variance.stored()
    y = Axis("method", "", tuple(frame["method"].unique()), kind="N")
    share, needed = (
        Axis(column, title, domain, log=True, format="~g", ticks=ticks)
        for column, title, domain, ticks in (
            ("share", "Variance, full return = 1", (0.001, 2), (0.001, 0.01, 0.1, 1)),
            ("episodes_needed", "Episodes until noise = gradient", (0.5, 250), (1, 10, 100)),
        )
    )
    spread = layers(
        rules("rows", share.of("share_low"), y, BLUE, x2=share.of("share_high"), strokeWidth=3),
        points("rows", share, y, BLUE, name="marker", size=160),
        height=220,
    )
    cost = layers(points("rows", needed, y, VERMILION, size=160), height=220)
    return build(
        [UPDATES],
        {"rows": Rows(frame, ("updates",))},
        [
            Plot(spread, "Variance of each method relative to the full return, log scale."),
            Plot(cost, "Episodes that each method needs, log scale."),
        ],
        body=meters(
            meter("Mean return of these episodes", "rows.mean_return", ".0f"),
            meter("Variance of returns that V explains", "rows.explained_variance", ".0%"),
        )
        + table("rows", METHODS),
    )
