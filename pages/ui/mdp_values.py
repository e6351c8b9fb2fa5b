"""Chapter 1's gridworld: the exact values of a policy, its sampled walks and their mean return."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import charts, controls, figure
from pages.ui.mdp_grid import COL, HEIGHT, KINDS, ROW, labelled
from pages.ui.theme import BLUE, GREEN, GREY, VERMILION
from pgcore.studies import mdp, one_step

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
SAMPLE = controls.slider("sample", "Sample (seed)", 1, 20, 1, default=4)
EPISODES = controls.slider(
    "episodes", "Episodes", values=[2**i for i in range(1, 11)], default=32, play=True
)


@st.cache_data(show_spinner=False)
def value_figure() -> figure.Figure:
    """Exact values and greedy arrows; the server adds sampled walks and their mean."""
    rows = mdp.values(SLIP.values, STEP_REWARD.values, GAMMA.values)
    by = ("slip", "step_reward", "gamma", "policy")
    start = one_step.squares().query("kind == 'start'").state.item()
    # Vega mixes hues on the way from one colour to the next: each side fades within its own.
    shade = charts.Shade(
        "value",
        (-1, -1e-3, 1e-3, 1),
        ("rgba(213,94,0,0.3)", "rgba(213,94,0,0)", "rgba(0,114,178,0)", "rgba(0,114,178,0.6)"),
        legend=False,
    )
    walk_x = charts.Axis("x", domain=(0.5, 4.5), hidden=True)
    walk_y = charts.Axis("y", domain=(0.5, 3.5), reverse=True, hidden=True)
    ends = charts.Color("end", dict(zip(mdp.ENDS, (GREEN, VERMILION, GREY), strict=True)))
    walked = charts.line(
        "walks", walk_x, walk_y, ends, order="step", split="walk", strokeWidth=2, opacity=0.7
    )
    grid = charts.layers(
        charts.cells("fixed", COL, ROW, charts.Color("kind", KINDS, legend=False)),
        charts.cells("values", COL, ROW, shade, stroke=GREY, strokeWidth=1),
        walked,
        charts.labels("words", COL, ROW, "label", dy=-36, fontSize=13),
        charts.labels("exits", COL, ROW, "label", fontSize=15, fontWeight="bold"),
        charts.labels("values", COL, ROW, "value", format=".2f", dy=32, fontSize=15),
        charts.labels("values", COL, ROW, "arrow", fontSize=24, fontWeight="bold"),
        height=HEIGHT,
    ).resolve_scale(x="independent", y="independent", color="independent")
    n = charts.Axis("episodes", "Episodes", (2, 1024), log=True, ticks=EPISODES.values)
    mean = charts.Axis("mean", "Mean return")
    closing = charts.layers(
        charts.area("means", n, mean.of("low"), mean.of("high"), BLUE),
        charts.line("means", n, mean, BLUE),
        charts.line("means", n, mean.of("exact"), GREEN, strokeDash=[6, 4]),
        charts.points("now", n, mean, VERMILION, name="mean", size=160),
        height=HEIGHT,
    )
    squares = one_step.squares()
    return figure.build(
        [SLIP, STEP_REWARD, GAMMA, POLICY, SAMPLE, EPISODES],
        {
            "values": figure.Rows(rows, by),
            "start": figure.Rows(rows[rows.state == start][[*by, "value"]], by),
            "fixed": figure.Rows(squares[squares.kind.isin(["wall", "goal", "pit"])]),
            "exits": labelled({"goal": "+1", "pit": "−1"}),
            "words": labelled({"start": "start"}),
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
