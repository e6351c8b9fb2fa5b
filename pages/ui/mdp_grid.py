"""Chapter 1's gridworld: one step of it, and the values and sampled walks of a policy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import charts, controls, figure
from pages.ui.theme import BLUE, GREEN, GREY, VERMILION
from pgcore.studies import mdp, one_step

STATE = controls.slider(
    "state", "State: drag the agent", values=one_step.decisions(), default=one_step.decisions()[5]
)
MOVE = controls.choice("move", "Action", list(one_step.ARROWS))
ICE = controls.slider("ice", "Slip: how often the floor wins", 0.0, 0.6, 0.1, default=0.2)

SLIP = controls.slider("slip", "Slip", values=(0.0, 0.1, 0.2, 0.3, 0.4, 0.6), default=0.2)
STEP_REWARD = controls.slider(
    "step_reward",
    "Step reward",
    values=(-2.0, -1.0, -0.5, -0.2, -0.1, -0.04, -0.01, 0.0, 0.1),
    default=-0.04,
)
GAMMA = controls.GAMMA
NEGLIGIBLE = mdp.NEGLIGIBLE
POLICY = controls.choice("policy", "Policy", mdp.POLICIES)
SAMPLE = controls.slider("sample", "Sample (seed)", 1, 20, 1, default=19)
EPISODES = controls.slider(
    "episodes", "Episodes", values=[2**i for i in range(1, 11)], default=64, play=True
)

_COL = charts.Axis("col", domain=(1, 2, 3, 4), kind="O", hidden=True)
_ROW = charts.Axis("row", domain=(1, 2, 3), kind="O", hidden=True)
_FLOOR, _WALL = "rgba(138,143,152,0.12)", "rgba(138,143,152,0.75)"
_KINDS = {
    "floor": _FLOOR,
    "start": _FLOOR,
    "wall": _WALL,
    "goal": "rgba(0,158,115,0.5)",
    "pit": "rgba(213,94,0,0.5)",
}
_HEIGHT = 320


def _labelled(words: dict[str, str]) -> figure.Rows:
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
        "probability", (0, 1), ("rgba(86,180,233,0.1)", "rgba(86,180,233,0.9)"), legend=False
    )
    chart = charts.layers(
        charts.cells("squares", _COL, _ROW, charts.Color("kind", _KINDS, legend=False)),
        charts.cells("outcomes", _COL, _ROW, shade),
        charts.cells("squares", _COL, _ROW, "transparent", stroke=GREY, strokeWidth=1),
        charts.labels("named", _COL, _ROW, "label", dy=40, fontSize=13),
        charts.labels("exits", _COL, _ROW, "label", fontSize=15, fontWeight="bold"),
        charts.labels("outcomes", _COL, _ROW, "said", dy=-36, fontSize=13, fontWeight="bold"),
        charts.points("choice", _COL, _ROW, BLUE, name="marker", size=900),
        charts.labels("choice", _COL, _ROW, "arrow", "white", fontSize=22, fontWeight="bold"),
        charts.labels("choice", _COL, _ROW, "named", dy=25, fontSize=13),
        height=_HEIGHT,
    )
    return figure.build(
        [STATE, MOVE, ICE],
        {
            "squares": figure.Rows(squares),
            "named": figure.Rows(named),
            "exits": _labelled({"goal": "reward +1", "pit": "reward −1"}),
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


@st.cache_data(show_spinner=False)
def value_figure() -> figure.Figure:
    """Exact values and greedy arrows; the server adds sampled walks and their mean."""
    rows = mdp.values(SLIP.values, STEP_REWARD.values, GAMMA.values)
    by = ("slip", "step_reward", "gamma", "policy")
    start = one_step.squares().query("kind == 'start'").state.item()
    shade = charts.Shade(
        "value",
        (-1, 0, 1),
        ("rgba(213,94,0,0.6)", "rgba(138,143,152,0.1)", "rgba(0,114,178,0.6)"),
        legend=False,
    )
    walk_x = charts.Axis("x", domain=(0.5, 4.5), hidden=True)
    walk_y = charts.Axis("y", domain=(0.5, 3.5), reverse=True, hidden=True)
    ends = charts.Color("end", dict(zip(mdp.ENDS, (GREEN, VERMILION, GREY), strict=True)))
    walked = charts.line(
        "walks", walk_x, walk_y, ends, order="step", split="walk", strokeWidth=2, opacity=0.7
    )
    grid = charts.layers(
        charts.cells("fixed", _COL, _ROW, charts.Color("kind", _KINDS, legend=False)),
        charts.cells("values", _COL, _ROW, shade, stroke=GREY, strokeWidth=1),
        walked,
        charts.labels("words", _COL, _ROW, "label", dy=-36, fontSize=13),
        charts.labels("exits", _COL, _ROW, "label", fontSize=15, fontWeight="bold"),
        charts.labels("values", _COL, _ROW, "value", format=".2f", dy=32, fontSize=15),
        charts.labels("values", _COL, _ROW, "arrow", fontSize=24, fontWeight="bold"),
        height=_HEIGHT,
    ).resolve_scale(x="independent", y="independent", color="independent")
    n = charts.Axis("episodes", "Episodes", (2, 1024), log=True, ticks=EPISODES.values)
    mean = charts.Axis("mean", "Mean return")
    closing = charts.layers(
        charts.area("means", n, mean.of("low"), mean.of("high"), BLUE),
        charts.line("means", n, mean, BLUE),
        charts.line("means", n, mean.of("exact"), GREEN, strokeDash=[6, 4]),
        charts.points("now", n, mean, VERMILION, name="mean", size=160),
        height=_HEIGHT,
    )
    squares = one_step.squares()
    return figure.build(
        [SLIP, STEP_REWARD, GAMMA, POLICY, SAMPLE, EPISODES],
        {
            "values": figure.Rows(rows, by),
            "start": figure.Rows(rows[rows.state == start][[*by, "value"]], by),
            "fixed": figure.Rows(squares[squares.kind.isin(["wall", "goal", "pit"])]),
            "exits": _labelled({"goal": "+1", "pit": "−1"}),
            "words": _labelled({"start": "start"}),
        },
        [
            figure.Plot(
                grid,
                "The grid with the exact value of every state, the best move as an arrow, and the "
                "last few sampled walks as lines.",
                width=380,
            ),
            figure.Plot(
                closing,
                "The mean of the sampled returns against the number of episodes, a band of two "
                "standard errors around it, and the exact value as a dashed line.",
                drag={"x": "episodes"},
                width=380,
            ),
        ],
        body=figure.meters(
            figure.meter("Exact value of start", "start.value", "+.3f"),
            figure.meter("Sampled mean return", "now.mean", "+.3f"),
            figure.meter("Standard error", "now.standard_error", ".3f"),
            figure.meter("Off, in standard errors", "now.off", "+.1f"),
            figure.meter("Ended at +1", "now.goal", ".0%"),
            figure.meter("At −1", "now.pit", ".0%"),
        ),
        live=("walks", "means", "now"),
    )


@st.cache_data(show_spinner=False, max_entries=500)
def _sampled(
    slip: float, step_reward: float, gamma: float, policy: str, sample: int
) -> dict[str, pd.DataFrame]:
    solved = mdp.solve(slip, step_reward, gamma, policy)
    counts = EPISODES.values
    episodes, returns = mdp.play(solved, gamma, counts[-1], sample)
    smooth = np.unique(np.geomspace(counts[0], counts[-1], 80).round().astype(int))
    now = mdp.running_mean(returns, solved.start_value, counts)
    now["off"] = (now["mean"] - now.exact) / now.standard_error.where(now.standard_error > 1e-12)
    ends = mdp.endings(solved.world, episodes)
    for name, word in (("goal", mdp.ENDS[0]), ("pit", mdp.ENDS[1])):
        now[name] = [(ends[:n] == word).mean() for n in counts]
    return {
        "walks": mdp.walks(solved.world, episodes, counts),
        "means": mdp.running_mean(returns, solved.start_value, smooth.tolist()),
        "now": now,
    }


def _live(**values: float | str) -> dict[str, figure.Rows]:
    frames = _sampled(**values)
    return {
        "walks": figure.Rows(frames["walks"], ("episodes",)),
        "means": figure.Rows(frames["means"]),
        "now": figure.Rows(frames["now"], ("episodes",)),
    }


SAMPLES = figure.Live(("slip", "step_reward", "gamma", "policy", "sample"), _live)


def default_error() -> tuple[float, int]:
    """The standard error that the figure opens with, and after how many episodes."""
    controls_now = (SLIP, STEP_REWARD, GAMMA, POLICY, SAMPLE)
    now = _sampled(**{control.name: control.default for control in controls_now})["now"]
    error = now.set_index("episodes").standard_error[EPISODES.default]
    return float(error), EPISODES.default
