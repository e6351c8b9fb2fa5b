"""Figures that follow the finger: sliders and charts in the browser over rows from pgcore.

pgcore computes the rows for every position of the controls; the browser only looks them up. So
nothing is computed twice, no formula is typed in JavaScript, and a drag never waits for the
server. The charts are Altair's, drawn by the Vega that Streamlit ships.
"""

from __future__ import annotations

import hashlib
import html
import json
import math
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.controls import BadValue, Control

_HERE = Path(__file__).resolve().parent
_component = st.components.v2.component(
    "pgcore_figure",
    html='<div class="figure"></div>',
    css=(_HERE / "figure.css").read_text(),
    js=(_HERE / "figure.js").read_text(),
)


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
    packed: bytes


def text(source: str, format: str = "") -> str:
    """A number or word that follows: text("marker.objective", ".3f") as HTML for a body.

    Formats: ".3f" (fixed), "+.3f" (with its sign), ".1%" (a share); empty for words.
    """
    return f'<span data-text="{html.escape(source)}" data-format="{html.escape(format)}"></span>'


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


def build(
    controls: Sequence[Control],
    tables: Mapping[str, Rows],
    plots: Sequence[Plot],
    *,
    top: str = "",
    body: str = "",
    live: Sequence[str] = (),
) -> Figure:
    """Pack a figure. Slow (tens of milliseconds): call it in a function under st.cache_data.

    Args:
        controls: drawn above the plots, in order. Their names are keys of the URL.
        tables: what the charts and texts read, by name.
        plots: beside each other where there is room.
        top, body: trusted HTML above and below the plots, made of text(), meters(), sentence(),
            table(), source.linked(). An element with data-set="control=value" sets that control
            when hovered, focused or tapped, and has the class "on" while it matches.
        live: names of the tables that show(live=...) brings.
    Raises:
        ValueError: a table lacks a control's column or has a value that the control lacks.
    """
    by_name = {control.name: control for control in controls}
    blocks: list[bytes] = []
    header = {
        "controls": [_describe(control) for control in controls],
        "tables": {name: _pack(name, rows, by_name, blocks) for name, rows in tables.items()},
        "plots": [_plot(plot, {*tables, *live}) for plot in plots],
        "top": top,
        "body": body,
        "vega": _vega(),
    }
    packed = b"".join(blocks)
    header["size"] = len(packed)
    header["digest"] = hashlib.sha256(json.dumps(header).encode() + packed).hexdigest()[:16]
    return Figure(tuple(controls), _sized(header) + packed)


def show(
    key: str, figure: Figure, *, alone: bool = True, live: Live | None = None
) -> dict[str, Any]:
    """Draw a figure; say so where the link asks for a value that a control does not have.

    Args:
        key: once a page.
        figure: from build().
        alone: on release only the URL is brought up to date. False: the code around (the page, or
            the fragment that calls this) runs again with the new values.
        live: tables that the server adds; name them in build(live=...).
    Returns:
        The controls' values when the code last ran, by name.
    """
    return (_show_alone if alone else _show)(key, figure, live)


def _show(key: str, figure: Figure, live: Live | None) -> dict[str, Any]:
    kept: dict[str, Any] = st.session_state.setdefault(f"{key} kept", {})
    if key not in st.session_state:  # first run on this page: not yet mounted
        kept["start"], kept["notices"] = _start(figure, kept.get("now", {}))
        kept["now"] = kept["start"]
    for notice in kept["notices"]:
        st.warning(notice, icon=":material/link_off:")
    reported = st.session_state.get(key, {}).get("values")
    kept["now"] = _checked(figure, reported, kept["now"])
    blocks: list[bytes] = []
    head = {"start": kept["start"], "live": _live(figure, live, kept["now"], blocks)}
    payload = _sized(head) + figure.packed + b"".join(blocks)
    _component(key=key, data=payload, on_values_change=_nothing)
    if reported is not None:
        kept["notices"] = []
    _write_url(figure, kept["now"])
    return {control.name: control.values[kept["now"][control.name]] for control in figure.controls}


_show_alone = st.fragment(_show)


def _live(
    figure: Figure, live: Live | None, now: Mapping[str, int], blocks: list[bytes]
) -> dict[str, Any]:
    if live is None:
        return {"at": {}, "tables": {}}
    controls = {control.name: control for control in figure.controls}
    tables = live.compute(**{name: controls[name].values[now[name]] for name in live.by})
    return {
        "at": {name: now[name] for name in live.by},
        "tables": {name: _pack(name, rows, controls, blocks) for name, rows in tables.items()},
    }


def _nothing() -> None:
    """A component reports a state only where a callback is named."""


