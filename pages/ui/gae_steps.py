"""Chapter 6's main figure: every step of a real episode, and what its advantage is made of."""

from __future__ import annotations

import streamlit as st

from pages.ui import controls, gae_terms
from pages.ui.charts import Axis, bars, cells, labels, layers, points, rules
from pages.ui.figure import Figure, Plot, Rows, build, sentence
from pages.ui.theme import BLUE, GREEN, GREY, VERMILION
from pgcore.studies import gae_figures, gae_windows
from pgcore.studies.cartpole_rollout import Rollout

LAM = controls.LAM
# V was trained at 0.99; far below that every TD error only says that gamma is another one.
GAMMA = controls.slider(
    "gamma", "Discount γ", values=(0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0), default=0.99
)
STEP = controls.slider("t", "Step t", 0, gae_windows.WINDOW - 1, default=12)
FULL = 2000  # wider than any page: a plot on a row of its own


@st.cache_resource(show_spinner=False)
def rollouts() -> dict[str, Rollout]:
    """Two real rollouts, played once a process; never changed."""
    return gae_windows.rollouts()


@st.cache_data(show_spinner="Playing the rollouts, once…")
def steps() -> Figure:
    """Advantages, TD errors and n-step advantages of every step, and the terms of one."""
    window = gae_windows.windows(rollouts())["terminated"]
    table = gae_figures.advantages(window, GAMMA.values, LAM.values)
    sums = gae_figures.sums(window, GAMMA.values, LAM.values)
    kept = table[table["advantage"].notna()]
    reset = window.end_row + 1

    x = Axis("t", "Step t", (-1, gae_windows.WINDOW), ticks=range(0, gae_windows.WINDOW, 5))
    band = table[table["t"] == reset].iloc[:1].assign(low=reset - 0.5, high=reset + 0.5)
    band["fall"], band["name"] = "the pole falls", "reset row"

    def domain(*columns: str) -> tuple[float, float]:
        low = min(0.0, *(kept[column].min() for column in columns))
        high = max(0.0, *(kept[column].max() for column in columns))
        return 1.1 * low, 1.1 * high

    top = domain("advantage")
    band["height"] = top[0] * 0.9
    shade = cells("band", x.of("low"), x2=x.of("high"), color=GREY, opacity=0.3)
    advantage = Axis("advantage", "Advantage", top)
    delta = Axis("delta", "TD error δ", domain("delta"))
    above = layers(
        shade,
        labels("band", x.of("high"), advantage.of("height"), "name", align="left", dx=6),
        labels("band", x.of("low"), advantage.of("height"), "fall", align="right", dx=-6),
        bars("advantages", x, advantage, GREY, size=4),
        rules("here", x, color=VERMILION, strokeDash=[2, 3]),
        points("here", x, advantage, VERMILION, name="marker", size=200),
        height=190,
    )
    below = layers(
        shade,
        bars("advantages", x, delta, GREY, size=3),
        bars("sums", x.of("row"), delta.of("contribution"), BLUE, size=6),
        rules("here", x, color=VERMILION, strokeDash=[2, 3]),
        height=150,
    )
    n = Axis("n", "n, steps before V takes over", (0, window.end_row + 2))
    n_step_axis = Axis("n_step", "n-step advantages", (sums["n_step"].min(), sums["n_step"].max()))
    n_step = layers(
        rules("here", y=n_step_axis.of("advantage"), color=VERMILION, strokeDash=[2, 3]),
        points("sums", n, n_step_axis, GREEN, size=50),
        height=170,
    )
    weight = layers(
        bars("sums", n, Axis("n_weight", "Its weight in A", (0, 1), format=".0%"), GREEN, size=4),
        height=170,
    )
    drag = {"x": "t"}
    return build(
        [LAM, GAMMA, STEP, gae_terms.TERM],
        {
            "advantages": Rows(kept[["gamma", "lam", "t", "advantage", "delta"]], ("gamma", "lam")),
            "here": Rows(table, ("gamma", "lam", "t")),
            "sums": Rows(sums.drop(columns="td_weight"), ("gamma", "lam", "t")),
            "band": Rows(band[["low", "high", "height", "name", "fall"]]),
        },
        [
            Plot(
                above,
                "Advantage of each step of a CartPole episode that ends in a fall, and of the "
                "next episode's first steps; a point marks the chosen step.",
                drag,
                hover=True,
                width=FULL,
            ),
            Plot(
                below,
                "TD error of each step in grey; in blue, what each adds to the chosen advantage.",
                drag,
                hover=True,
                width=FULL,
            ),
            Plot(n_step, "The chosen step's n-step advantages against n."),
            Plot(weight, "The weight of each n-step advantage in the chosen advantage."),
        ],
        top=gae_terms.STYLE + gae_terms.formula() + sentence("here.words"),
        body=gae_terms.table() + gae_terms.code(),
    )
