"""Inside an update: the same batch learned from again, and what leaves the range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import controls, figure, update_link
from pages.ui.charts import Axis, Color, Shade, cells, layers, line
from pages.ui.theme import BLUE, GREY, VERMILION
from pages.ui.update_source import MAX_STEPS, Picked
from pgcore.config import ConfigError, TrainConfig, field_help
from pgcore.recording import Recording
from pgcore.studies import update, update_again
from pgcore.train import TrainingDiverged

NAMES = ("eps", "rate", "epochs", "batch", "momentum", "kl")
"""Of the controls, which are keys of the URL."""
FIELDS = dict(
    zip(
        NAMES,
        ("clip_eps", "learning_rate", "n_epochs", "minibatch_size", "momentum", "target_kl"),
        strict=True,
    )
)
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


def settings(config: TrainConfig) -> tuple[controls.Control, ...]:
    """The controls of a run, each with the run's own value as its default."""
    rows = config.rows_per_update
    sizes = [size for size in (16, 64, 256, 1024, 4096) if rows / 64 <= size < rows]
    own_size = min(config.minibatch_size or rows, rows)
    return (
        _control("eps", "Clip range ε", (0.05, 0.1, 0.2, 0.3, 0.5), config.clip_eps),
        _control("rate", "Learning rate", _RATES, config.learning_rate),
        _control("epochs", "Epochs", (1, 2, 3, 5, 10, 20), config.n_epochs),
        _control("batch", "Minibatch size", (*sizes, rows), own_size),
        _control("momentum", "Momentum (Adam's β₁)", (0, 0.5, 0.9, 0.99), config.momentum),
        _control("kl", "KL stop (0: never)", (0, 0.005, 0.01, 0.02, 0.05), config.target_kl),
    )


_RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)


def _control(name: str, label: str, values: Sequence[float], own: float) -> controls.Control:
    told = field_help()[FIELDS[name]]
    return controls.slider(name, label, values=sorted({*values, own}), default=own, help=told)


@st.fragment
def show(picked: Picked) -> None:
    """Controls, then the outcome of four updates on one batch."""
    each = settings(picked.recording.config)
    columns = st.columns(3)
    chosen = {}
    for i, control in enumerate(each):
        with columns[i % 3]:
            chosen[control.name] = update_link.widget(control, picked.run)
    changed = {
        FIELDS[control.name]: chosen[control.name]
        for control in each
        if chosen[control.name] != control.default
    }
    tried = {AS_IT_HAPPENED: _as_it_happened(picked.key, picked.recording)}
    for objective in update_again.OBJECTIVES:
        try:
            with st.spinner(f"Learning from the same batch again: {objective}…"):
                tried[objective] = _try(
                    picked.key, picked.recording, objective, tuple(sorted(changed.items()))
                )
        except (ConfigError, TrainingDiverged) as problem:
            text = str(problem)
            st.warning(f"{objective}: {text}", icon=":material/error:")
    own = "your settings" if changed else "the run's own settings"
    st.markdown(_words(tried, chosen["eps"], own))
    _table(tried)
    _charts(tried, chosen["eps"])
    _maps(picked, tried)


@st.cache_data(max_entries=64, show_spinner=False)
def _as_it_happened(key: str, _recording: Recording) -> Tried:
    return _summed_up(_recording)


@st.cache_data(max_entries=256, show_spinner=False)
def _try(
    key: str, _recording: Recording, objective: str, changes: tuple[tuple[str, Any], ...]
) -> Tried:
    settings = _recording.config.replace(**dict(changes))
    steps = settings.n_epochs * -(-settings.rows_per_update // (settings.minibatch_size or 10**9))
    if steps > 4 * MAX_STEPS:
        raise ConfigError(
            f"these settings take {steps:,} gradient steps, more than this page waits for."
        )
    return _summed_up(update_again.again(_recording, objective, **dict(changes)))


def _summed_up(recording: Recording) -> Tried:
    has_plane = update_again.plane(recording.config.env_id) is not None
    return Tried(
        update_again.outcome(recording),
        update.epochs(recording),
        update_again.spread(recording, _EDGES),
        update_again.policy_map(recording) if has_plane else None,
    )


def _words(tried: dict[str, Tried], eps: float, own: str) -> str:
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


def _table(tried: dict[str, Tried]) -> None:
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


def _charts(tried: dict[str, Tried], eps: float) -> None:
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


def _maps(picked: Picked, tried: dict[str, Tried]) -> None:
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