def _start(figure: Figure, kept: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """Where each control starts: the link's value, else the session's last, else the default."""
    start, notices = {}, []
    for control in figure.controls:
        start[control.name] = kept.get(control.name, control.values.index(control.default))
        if control.name in st.query_params:
            try:
                start[control.name] = control.parse(st.query_params[control.name])
            except BadValue as problem:
                start[control.name] = control.values.index(control.default)
                notices.append(str(problem))
    return start, notices


def _checked(figure: Figure, reported: Any, now: Mapping[str, int]) -> dict[str, int]:
    """What the browser reports, where it makes sense; it comes from outside."""
    reported = reported if isinstance(reported, dict) else {}
    values = {}
    for control in figure.controls:
        index = reported.get(control.name)
        fits = type(index) is int and 0 <= index < len(control.values)
        values[control.name] = index if fits else now[control.name]
    return values


def _write_url(figure: Figure, now: Mapping[str, int]) -> None:
    """Tell Streamlit what the browser wrote in the URL: keys off the default, or there before.

    The browser writes first and the same, so the browser's history gains no entry.
    """
    wanted = {
        control.name: control.keys[now[control.name]]
        for control in figure.controls
        if control.name in st.query_params or control.values[now[control.name]] != control.default
    }
    if any(st.query_params.get(name) != value for name, value in wanted.items()):
        st.query_params.update(wanted)


def _describe(control: Control) -> dict[str, Any]:
    return {
        "name": control.name,
        "label": control.label,
        "kind": control.kind,
        "labels": [label + control.unit_suffix for label in control.labels],
        "keys": control.keys,
        "values": control.values,
        "default": control.values.index(control.default),
        "help": control.help,
        "play": control.play,
    }


def _pack(
    name: str, rows: Rows | Sweep, controls: Mapping[str, Control], blocks: list[bytes]
) -> dict[str, Any]:
    """Sort by the controls, note where each position's rows begin, append the columns as bytes."""
    if isinstance(rows, Sweep):
        return _pack_sweep(rows, controls, blocks)
    frame, sizes, cell = rows.frame, [], np.zeros(len(rows.frame), dtype=np.int64)
    for column in rows.by:
        if column not in controls or column not in frame:
            raise ValueError(f"table {name}: {column!r} must be a control and a column.")
        values = controls[column].values
        index = _index(frame[column], values)
        if (index < 0).any():
            stray = frame[column][index < 0].iloc[0]
            raise ValueError(f"table {name}: {column} has {stray!r}, which the control has not.")
        cell = cell * len(values) + index
        sizes.append(len(values))
    return {"by": rows.by, "sizes": sizes} | _pack_columns(frame, cell, math.prod(sizes), blocks)


def _pack_sweep(
    sweep: Sweep, controls: Mapping[str, Control], blocks: list[bytes]
) -> dict[str, Any]:
    moved, value = sweep.frame["moved"], sweep.frame["value"]
    cell, offsets, size = np.full(len(moved), -1), {}, 0
    for name in sweep.along:
        values, mine = controls[name].values, (moved == name).to_numpy()
        index = _index(value[mine], values)
        if (index < 0).any():
            raise ValueError(f"a sweep has a value of {name} that the control has not.")
        cell[mine] = size + index
        offsets[name] = size
        size += len(values)
    frame = sweep.frame.drop(columns=["moved", "value"])
    head = {"by": (), "sizes": (), "along": sweep.along, "offsets": offsets}
    return head | _pack_columns(frame, cell, size, blocks)


def _pack_columns(
    frame: pd.DataFrame, cell: np.ndarray, n_cells: int, blocks: list[bytes]
) -> dict[str, Any]:
    order = np.argsort(cell, kind="stable")
    begins = np.searchsorted(cell[order], np.arange(n_cells + 1)).astype("<u4")
    begins[-1] = len(frame)
    columns = {}
    for column in frame.columns:
        values, words = frame[column], None
        if not pd.api.types.is_numeric_dtype(values):
            codes, unique = pd.factorize(values)
            values, words = pd.Series(codes), [str(word) for word in unique]
        columns[column] = {"at": _append(blocks, values.to_numpy()[order].astype("<f4"))}
        if words is not None:
            columns[column]["words"] = words
    return {
        "count": len(frame),
        "begins": _append(blocks, begins),
        "begins_count": len(begins),
        "columns": columns,
    }


def _index(column: pd.Series, values: tuple[Any, ...]) -> np.ndarray:
    """Position of each entry among a control's values; -1 where it is none of them."""
    if isinstance(values[0], str):
        return pd.Index(values).get_indexer(column.astype(str))
    # A grid of 0.05 made by two routes differs in the last bits.
    grid, given = np.asarray(values, dtype=float), column.to_numpy(dtype=float)
    nearest = np.abs(given[:, None] - grid[None, :]).argmin(axis=1)
    return np.where(np.isclose(grid[nearest], given, rtol=1e-6, atol=1e-9), nearest, -1)


def _append(blocks: list[bytes], array: np.ndarray) -> int:
    at = sum(map(len, blocks))
    blocks.append(array.tobytes())
    return at


def _plot(plot: Plot, tables: Collection[str]) -> dict[str, Any]:
    spec = plot.chart.to_dict()
    for key in ("$schema", "config", "width"):
        spec.pop(key, None)
    named = _named(spec)
    if unknown := named - set(tables):
        raise ValueError(f"a chart reads {sorted(unknown)}, which is none of the tables.")
    return {
        "spec": spec,
        "alt": plot.alt,
        "tables": sorted(named),
        "drag": dict(plot.drag),
        "pick": dict(plot.pick),
        "hover": plot.hover,
        "width": plot.width,
        "aspect": plot.aspect,
    }


def _named(spec: Any) -> set[str]:
    """Names of the data that a chart reads."""
    if isinstance(spec, list):
        return set().union(*map(_named, spec)) if spec else set()
    if not isinstance(spec, dict):
        return set()
    data = spec.get("data")
    own = {data["name"]} if isinstance(data, dict) and set(data) == {"name"} else set()
    return own.union(*(_named(value) for value in spec.values()))


def _vega() -> str:
    """File name of the Vega that Streamlit ships: the same that st.altair_chart loads."""
    folder = Path(st.__file__).parent / "static" / "static" / "js"
    return next(folder.glob("loadVegaEmbed.*.js")).name


def _sized(header: Mapping[str, Any]) -> bytes:
    """Length, then JSON, padded so that the floats after it are aligned."""
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 4)
    return struct.pack("<I", len(encoded)) + encoded
