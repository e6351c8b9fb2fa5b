"""Chapter 6's third figure: bias and spread of GAE where the true advantages are known."""

from __future__ import annotations

import streamlit as st

from pages.ui import controls
from pages.ui.charts import Axis, Color, layers, line, points, rules
from pages.ui.figure import Figure, Plot, Rows, build, meter, meters
from pages.ui.theme import BLUE, GREEN, GREY, ORANGE, VERMILION
from pgcore.studies import gae_bias

LAM = controls.LAM
ERROR = controls.slider("error", "How wrong V is", 0.0, 1.0, 0.1, default=0.5)
AVERAGED = controls.slider("averaged", "Estimates averaged", values=(1, 4, 16, 64, 256), default=4)
LAM_BIAS = controls.slider("lam_bias", "GAE λ", values=LAM.values, default=LAM.default)


@st.cache_data(show_spinner=False)
def bias() -> Figure:
    """Bias, spread and their sum against lambda, where the true advantages are known."""
    problem = gae_bias.known()
    table = gae_bias.bias_variance(problem, ERROR.values, LAM.values, AVERAGED.values)
    table = table.rename(columns={"lam": LAM_BIAS.name, "batch": "averaged"})
    names = {"bias": "bias", "spread": "spread", "rmse": "total error"}
    long = table.melt(["error", "averaged", LAM_BIAS.name], list(names), "part", "size").replace(
        {"part": names}
    )
    said = gae_bias.value_tables(problem, ERROR.values)
    value_names = {"true": "true V", "said": "what the network says"}
    values = said.melt(["error", "state"], list(value_names), "whose", "V").replace(
        {"whose": value_names}
    )

    x = Axis(LAM_BIAS.name, "GAE λ", (-0.02, 1.02))
    y = Axis("size", "Error of the advantage, in units of reward", (0, 1.02 * table["rmse"].max()))
    parts = Color(
        "part",
        dict(zip(names.values(), (ORANGE, BLUE, GREY), strict=True)),
        dashes=([8, 4], [2, 2], []),
    )
    best = table[table["best"]].assign(name="least error")
    curves = layers(
        rules("best", x, color=GREEN, strokeDash=[4, 4]),
        line("curves", x, y, parts),
        points("marker", x, y.of("rmse"), VERMILION, name="marker", size=200),
        height=320,
    )
    ticks = range(1, gae_bias.N_STATES + 1)
    states = Axis("state", "State of the corridor", (0.5, ticks[-1] + 0.5), ticks=ticks)
    V = Axis("V", "Value", (1.1 * said["true"].min(), 1.1 * said["true"].max()))
    whose = Color(
        "whose",
        dict(zip(value_names.values(), (GREY, BLUE), strict=True)),
        shapes=("circle", "triangle-up"),
    )
    network = layers(points("values", states, V, whose, size=120), height=320)
    by = ("error", "averaged")
    return build(
        [ERROR, AVERAGED, LAM_BIAS],
        {
            "curves": Rows(long, by),
            "marker": Rows(table.drop(columns="best"), (*by, LAM_BIAS.name)),
            "best": Rows(best[["error", "averaged", LAM_BIAS.name, "rmse"]], by),
            "values": Rows(values, ("error",)),
        },
        [
            Plot(
                curves,
                "Bias, spread and total error of the advantage against lambda; a dashed line "
                "marks the lambda with the least error.",
                drag={"x": LAM_BIAS.name},
                width=420,
            ),
            Plot(network, "True value of each state and what the value network says."),
        ],
        body=meters(
            meter("Bias", "marker.bias", ".2f"),
            meter("Spread", "marker.spread", ".2f"),
            meter("Total error", "marker.rmse", ".2f"),
            meter("Best λ here", f"best.{LAM_BIAS.name}", ".2f"),
        ),
    )
