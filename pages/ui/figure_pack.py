"""A figure as bytes: a JSON head, then its tables' columns as float32, ready to be looked up."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.controls import Control
from pages.ui.figure_parts import Figure, Panel, Plot, Rows, Sweep

_ONE_A_ROW = {"point", "rule", "rect", "bar", "text", "image"}
"""Kinds of mark of which every row of the table is one; a line or an area is one mark of all."""


def build(
    controls: Sequence[Control],
    tables: Mapping[str, Rows],
    plots: Sequence[Plot | Panel],
    *,
    top: str = "",
    body: str = "",
    live: Sequence[str] = (),
) -> Figure:
    """Pack a figure. Slow (tens of milliseconds): call it in a function under st.cache_data.

    Args:
        controls: drawn above the plots, in order. Their names are keys of the URL.
        tables: what the charts and texts read, by name.
        plots: beside each other where there is room, text panels among them.
        top, body: trusted HTML above and below the plots, made of text(), meters(), sentence(),
            table(), source.linked(). An element with data-set="control=value" sets that control
            when hovered, focused or tapped, and has the class "on" while it matches.
        live: names of the tables that show(live=...) brings.
    Raises:
        ValueError: a table lacks a control's column or has a value that the control lacks.
    """
    by_name = {control.name: control for control in controls}
    blocks: list[bytes] = []
    shown = {
        "plots": [_plot(plot, {*tables, *live}) for plot in plots],
        "top": top,
        "body": body,
    }
    mentioned = json.dumps(shown)
    header = shown | {
        "controls": [_describe(control) for control in controls],
        "tables": {
            name: pack_table(name, rows, by_name, blocks, mentioned)
            for name, rows in tables.items()
        },
        "vega": _vega(),
    }
    packed = b"".join(blocks)
    header["size"] = len(packed)
    # What tells the browser how much of what it has drawn can stay: all, all but the rows and the
    # sliders' values, all but the charts.
    digest = _digest(header, packed)
    header["charts"] = _digest(shown["plots"])
    panels = [plot.get("html") for plot in shown["plots"]]
    header["form"] = _digest(top, body, panels, [_fixed(one) for one in header["controls"]])
    return Figure(tuple(controls), digest, sized(header) + packed)


def _digest(*parts: Any) -> str:
    known = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts]
    return hashlib.sha256(b"".join(known)).hexdigest()[:16]


def sized(header: Mapping[str, Any]) -> bytes:
    """Length, then JSON, padded so that the floats after it are aligned."""
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 4)
    return struct.pack("<I", len(encoded)) + encoded


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
        "steps": control.steps,
        "told": control.told,
    }


def _fixed(control: dict[str, Any]) -> dict[str, Any]:
    """What of a control is drawn once: for a slider all but its values."""
    values = {"values", "keys", "labels", "default"} if control["kind"] == "slider" else set()
    return {name: part for name, part in control.items() if name not in values}


def pack_table(
    name: str,
    rows: Rows | Sweep,
    controls: Mapping[str, Control],
    blocks: list[bytes],
    mentioned: str = "",
) -> dict[str, Any]:
    """Sort by the controls, note where each position's rows begin, append the columns as bytes.

    A column that only chooses rows is left out where the figure's charts and texts never mention
    it: the position says the same.
    """
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
    unsaid = {column for column in rows.by if column not in mentioned} if mentioned else set()
    columns = [column for column in frame.columns if column not in unsaid]
    head = {"by": rows.by, "sizes": sizes}
    return head | _pack_columns(frame, columns, cell, math.prod(sizes), blocks)


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
    columns = [column for column in sweep.frame.columns if column not in ("moved", "value")]
    head = {"by": (), "sizes": (), "along": sweep.along, "offsets": offsets}
    return head | _pack_columns(sweep.frame, columns, cell, size, blocks)


def _pack_columns(
    frame: pd.DataFrame,
    names: Sequence[str],
    cell: np.ndarray,
    n_cells: int,
    blocks: list[bytes],
) -> dict[str, Any]:
    order = np.argsort(cell, kind="stable")
    begins = np.searchsorted(cell[order], np.arange(n_cells + 1)).astype("<u4")
    columns = {}
    for column in names:
        values, words = frame[column], None
        if not pd.api.types.is_numeric_dtype(values):
            codes, unique = pd.factorize(values)
            values, words = codes, [str(word) for word in unique]
        columns[column] = {"at": _append(blocks, np.asarray(values)[order].astype("<f4"))}
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
    order = np.argsort(grid)
    nearest = order[np.searchsorted((grid[order][1:] + grid[order][:-1]) / 2, given)]
    return np.where(np.isclose(grid[nearest], given, rtol=1e-6, atol=1e-9), nearest, -1)


def _append(blocks: list[bytes], array: np.ndarray) -> int:
    """Where the array's bytes are among the blocks; equal columns of two tables are sent once."""
    block, at = array.tobytes(), 0
    for each in blocks:
        if each == block:
            return at
        at += len(each)
    blocks.append(block)
    return at


def _plot(plot: Plot | Panel, tables: Collection[str]) -> dict[str, Any]:
    if isinstance(plot, Panel):
        return {"html": plot.html, "width": plot.width}
    # Altair's check against its schema takes longer than all the rest, and the tests draw every
    # chart in a browser: a wrong one shows there.
    spec = plot.chart.to_dict(validate=False)
    for key in ("$schema", "config", "width"):
        spec.pop(key, None)
    _reuse_marks(spec)
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


def _reuse_marks(spec: dict[str, Any], data: Any = None) -> None:
    """Draw the first row of a table with the same mark before and after a change, and so on.

    Vega otherwise removes every mark of a table that changes and makes new ones, which takes longer
    than all else in the frame of a drag. figure.js numbers the rows.
    """
    data = spec.get("data", data)
    for layer in spec.get("layer", ()):
        _reuse_marks(layer, data)
    mark = spec.get("mark", {})
    kind = mark if isinstance(mark, str) else mark.get("type")
    if kind in _ONE_A_ROW and isinstance(data, dict) and set(data) == {"name"}:
        spec.setdefault("encoding", {})["key"] = {"field": "_place"}


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
