"""Inside an update: what several updates from one batch did, beside each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import controls, figure
from pages.ui.charts import Axis, Color, Shade, cells, layers, line
from pages.ui.theme import BLUE, GREY, VERMILION
from pages.ui.update_source import Picked
from pgcore.recording import Recording
from pgcore.studies import update, update_again

AS_IT_HAPPENED = "as it happened"
MOST_RATIO = 3.0
_EDGES = np.linspace(0, MOST_RATIO, 61)
_COLORS = dict(zip(update_again.OBJECTIVES, (BLUE, GREY, VERMILION), strict=True))
_DASHES = ([], [8, 5], [2, 3])


@dataclass(frozen=True)
class Tried:
    """What an update did, small enough to keep: tables, not recordings."""

    outcome: dict[str, float]
    epochs: pd.DataFrame
    spread: pd.DataFrame
    policy: pd.DataFrame | None


def summed_up(recording: Recording) -> Tried:
    """What is kept of a recording."""
    has_plane = update_again.plane(recording.config.env_id) is not None
    return Tried(
        update_again.outcome(recording),
        update.epochs(recording),
        update_again.spread(recording, _EDGES),
        update_again.policy_map(recording) if has_plane else None,
    )


def words(tried: dict[str, Tried], eps: float, own: str) -> str:
    """One sentence on what left the range."""
    clip = tried.get("PPO clip")
    if clip is None:
        return ""
    end = clip.outcome
    low, high = 1 - eps, 1 + eps
    away = f"**{end['clip_fraction']:.1%}** of the ratios end outside {low:.2f} to {high:.2f}"
    if not end["clip_fraction"]:
        return f"With {own}, every ratio ends inside {low:.2f} to {high:.2f}."
    return (
        f"With {own}, {away}, by {end['outside_by']:.3f} on average; they reach from "
        f"{end['low']:.2f} to {end['high']:.2f}."
    )


def table(tried: dict[str, Tried]) -> None:
    """The updates beside each other, a column each."""
    columns = {}
    for name, one in tried.items():
        end = one.outcome
        columns[name] = {
            "Gradient steps": f"{end['steps']:,}",
            "Outside 1 ± ε at the end": f"{end['clip_fraction']:.1%}",
            "… beyond it by, on average": f"{end['outside_by']:.3f}",
            "Smallest ratio at the end": f"{end['low']:.3f}",
            "Largest ratio at the end": f"{end['high']:.3f}",
            "Gradient zero, over all steps": f"{end['zero_gradient_fraction']:.1%}",
            "Approximate KL at the end": f"{end['approx_kl']:.4f}",
            "Mean of ratio × A at the end": f"{end['objective']:+.3f}".replace("-", "−"),
        }
    st.table(pd.DataFrame(columns))


def charts(tried: dict[str, Tried], eps: float) -> None:
    """How far the ratios went by epoch, and where they ended."""
    shown = {name: one for name, one in tried.items() if name in _COLORS}
    if not shown:
        return
    by_epoch = pd.concat(
        one.epochs[["epoch", "low", "high"]].assign(name=name) for name, one in shown.items()
    )
    by_epoch[["low", "high"]] = by_epoch[["low", "high"]].clip(0, MOST_RATIO)
    ends = pd.concat(one.spread.assign(name=name) for name, one in shown.items())
    last, most = int(by_epoch["epoch"].max()), float(np.ceil(10 * ends["share"].max()) / 10)
    edge = {"low": [1 - eps], "high": [1 + eps], "start": 1, "end": last}
    tables = {
        "epochs": figure.Rows(by_epoch),
        "ends": figure.Rows(ends),
        "range": figure.Rows(pd.DataFrame(edge)),
    }
    figure.show(
        "escape", _chart_figure(last, most), live=figure.Live((), lambda: tables), alone=False
    )
    st.caption(f"Ratios above {MOST_RATIO:g} are drawn at {MOST_RATIO:g}.")


@st.cache_data(show_spinner=False)
def _chart_figure(last: int, most: float) -> figure.Figure:
    colors = Color("name", _COLORS, dashes=_DASHES)
    epoch = Axis("epoch", "Epoch (the last: after the update)", (1, last), format="d")
    ratio = Axis("low", "Smallest and largest ratio", (0, MOST_RATIO))
    across = Axis("middle", "Ratio after the update", (0, MOST_RATIO))
    share = Axis("share", "Share of the transitions", (0, most), format="%")
    band = {"color": GREY, "opacity": 0.15}
    by_epoch = layers(
        cells("range", epoch.of("start"), ratio, x2=epoch.of("end"), y2=ratio.of("high"), **band),
        line("epochs", epoch, ratio, colors, strokeWidth=2),
        line("epochs", epoch, ratio.of("high"), colors, strokeWidth=2),
        height=260,
    )
    spread = layers(
        cells("range", across.of("low"), x2=across.of("high"), **band),
        line("ends", across, share, colors, strokeWidth=2, interpolate="step"),
        height=260,
    )
    return figure.build(
        [],
        {},
        [
            figure.Plot(
                by_epoch, "Smallest and largest ratio of the batch by epoch, for three objectives."
            ),
            figure.Plot(spread, "Where the ratios are after the update, for three objectives."),
        ],
        live=("epochs", "ends", "range"),
    )


def maps(picked: Picked, tried: dict[str, Tried]) -> None:
    """The policy before and after, over two numbers of the observation."""
    env_id = picked.recording.config.env_id
    plane = update_again.plane(env_id)
    if plane is None:
        return
    action = update.action_names(picked.recording)[plane.action]
    st.markdown(
        f"**The policy as a whole.** The probability of “{action}” where {plane.rest}, before and "
        "after the update. One batch changes the policy everywhere, not only where it has been."
    )
    rows = pd.concat(
        one.policy.assign(whose=name) for name, one in tried.items() if one.policy is not None
    )
    tables = {"map": figure.Rows(rows, ("whose",))}
    figure.show(
        "policy-map", _map_figure(env_id, action), live=figure.Live((), lambda: tables), alone=False
    )


@st.cache_data(show_spinner=False)
def _map_figure(env_id: str, action: str) -> figure.Figure:
    plane = update_again.plane(env_id)
    assert plane is not None
    x, y = (
        Axis(name, title, ends, ticks=np.linspace(*ends, 7))
        for name, title, ends in (("x", plane.x, plane.x_range), ("y", plane.y, plane.y_range))
    )
    half, ends = (0.0, 0.5, 1.0), (VERMILION, "#F4F4F4", BLUE)
    looks = {
        "before": Shade("before", half, ends, f"P({action}) before"),
        "after": Shade("after", half, ends, f"P({action}) after"),
        "change": Shade("change", (-0.5, 0.0, 0.5), ends, "Change"),
    }
    plots = [
        figure.Plot(
            layers(
                cells("map", x, y, shade, x2=x.of("x2"), y2=y.of("y2")),
                height=260,
            ),
            f"{name} of the update: probability of {action} over {plane.x} and {plane.y}.",
            width=220,
        )
        for name, shade in looks.items()
    ]
    whose = controls.choice("whose", "Which update", [AS_IT_HAPPENED, *update_again.OBJECTIVES])
    return figure.build([whose], {}, plots, live=("map",))
