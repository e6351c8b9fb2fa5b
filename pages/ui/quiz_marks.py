"""The figure of a question that is answered by marking it."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from pages.ui.theme import BLUE, GREEN, GREY, VERMILION
from pgcore.questions.answers import Mark

_COLORS = {"free": BLUE, "picked": VERMILION, "right": GREEN, "wrong": VERMILION}
_HEIGHT = 300
# White on each of the colours: readable on a light page and on a dark one.
_LETTER = {"color": "white", "fontSize": 17, "fontWeight": "bold"}


def widget(mark: Mark, key: str) -> frozenset[str]:
    """The figure to press, and the same choice as buttons for the keyboard; what is marked."""
    letters, chart = f"{key} letters", f"{key} figure"
    picked = _picked(st.session_state.get(letters))
    st.altair_chart(
        figure(mark, dict.fromkeys(picked, "picked")),
        key=chart,
        on_select=lambda: _pressed(mark, chart, letters),
        selection_mode="press",
        alt=mark.alt,
    )
    chosen = st.pills(
        "Press all that fit in the figure, or choose them here"
        if mark.many
        else "Press a mark in the figure, or choose it here",
        mark.names,
        selection_mode="multi" if mark.many else "single",
        key=letters,
    )
    return _picked(chosen)


def answered(mark: Mark, given: frozenset[str], key: str) -> None:
    """The figure with what was right and what was not."""
    states = dict.fromkeys(given, "wrong") | dict.fromkeys(mark.right, "right")
    st.altair_chart(figure(mark, states), key=f"{key} answered", alt=mark.alt)
    st.caption("Green: the answer. Vermilion: marked, and not part of it.")


def figure(mark: Mark, states: dict[str, str]) -> alt.LayerChart:
    """The chart; states: mark name -> a key of _COLORS."""
    rows = mark.marks.assign(state=[states.get(name, "free") for name in mark.names])
    press = alt.selection_point(
        name="press",
        fields=["name"],
        toggle="true",
        clear=False,
        **({"nearest": True} if mark.shape == "points" else {}),
    )
    color = alt.Color(
        "state:N",
        scale=alt.Scale(domain=list(_COLORS), range=list(_COLORS.values())),
        legend=None,
    )
    layers = {"points": _points, "bars": _bars, "cells": _cells}[mark.shape](
        mark, rows, color, press
    )
    return alt.layer(*layers).properties(height=_HEIGHT)


def _points(mark: Mark, rows: pd.DataFrame, color: alt.Color, press: Any) -> list[alt.Chart]:
    every = pd.concat([rows] if mark.curve is None else [rows, mark.curve])
    x = alt.X("x:Q", title=mark.x, scale=alt.Scale(domain=_ends(every["x"]), nice=False))
    y = alt.Y("y:Q", title=mark.y, scale=alt.Scale(domain=_ends(every["y"], 0.15), nice=False))
    base = alt.Chart(rows)
    layers = [
        base.mark_point(filled=True, size=650, opacity=1)
        .encode(x, y, color, tooltip=["name:N", "x:Q", "y:Q"])
        .add_params(press),
        base.mark_text(**_LETTER).encode(x, y, alt.Text("name:N")),
    ]
    if mark.curve is not None:
        line = alt.Chart(mark.curve).mark_line(strokeWidth=3, color=GREY)
        layers.insert(0, line.encode(x, y))
    return layers


def _bars(mark: Mark, rows: pd.DataFrame, color: alt.Color, press: Any) -> list[alt.Chart]:
    x = alt.X("x:N", title=mark.x, sort=None, axis=alt.Axis(labelAngle=0, labelFontSize=16))
    low, high = min(0.0, float(rows["y"].min())), max(0.0, float(rows["y"].max()))
    y = alt.Y("y:Q", title=mark.y, scale=alt.Scale(domain=[1.1 * low, 1.1 * high], nice=False))
    base = alt.Chart(rows)
    return [base.mark_bar().encode(x, y, color, tooltip=["name:N", "y:Q"]).add_params(press)]


def _cells(mark: Mark, rows: pd.DataFrame, color: alt.Color, press: Any) -> list[alt.Chart]:
    every = rows if mark.backdrop is None else pd.concat([rows, mark.backdrop])
    axis = alt.Axis(labelAngle=0, grid=False)
    x = alt.X("x:O", title=mark.x, axis=axis, scale=_band(every["x"]))
    y = alt.Y("y:O", title=mark.y, axis=axis, scale=_band(every["y"]))
    base = alt.Chart(rows)
    layers = [
        base.mark_rect().encode(x, y, color, tooltip=["name:N"]).add_params(press),
        base.mark_text(**_LETTER).encode(x, y, alt.Text("name:N")),
    ]
    if mark.backdrop is not None:
        behind = alt.Chart(mark.backdrop)
        layers.insert(0, behind.mark_rect(color=GREY).encode(x, y))
        layers.append(behind.mark_text(**_LETTER).encode(x, y, alt.Text("label:N")))
    return layers


def _band(values: pd.Series) -> alt.Scale:
    return alt.Scale(domain=sorted(values.unique().tolist()), paddingInner=0.05)


def _ends(values: pd.Series, room: float = 0.05) -> list[float]:
    low, high = float(values.min()), float(values.max())
    return [low - room * (high - low), high + room * (high - low)]


def _picked(value: Any) -> frozenset[str]:
    return frozenset([value] if isinstance(value, str) else value or [])


def _pressed(mark: Mark, chart: str, letters: str) -> None:
    """What was pressed last is what entered or left the chart's own selection."""
    points = st.session_state[chart].selection.get("press", [])
    now = {each["name"] for each in points if each.get("name") in mark.names}
    before = st.session_state.get(f"{chart} before", set())
    st.session_state[f"{chart} before"] = now
    chosen = _picked(st.session_state.get(letters))
    for name in sorted(now ^ before):
        chosen = chosen ^ {name} if mark.many else frozenset({name})
    in_order = [name for name in mark.names if name in chosen]
    st.session_state[letters] = in_order if mark.many else next(iter(in_order), None)
