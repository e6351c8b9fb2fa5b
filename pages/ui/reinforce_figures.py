"""Chapter 3's figure of one trajectory and one gradient step."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import charts, controls, figure
from pages.ui.theme import BLUE, GREEN, GREY, VERMILION
from pgcore.studies import reinforce
from pgcore.studies.reinforce import ACTIONS, Step

GAMMA = controls.slider("gamma", "Discount γ", 0.0, 1.0, 0.05, default=0.9)
RATE = controls.slider("rate", "Learning rate α", 0.0, 2.0, 0.1, default=0.5)
POLICIES = {
    "equal": (0.0, 0.0, 0.0),
    "leans left": (1.5, 0.0, 0.0),
    "nearly sure of left": (5.0, 0.0, 0.0),
}
BEFORE = controls.choice("before", "Policy before the step", tuple(POLICIES))
ACTION_COLORS = dict(zip(ACTIONS, (BLUE, GREEN, VERMILION), strict=True))


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
    reach = reach_of(table[["reward", "return"]].to_numpy())
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


def reach_of(values: np.ndarray) -> tuple[float, float]:
    """Ends of an axis that holds the values and zero."""
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
