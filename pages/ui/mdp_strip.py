"""Chapter 1's discounted sum: rewards, their weights, and what is left of them."""

from __future__ import annotations

import streamlit as st

from pages.ui import charts, controls, figure
from pages.ui.theme import BLUE, GREEN, GREY, VERMILION
from pgcore.studies import discounting

HORIZON = controls.slider(
    "horizon",
    "Effective horizon 1/(1−γ): drag the line",
    values=(1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200),
    default=20,
    unit="steps",
)
REWARDS = controls.choice("rewards", "Rewards", list(discounting.REWARDS))


@st.cache_data(show_spinner=False)
def strip_figure() -> figure.Figure:
    """Three strips over time: the weights, the rewards, and one times the other."""
    steps, totals = discounting.strips(HORIZON.values)
    steps["zero"] = 0.0
    by = (HORIZON.name, REWARDS.name)
    t = charts.Axis("t", domain=(-1, discounting.STEPS), hidden=True)
    # No label at the right edge: it would hang over and shift this strip against the others.
    ticks = range(0, discounting.STEPS, 25)
    last = charts.Axis("t", "Step t", (-1, discounting.STEPS), ticks=ticks)
    line = charts.rules("total", last.of("horizon"), color=VERMILION, strokeDash=[6, 4])
    weight = charts.Axis("weight", "Weight γᵗ", (0, 1.05), ticks=(0, 0.5, 1))
    reward = charts.Axis("reward", "Reward rₜ", (-1.05, 1.05), ticks=(-1, 0, 1))
    product = charts.Axis("contribution", "Weight × reward", (-1.05, 1.05), ticks=(-1, 0, 1))
    zero = charts.Axis("zero")
    # One path a strip: two hundred bars would not keep up with the pointer.
    bars = {"interpolate": "step", "opacity": 0.8}
    handle = charts.points(
        "total", last.of("horizon"), weight.of("at_horizon"), VERMILION, name="marker", size=200
    )
    totals["at_horizon"] = totals.gamma**totals.horizon
    return figure.build(
        [HORIZON, REWARDS],
        {
            "steps": figure.Rows(steps[[*by, "t", "weight", "reward", "contribution", "zero"]], by),
            "total": figure.Rows(totals, by),
        },
        [
            figure.Plot(
                charts.layers(*marks, height=height),
                words,
                drag={"x": "horizon"},
                width=2000,
            )
            for marks, height, words in (
                (
                    (
                        charts.area("steps", t, weight, zero, GREY, **bars),
                        line,
                        handle,
                    ),
                    110,
                    "The weight of every step, falling from 1; a line at the effective horizon.",
                ),
                (
                    (charts.area("steps", t, reward, zero, GREEN, **bars),),
                    90,
                    "The reward of every step.",
                ),
                (
                    (
                        charts.area("steps", last, product, zero, BLUE, **bars),
                        line,
                    ),
                    120,
                    "Weight times reward of every step: their sum is the return.",
                ),
            )
        ],
        body=figure.meters(
            figure.meter("Discount γ", "total.gamma", ".3f"),
            figure.meter("Return: the blue area", "total.total", "+.3f"),
            figure.meter("Share of all weight before the line", "total.within", ".1%"),
        ),
    )


@st.cache_data(show_spinner=False)
def worth_it_from() -> int:
    """The shortest horizon on the slider at which paying first and earning later has a gain."""
    _, totals = discounting.strips(HORIZON.values)
    later = totals[totals.rewards == REWARDS.values[-1]]
    return int(later[later.total > 0].horizon.min())
