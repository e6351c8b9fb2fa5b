"""Chapter 1's gridworld: how it is drawn, and one step of it."""

from __future__ import annotations

import streamlit as st

from pages.ui import charts, controls, figure
from pages.ui.theme import BLUE, GREY
from pgcore.studies import one_step

STATE = controls.slider(
    "state", "State: drag the agent", values=one_step.decisions(), default=one_step.decisions()[5]
)
MOVE = controls.choice("move", "Action", list(one_step.ARROWS))
ICE = controls.slider("ice", "Slip: how often the floor wins", 0.0, 0.6, 0.1, default=0.2)

COL = charts.Axis("col", domain=(1, 2, 3, 4), kind="O", hidden=True)
ROW = charts.Axis("row", domain=(1, 2, 3), kind="O", hidden=True)
_FLOOR, _WALL = "rgba(138,143,152,0.12)", "rgba(138,143,152,0.75)"
KINDS = {
    "floor": _FLOOR,
    "start": _FLOOR,
    "wall": _WALL,
    "goal": "rgba(0,158,115,0.5)",
    "pit": "rgba(213,94,0,0.5)",
}
HEIGHT = 320


def labelled(words: dict[str, str]) -> figure.Rows:
    """Squares of some kinds with a word each."""
    squares = one_step.squares()
    return figure.Rows(squares[squares.kind.isin(words)].assign(label=lambda f: f.kind.map(words)))


@st.cache_data(show_spinner=False)
def step_figure() -> figure.Figure:
    """A state, an action, and where it leads."""
    outcomes, choices = (
        frame.rename(columns={"slip": ICE.name}) for frame in one_step.one_step(ICE.values)
    )
    outcomes["said"] = [f"P = {100 * p:.0f}%" for p in outcomes.probability]
    choices["named"] = "action " + choices.move
    squares = one_step.squares()
    named = squares[squares.state > 0].assign(label=lambda f: "state " + f.state.astype(str))
    shade = charts.Shade(
        "probability", (0, 1), ("rgba(86,180,233,0.1)", "rgba(86,180,233,0.65)"), legend=False
    )
    chart = charts.layers(
        charts.cells("squares", COL, ROW, charts.Color("kind", KINDS, legend=False)),
        charts.cells("outcomes", COL, ROW, shade),
        charts.cells("squares", COL, ROW, "transparent", stroke=GREY, strokeWidth=1),
        charts.labels("named", COL, ROW, "label", dy=40, fontSize=13),
        charts.labels("exits", COL, ROW, "label", fontSize=15, fontWeight="bold"),
        charts.labels("outcomes", COL, ROW, "said", dy=-36, fontSize=13, fontWeight="bold"),
        charts.points("choice", COL, ROW, BLUE, name="marker", size=900),
        charts.labels("choice", COL, ROW, "arrow", "white", fontSize=22, fontWeight="bold"),
        charts.labels("choice", COL, ROW, "named", dy=25, fontSize=13),
        height=HEIGHT,
    )
    return figure.build(
        [STATE, MOVE, ICE],
        {
            "squares": figure.Rows(squares),
            "named": figure.Rows(named),
            "exits": labelled({"goal": "reward +1", "pit": "reward −1"}),
            "outcomes": figure.Rows(outcomes, ("ice", "state", "move")),
            "choice": figure.Rows(choices, ("ice", "state", "move")),
        },
        [
            figure.Plot(
                chart,
                "A grid of 4 by 3 squares. The agent stands in a state; an arrow shows its action; "
                "each square that it may land on shows the probability; two exits show rewards.",
                pick={"state": "state"},
            )
        ],
        body=figure.sentence("choice.words"),
    )
