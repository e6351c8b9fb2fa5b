"""Chapter 3's figures: their controls, rows and charts."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import charts, controls, figure
from pages.ui.theme import BLUE, GREEN, GREY, VERMILION
from pgcore.studies import reinforce, score_function
from pgcore.studies.reinforce import ACTIONS, Step

GAMMA = controls.slider("gamma", "Discount γ", 0.0, 1.0, 0.05, default=0.9)
RATE = controls.slider("rate", "Learning rate α", 0.0, 2.0, 0.05, default=0.5)
POLICIES = {
    "equal": (0.0, 0.0, 0.0),
    "leans left": (1.5, 0.0, 0.0),
    "nearly sure of left": (5.0, 0.0, 0.0),
}
BEFORE = controls.choice("before", "Policy before the step", tuple(POLICIES))
BATCH = controls.slider(
    "batch", "Pulls in a batch", values=tuple(2**i for i in range(10)), default=8, play=True
)
NOISE = controls.slider("noise", "Noise of a reward σ", values=(0, 1, 2, 4), default=1)
HORIZON = controls.slider(
    "horizon", "Steps in an episode", values=(1, 2, 3, 5, 10, 20, 30, 40, 50), default=10
)
OFFSET = controls.slider("offset", "Added to every reward", -4, 4, 2, default=0)
EQUAL = (0.0, 0.0, 0.0)
ACTION_COLORS = dict(zip(ACTIONS, (BLUE, GREEN, VERMILION), strict=True))
WEIGHTING_COLORS = dict(zip(score_function.WEIGHTINGS, (VERMILION, BLUE), strict=True))


@st.cache_data(show_spinner=False, max_entries=64)
def trajectory(steps: tuple[Step, ...]) -> figure.Figure:
    """Rewards, returns, pushes, and the policy after one step, for one trajectory."""
    tables, shares, after = [], [], []
    for name, logits in POLICIES.items():
        updates = [reinforce.update(steps, gamma, logits) for gamma in GAMMA.values]
        tables.append(reinforce.step_table(updates).assign(before=name))
        shares.append(reinforce.pushes(updates).assign(before=name))
        after.append(reinforce.gradient_steps(updates, RATE.values).assign(policy=name))
    table, share = pd.concat(tables), pd.concat(shares)
    moved = pd.concat(after).rename(
        columns={"learning_rate": "rate", "before": "prob_before", "policy": "before"}
    )
    reach = _reach(table[["reward", "return"]].to_numpy())
    table["mark"] = np.where(table.ends, "end", "")
    table["top"] = reach[1]
    share["size"] = share.push.abs()
    share["way"] = np.where(share.push > 0, "up", "down")
    moved["change"] = moved.after - moved.prob_before
    return figure.build(
        [GAMMA, RATE, BEFORE],
        {
            "steps": figure.Rows(table, ("before", "gamma")),
            "pushes": figure.Rows(share, ("before", "gamma")),
            "curve": figure.Rows(moved, ("before", "gamma")),
            "marker": figure.Rows(moved, ("before", "gamma", "rate")),
        },
        [
            figure.Plot(_returns_chart(len(steps), reach), _RETURNS_ALT, width=2000),
            figure.Plot(_push_chart(len(steps), float(share["size"].max())), _PUSH_ALT, width=2000),
            figure.Plot(_policy_chart(), _POLICY_ALT, drag={"x": "rate"}, width=2000),
        ],
        body=figure.table(
            "marker",
            {
                "action": ("Action", ""),
                "push": ("Sum of its pushes", "+.3f"),
                "prob_before": ("π before", ".1%"),
                "after": ("π after one step", ".1%"),
            },
        )
        + figure.meters(figure.meter("Loss: the mean of the last column", "steps.loss", "+.3f"))
        + figure.table(
            "steps",
            {
                "step": ("Step", ".0f"),
                "return": ("Return = weight", "+.2f"),
                "log_prob": ("ln π(a)", "+.3f"),
                "loss_term": ("−ln π(a) · weight", "+.3f"),
            },
        ),
    )


_RETURNS_ALT = "Reward of each step as a bar, and its return as a line that breaks at episode ends"
_PUSH_ALT = "How strongly each step pushes the logit of each action, up or down"
_POLICY_ALT = "Probability of each action after one step, against the learning rate"


def _reach(values: np.ndarray) -> tuple[float, float]:
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    pad = 0.12 * (high - low) or 1.0
    return low - pad, high + 1.5 * pad


def _returns_chart(n_steps: int, reach: tuple[float, float]) -> alt.LayerChart:
    x = charts.Axis("step", "Step", tuple(range(n_steps)), kind="O")
    y = charts.Axis("return", "Reward (bar), return (line)", reach)
    return charts.layers(
        charts.bars("steps", x, y.of("reward"), GREY),
        charts.line("steps", x, y, BLUE, split="episode"),
        charts.points("steps", x, y, BLUE, name="return", size=110),
        charts.labels("steps", x, y.of("top"), "mark", dy=8),
        height=230,
    )


def _push_chart(n_steps: int, largest: float) -> alt.LayerChart:
    x = charts.Axis("step", "Step", tuple(range(n_steps)), kind="O")
    y = charts.Axis("action", "Push on the logit of", ACTIONS, kind="N")
    color = charts.Color("action", ACTION_COLORS, legend=False)
    area = alt.Scale(domain=[0, largest or 1], range=[0, 700])
    arrow = alt.Scale(domain=["up", "down"], range=["triangle-up", "triangle-down"])
    extra = {
        "size": alt.Size("size:Q", scale=area, legend=None),
        "shape": alt.Shape("way:N", scale=arrow, legend=None),
    }
    return charts.layers(charts.points("pushes", x, y, color, encode=extra), height=150)


def _policy_chart() -> alt.LayerChart:
    x = charts.Axis("rate", RATE.label, (min(RATE.values), max(RATE.values)))
    y = charts.Axis("after", "π(a) after one step", (0, 1), format=".0%")
    color = charts.Color("action", ACTION_COLORS)
    return charts.layers(
        charts.rules("marker", x, None, GREY),
        charts.line("curve", x, y, color),
        charts.points("marker", x, y, color, name="marker", size=160),
        height=230,
    )


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
    x = charts.Axis("horizon", HORIZON.label, (1, max(HORIZON.values)))
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
            figure.Plot(_arrow_chart("full", 3.0, "Full return: "), f"Gradients as arrows, {full}"),
            figure.Plot(
                _arrow_chart("to_go", 3.0, "Reward-to-go: "), f"Gradients as arrows, {to_go}"
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
    loss = charts.Axis("loss", "Loss of the batch", _reach(frame.loss.to_numpy()))
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
