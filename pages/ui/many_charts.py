"""Charts of a sweep. Their specs depend on which groups there are, never on what has come in yet:
new data must not rebuild a chart, or the choice in its legend would be lost."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from pages.ui import charts, theme
from pages.ui.train_charts import RETURN_RANGE
from pgcore.comparison import Group
from pgcore.environments import OFFERED

_COLOURS = (theme.BLUE, theme.VERMILION, theme.GREEN, theme.PURPLE, theme.ORANGE, theme.SKY)
_ROW, _AXIS, _LEGEND_LINE = 46, 60, 20
"""Heights in pixels: a group in the chart of scores, an axis below it, a line of a legend."""


def curves(
    compared: Sequence[Group], tables: dict[str, pd.DataFrame], env_id: str, total_steps: int
) -> None:
    """Median and interquartile band over seeds by environment steps, and single seeds.

    Args:
        tables: "curves" and "single" as from comparison.curves and seed_curves.
    """
    names = tuple(group.name for group in compared)
    _draw(
        _curves_spec(names, env_id, total_steps),
        tables | {"labels": _labels(compared)},
        "many_curves",
        "Mean return of fresh episodes by environment steps: a median and a band for each group.",
    )


def scores(compared: Sequence[Group], summary: pd.DataFrame, env_id: str) -> None:
    """Interquartile mean of the final returns with its interval, a row a group."""
    rows = {
        "scores": summary.dropna(subset=["iqm"]),
        "intervals": summary.dropna(subset=["iqm_low"]),
        "labels": _labels(compared),
    }
    names = tuple(group.name for group in compared)
    _draw(
        _scores_spec(names, env_id),
        rows,
        "many_scores",
        "Interquartile mean of the final returns with its 95% interval, a row for each group.",
    )


def _labels(compared: Sequence[Group]) -> pd.DataFrame:
    """What the legend calls each group, with the seeds that are in it so far."""
    return pd.DataFrame(
        [(group.name, f"{group.name} · {_seeds(group)}") for group in compared],
        columns=["group", "label"],
    )


def _seeds(group: Group) -> str:
    there = len(group.finished)
    if there == group.planned:
        return f"{there} seed{'s' if there > 1 else ''}"
    return f"{there} of {group.planned} seeds"


def _draw(spec: dict, rows: dict[str, pd.DataFrame], key: str, alt: str) -> None:
    datasets = spec.get("datasets", {}) | rows
    st.vega_lite_chart(spec={**spec, "datasets": datasets}, key=key, alt=alt)


def _colours(names: Sequence[str]) -> dict[str, str]:
    return {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}


def _solved(env_id: str, mark: str, **channels: charts.Axis) -> alt.Chart:
    data = pd.DataFrame({"solved": [OFFERED[env_id].solved_at], "text": ["solved"]})
    if mark == "rule":
        return charts.rules(data, color=theme.GREY, strokeDash=[6, 4], **channels)
    return charts.labels(data, text="text", color=theme.GREY, fontSize=12, **channels)


@st.cache_data(max_entries=64, show_spinner=False)
def _curves_spec(names: tuple[str, ...], env_id: str, total_steps: int) -> dict:
    # A little room at both ends, as on the chart of one run.
    x = charts.Axis(
        "env_steps", "environment steps", (-0.01 * total_steps, 1.01 * total_steps), format="~s"
    )
    y = charts.Axis("median", "mean return of fresh episodes", RETURN_RANGE.get(env_id))
    shown = alt.selection_point(fields=["group"], bind="legend", name="shown")
    # The label of a name is looked up in the data, which grow while the spec stays.
    look_up = "data('labels')[indexof(pluck(data('labels'), 'group'), datum.label)].label"
    legend = alt.Legend(
        orient="top",
        title=None,
        columns=1,
        labelLimit=600,
        labelExpr=look_up,
        symbolOpacity=1,
        symbolType="stroke",
    )
    colours = _colours(names)
    colour = alt.Color("group:N", legend=legend).scale(
        domain=list(names), range=list(colours.values())
    )
    # Beyond six groups the colours come again, dashed.
    dashes = [[1, 0] if i < len(_COLOURS) else [6, 4] for i in range(len(names))]
    dash = alt.StrokeDash("group:N", legend=legend).scale(domain=list(names), range=dashes)

    def visible(strong: float) -> alt.value:
        return alt.condition(shown, alt.value(strong), alt.value(strong / 10))

    single = charts.line("single", x, y.of("mean_return"), split="seed", strokeWidth=1).encode(
        color=colour, strokeDash=dash, opacity=visible(0.6)
    )
    band = charts.area("curves", x, y.of("low"), y.of("high")).encode(
        color=colour, opacity=visible(0.18)
    )
    line = charts.line("curves", x, y).encode(
        color=colour,
        strokeDash=dash,
        opacity=visible(1.0),
        tooltip=[
            alt.Tooltip("group:N"),
            alt.Tooltip("env_steps:Q", format=",", title="environment steps"),
            alt.Tooltip("median:Q", format=".1f"),
            alt.Tooltip("low:Q", format=".1f", title="lower quartile"),
            alt.Tooltip("high:Q", format=".1f", title="upper quartile"),
            alt.Tooltip("seeds:Q"),
        ],
    )
    # Not seen: it brings the labels' data into the chart.
    carrier = alt.Chart(alt.NamedData("labels")).mark_point(opacity=0, tooltip=None)
    solved = _solved(env_id, "rule", y=y.of("solved"))
    return (
        alt.layer(band, single, line, solved, carrier)
        .add_params(shown)
        .properties(height=360 + _LEGEND_LINE * len(names))
        .to_dict()
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _scores_spec(names: tuple[str, ...], env_id: str) -> dict:
    x = charts.Axis("iqm", "interquartile mean of final returns", RETURN_RANGE.get(env_id))
    y = charts.Axis("group", domain=names, kind="N", hidden=True)
    colour = charts.Color("group", _colours(names), legend=False)
    interval = charts.rules(
        "intervals", x.of("iqm_low"), y, colour, x2=x.of("iqm_high"), strokeWidth=5, opacity=0.45
    )
    dots = charts.points("scores", x, y, colour, size=110).encode(
        tooltip=[
            alt.Tooltip("group:N"),
            alt.Tooltip("iqm:Q", format=".1f", title="IQM"),
            alt.Tooltip("iqm_low:Q", format=".1f", title="from"),
            alt.Tooltip("iqm_high:Q", format=".1f", title="to"),
            alt.Tooltip("seeds:Q"),
        ]
    )
    # Above its row, where a long name has the whole width.
    text = (
        alt.Chart(alt.NamedData("labels"))
        .mark_text(align="left", dy=-15, fontSize=13, color=theme.GREY)
        .encode(y.channel(alt.Y), alt.XValue(0), text="label:N")
    )
    solved = _solved(env_id, "rule", x=x.of("solved"))
    return (
        alt.layer(solved, interval, dots, text)
        .properties(height=_ROW * len(names) + _AXIS)
        .to_dict()
    )
