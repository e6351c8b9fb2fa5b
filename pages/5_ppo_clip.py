import streamlit as st

from pages.ui import chapter, charts, controls, figure, predict, source
from pages.ui.theme import BLUE, GREY, VERMILION

chapter.head(__file__)

from pgcore.losses import clipped_surrogate  # noqa: E402
from pgcore.studies import ppo_clip  # noqa: E402

RATIO = controls.slider("ratio", "Ratio", 0.02, 2.0, 0.02, default=1.4)
ADVANTAGE = controls.slider("advantage", "Advantage", -2.0, 2.0, 0.25, default=1.0)
EPS = controls.CLIP_EPS


@st.cache_data(show_spinner=False)
def objective_figure() -> figure.Figure:
    rows = ppo_clip.objective(RATIO.values, ADVANTAGE.values, EPS.values)
    x = charts.Axis("ratio", "Ratio", (0, 2))
    y = charts.Axis("objective", "Objective", (-4, 4))
    chart = charts.layers(
        charts.line("curve", x, y.of("unclipped"), GREY, strokeDash=[4, 4]),
        charts.line("curve", x, y, BLUE),
        charts.points("marker", x, y, VERMILION, name="marker", size=200),
    )
    slope = charts.Axis("slope", "Slope (autograd)", (-2.2, 2.2))
    below = charts.layers(
        charts.line("curve", x, slope, BLUE),
        charts.points("marker", x, slope, VERMILION, size=200),
        height=120,
    )
    return figure.build(
        [RATIO, ADVANTAGE, EPS],
        {
            "curve": figure.Rows(rows, ("advantage", "eps")),
            "marker": figure.Rows(rows, ("advantage", "eps", "ratio")),
        },
        [
            figure.Plot(chart, "Objective against the ratio", drag={"x": "ratio"}, width=2000),
            figure.Plot(below, "Slope of the objective", drag={"x": "ratio"}, width=2000),
        ],
        body=figure.meters(figure.meter("Objective", "marker.objective", "+.3f")),
    )


figure.show("clip", objective_figure())
source.show(clipped_surrogate, "torch.minimum")
predict.ask(
    "outside",
    "Is the gradient zero wherever the ratio is outside the range?",
    [
        predict.Option("Yes", "Outside is not enough: min has to pick the clipped branch."),
        predict.Option("No", "Only on the side that the advantage likes.", right=True),
    ],
)
chapter.foot(__file__)
