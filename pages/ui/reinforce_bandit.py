"""Chapter 3's figures on a bandit: the estimator, reward-to-go, the loss."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from pages.ui import charts, controls, figure
from pages.ui.reinforce_figures import reach_of
from pages.ui.theme import BLUE, GREY, VERMILION
from pgcore.studies import score_function

BATCH = controls.slider(
    "batch", "Pulls in a batch", values=tuple(2**i for i in range(10)), default=8, play=True
)
NOISE = controls.slider("noise", "Noise of a reward σ", values=(0, 1, 2, 4), default=1)
HORIZON = controls.slider(
    "horizon", "Steps in an episode", values=(1, 2, 3, 5, 10, 20, 30, 40, 50), default=1
)
OFFSET = controls.slider("offset", "Added to every reward", -4, 4, 2, default=0)
EQUAL = (0.0, 0.0, 0.0)
WEIGHTING_COLORS = dict(zip(score_function.WEIGHTINGS, (VERMILION, BLUE), strict=True))


@st.cache_data(show_spinner="Pulling arms…")
def estimator() -> figure.Figure:
    """Sampled gradients as arrows, and their spread against the batch."""
    exact = score_function.exact_gradient(EQUAL).tolist()
    arrows, spreads = [], []
    for noise in NOISE.values:
        arrow, spread = score_function.batches(EQUAL, noise, BATCH.values)
        slope, fitted = score_function.slope(spread)
        arrows.append(arrow.assign(noise=noise))
        spreads.append(spread.assign(noise=noise, fitted=fitted, slope=slope))
    scatter = pd.concat(spreads)
    truth = pd.DataFrame([dict(zip(score_function.ARMS, exact, strict=True), word="exact")])
    x = charts.Axis("batch", BATCH.label, (0.9, 570), log=True, ticks=BATCH.values[::2])
    y = charts.Axis("spread", "Spread of the estimates", (0.05, 10), log=True, ticks=(0.1, 1, 10))
    ladder = charts.layers(
        charts.line("ladder", x, y.of("fitted"), GREY, strokeWidth=2),
        charts.points("ladder", x, y, BLUE, size=50),
        charts.points("spread", x, y, VERMILION, name="spread", size=200),
        height=320,
    )
    return figure.build(
        [BATCH, NOISE],
        {
            "arrows": figure.Rows(_tails(pd.concat(arrows)), ("batch", "noise")),
            "exact": figure.Rows(_tails(truth)),
            "ladder": figure.Rows(scatter, ("noise",)),
            "spread": figure.Rows(scatter, ("batch", "noise")),
        },
        [
            figure.Plot(_arrow_chart("arrows"), "Sampled gradients as arrows"),
            figure.Plot(ladder, "Spread against batch, log axes", drag={"x": "batch"}),
        ],
        body=figure.meters(
            figure.meter("Spread at this batch", "spread.spread", ".3f"),
            figure.meter("Slope of the line, measured", "ladder.slope", "+.3f"),
        ),
    )


def _tails(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(tail=0.0)


def _arrow_chart(data: str, reach: float = 1.5, title: str = "") -> alt.LayerChart:
    x = charts.Axis("A", "Push on the logit of A", (-reach, reach))
    y = charts.Axis("C", title + "Push on the logit of C", (-reach, reach))
    start = x.of("tail"), y.of("tail")
    return charts.layers(
        charts.rules(data, *start, BLUE, x2=x, y2=y, opacity=0.5, strokeWidth=1),
        charts.points(data, x, y, BLUE, size=25, name="tip"),
        charts.rules("exact", *start, VERMILION, x2=x, y2=y, strokeWidth=4),
        charts.points("exact", x, y, VERMILION, size=160),
        height=320,
    )


@st.cache_data(show_spinner="Playing episodes…")
def weightings() -> figure.Figure:
    """Full return and reward-to-go on the same episodes: arrows, and spread against length."""
    arrows, spreads = score_function.weightings(EQUAL, 1.0, HORIZON.values)
    exact = score_function.exact_gradient(EQUAL).tolist()
    truth = pd.DataFrame([dict(zip(score_function.ARMS, exact, strict=True))])
    full, to_go = score_function.WEIGHTINGS
    wide = spreads.pivot(index="horizon", columns="weighting", values="spread").reset_index()
    wide = wide.rename(columns={full: "full", to_go: "to_go"})
    wide["samples"] = (wide.full / wide.to_go) ** 2
    x = charts.Axis("horizon", HORIZON.label, (0, max(HORIZON.values) + 1))
    y = charts.Axis("spread", "Spread of the estimates", (0, 3))
    color = charts.Color("weighting", WEIGHTING_COLORS)
    lines = charts.layers(
        charts.line("lines", x, y, color),
        charts.points("now", x, y, color, name="spread", size=160),
        height=240,
    )
    by_weighting = {name: _tails(arrows[arrows.weighting == name]) for name in WEIGHTING_COLORS}
    return figure.build(
        [HORIZON],
        {
            "full": figure.Rows(by_weighting[full], ("horizon",)),
            "to_go": figure.Rows(by_weighting[to_go], ("horizon",)),
            "exact": figure.Rows(_tails(truth)),
            "lines": figure.Rows(spreads),
            "now": figure.Rows(spreads, ("horizon",)),
            "wide": figure.Rows(wide, ("horizon",)),
        },
        [
            figure.Plot(_arrow_chart("full", 2.0, "Full return: "), f"Gradients as arrows, {full}"),
            figure.Plot(
                _arrow_chart("to_go", 2.0, "Reward-to-go: "), f"Gradients as arrows, {to_go}"
            ),
            figure.Plot(
                lines,
                "Spread of both estimates against the length of an episode",
                drag={"x": "horizon"},
                width=2000,
            ),
        ],
        body=figure.meters(
            figure.meter("Spread, full return", "wide.full", ".3f"),
            figure.meter("Spread, reward-to-go", "wide.to_go", ".3f"),
            figure.meter("Full return needs so many times the episodes", "wide.samples", ".2f"),
        ),
    )


@st.cache_data(show_spinner=False)
def loss_and_objective() -> figure.Figure:
    """REINFORCE on the bandit, a constant added to every reward: the loss, and what it is for."""
    frame = pd.concat(
        [score_function.training(offset).assign(offset=offset) for offset in OFFSET.values]
    )
    last = frame.groupby("offset", as_index=False).last()
    first = frame.groupby("offset", as_index=False).first()
    last["loss_before"], last["objective_before"] = first.loss, first.objective
    x = charts.Axis("update", "Update", (0, int(frame["update"].max())))
    loss = charts.Axis("loss", "Loss of the batch", reach_of(frame.loss.to_numpy()))
    objective = charts.Axis("objective", "Expected reward J, exact", (0, 3.2))
    return figure.build(
        [OFFSET],
        {"run": figure.Rows(frame, ("offset",)), "ends": figure.Rows(last, ("offset",))},
        [
            figure.Plot(charts.layers(charts.line("run", x, loss, VERMILION)), "Loss by update"),
            figure.Plot(
                charts.layers(charts.line("run", x, objective, BLUE)), "Expected reward by update"
            ),
        ],
        body=figure.meters(
            figure.meter("Loss, first batch", "ends.loss_before", "+.2f"),
            figure.meter("Loss, last batch", "ends.loss", "+.2f"),
            figure.meter("J at the start", "ends.objective_before", ".2f"),
            figure.meter("J at the end", "ends.objective", ".2f"),
        ),
    )
