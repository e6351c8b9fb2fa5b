"""Inside an update: one sample's numbers stage by stage, each with its line of pgcore."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui import controls, figure
from pages.ui.update_source import Picked
from pgcore.studies import update_sample, update_walk

_ROOT = Path(__file__).resolve().parents[2]
STAGE = controls.slider(
    "stage", "Stage", 1, len(update_walk.STAGES), default=1, play=True, steps=True
)


def show(picked: Picked, sample: int, step: int) -> None:
    """The walk of a transition through the gradient step in which it was last used."""
    history = update_sample.history(picked.recording, sample)
    used = history.loc[history["step"] == step, "used"].fillna(history["used"].min())
    at = int(used.iloc[0])
    st.markdown(f"Transition **{sample:,}** in gradient step **{at:,}**.")
    stages = update_walk.walk(picked.recording, sample, at).merge(_lines(), on="stage")
    tables = {"stages": figure.Rows(stages), "here": figure.Rows(stages, ("stage",))}
    figure.show("walk", _figure(), live=figure.Live((), lambda: tables), alone=False)


@st.cache_data(show_spinner=False)
def _figure() -> figure.Figure:
    text = figure.text
    return figure.build(
        [STAGE],
        {},
        [],
        top=f"<p class='sentence'><b>{text('here.name')}</b> = {text('here.value')}<br>"
        f"{text('here.meaning')}</p>"
        f"<p class='where'>{text('here.where')}</p><div class='code'>{text('here.code')}</div>",
        body="<div class='wraps'>"
        + figure.table(
            "stages",
            {
                "stage": ("", ".0f"),
                "name": ("Stage", ""),
                "how": ("Made of", ""),
                "value": ("Value", ""),
            },
            link="stage",
        )
        + "</div>",
        live=("stages", "here"),
    )


@st.cache_data(show_spinner=False)
def _lines() -> pd.DataFrame:
    rows = [
        (i, stage.name, stage.meaning, *line_of(stage.function, stage.line))
        for i, stage in enumerate(update_walk.STAGES, 1)
    ]
    return pd.DataFrame(rows, columns=["stage", "name", "meaning", "where", "code"])


def line_of(function: Callable[..., Any], text: str) -> tuple[str, str]:
    """("pgcore/losses.py, line 94", the line), for the first line of a function's code with a text.

    Raises:
        ValueError: if there is none: the page and the code have drifted apart.
    """
    lines, first = inspect.getsourcelines(function)
    where = Path(inspect.getsourcefile(function) or "").resolve().relative_to(_ROOT)
    for number, line in enumerate(lines, first):
        if text in line:
            return f"{where}, line {number}", line.strip()
    raise ValueError(f"no line of {function.__qualname__} in {where} holds {text!r}.")
