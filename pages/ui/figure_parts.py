"""What a figure is made of: tables, plots, and HTML that follows."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import altair as alt
import pandas as pd

from pages.ui.controls import Control


@dataclass(frozen=True)
class Rows:
    """A table for the browser.

    Args:
        frame: numbers (kept as float32), booleans and words.
        by: the controls that choose rows, as columns of `frame` that hold their values. At any
            moment the browser has the rows whose `by` columns equal the controls. Empty: all rows,
            always.
    """

    frame: pd.DataFrame
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plot:
    """One chart, of one view (layers, yes; concatenation, no: give several plots).

    Args:
        chart: from pages.ui.charts; its data are names of tables.
        alt: what a reader who cannot see it should know.
        drag: which control follows the pointer along "x" and "y": {"x": "ratio"}; or, where each
            row of words on y has its own, {"x": {"A": "logit_a", "B": "logit_b"}}.
        pick: which control takes a column of the mark under the pointer: {"cell": "cell"}.
        hover: follow without a press.
        width: least width in pixels before the next plot moves below this one.
        aspect: width over height, for pictures; 0 keeps the chart's own height.
    """

    chart: alt.Chart | alt.LayerChart
    alt: str
    drag: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    pick: Mapping[str, str] = field(default_factory=dict)
    hover: bool = False
    width: int = 320
    aspect: float = 0


@dataclass(frozen=True)
class Panel:
    """Text in the place of a plot: beside one where there is room.

    Args:
        html: trusted, like the body of a figure: made of text(), meters(), sentence(), table().
        width: least width in pixels before it moves below.
    """

    html: str
    width: int = 280


@dataclass(frozen=True)
class Sweep:
    """A live table along several controls, each moved alone from where all of them stand.

    For more controls than a product of their grids could hold: while one is dragged its rows are
    here; on release the server sends those around the new place.

    Args:
        frame: as for Rows, with columns `moved` (a control's name) and `value` (one of its values).
        along: the controls; Live.by has them too.
    """

    frame: pd.DataFrame
    along: tuple[str, ...]


@dataclass(frozen=True)
class Live:
    """Tables that the server computes for the controls' current values, such as fresh samples.

    They arrive after a control is released; until then the figure shows none of their rows, or
    those along the dragged control (Sweep).

    Args:
        by: the controls that they depend on.
        compute: takes the values of `by` by name, returns tables by name. Their own `by` may name
            other controls.
    """

    by: tuple[str, ...]
    compute: Callable[..., Mapping[str, Rows | Sweep]]


@dataclass(frozen=True)
class Figure:
    """A packed figure: plain bytes, so that st.cache_data can keep it for every session."""

    controls: tuple[Control, ...]
    digest: str
    packed: bytes


def text(source: str, format: str = "") -> str:
    """A number or word that follows: text("marker.objective", ".3f") as HTML for a body.

    Formats: ".3f" (fixed), "+.3f" (with its sign), ".1%" (a share); empty for words.
    """
    return f'<span data-text="{html.escape(source)}" data-format="{html.escape(format)}"></span>'


def place(control: str) -> str:
    """Where a control is drawn instead of above the plots, for a Panel or a body."""
    return f'<div data-place="{html.escape(control)}"></div>'


def meter(label: str, source: str, format: str = ".3f", unit: str = "") -> str:
    """A labelled value under the plots."""
    unit = f" {html.escape(unit)}" if unit else ""
    return (
        f'<div class="meter"><span class="label">{html.escape(label)}</span>'
        f'<span class="value">{text(source, format)}{unit}</span></div>'
    )


def meters(*each: str) -> str:
    """Meters in a row that wraps."""
    return f'<div class="meters">{"".join(each)}</div>'


def sentence(source: str, tone: str = "") -> str:
    """A sentence that follows, read out politely by screen readers.

    Args:
        source: "table.column" of words.
        tone: "table.column" with good, bad or neutral: the colour of its edge.
    """
    tone = f' data-tone="{html.escape(tone)}"' if tone else ""
    return f'<p class="sentence" aria-live="polite"{tone}>{text(source)}</p>'


def table(name: str, columns: Mapping[str, tuple[str, str]], link: str = "") -> str:
    """All current rows of a table as an HTML table.

    Args:
        name: of the Rows.
        columns: column -> (heading, format).
        link: a control that a row sets when hovered or focused; the column of that name has the
            value, and the matching row is marked.
    """
    heads = "".join(
        f"<th{' class=number' if form else ''}>{html.escape(head)}</th>"
        for head, form in columns.values()
    )
    what = json.dumps([[column, form] for column, (_, form) in columns.items()])
    return (
        f'<div class="scroll"><table data-rows="{html.escape(name)}" data-link="{link}" '
        f"data-columns='{html.escape(what)}'><thead><tr>{heads}</tr></thead><tbody></tbody></table></div>"
    )
