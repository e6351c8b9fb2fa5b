"""A small vocabulary for charts: explicit types, fixed axes, colours by meaning.

Each mark takes its data as the name of a figure's table (drawn in the browser) or as a DataFrame
(drawn with show()). Types are given explicitly: guessing them costs Altair 14 ms a chart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

Data = str | pd.DataFrame
Chart = alt.Chart | alt.LayerChart


@dataclass(frozen=True)
class Axis:
    """One axis of a chart; give the same to every layer.

    Args:
        field: column.
        title: what it is, with its unit.
        domain: fixed ends. Leave out only for words.
        kind: "Q" numbers, "N" words, "O" ordered words or numbers.
        format: of the labels, d3's.
        ticks: where the labels are.
        log: logarithmic scale.
        reverse: from high to low.
        hidden: no labels, no title, no grid.
    """

    field: str
    title: str = ""
    domain: tuple[Any, ...] | None = None
    kind: str = "Q"
    format: str = ""
    ticks: Sequence[Any] = ()
    log: bool = False
    reverse: bool = False
    hidden: bool = False

    def of(self, field: str) -> Axis:
        """The same axis over another column."""
        return replace(self, field=field)

    def channel(self, make: Any) -> Any:
        options: dict[str, Any] = {"title": self.title or None}
        scale: dict[str, Any] = {"reverse": True} if self.reverse else {}
        if self.domain is not None:
            scale |= {"domain": list(self.domain)} | ({"nice": False} if self.kind == "Q" else {})
        if self.log:
            scale["type"] = "log"
        if scale:
            options["scale"] = alt.Scale(**scale)
        axis: dict[str, Any] = {}
        if self.format:
            axis["format"] = self.format
        if len(self.ticks):
            axis["values"] = list(self.ticks)
        if self.kind != "Q":
            axis["labelAngle"] = 0
            options["sort"] = None
        options["axis"] = None if self.hidden else alt.Axis(**axis)
        return make(f"{self.field}:{self.kind}", **options)


@dataclass(frozen=True)
class Color:
    """Colour by a column of words, each with its own, and a legend that says so.

    Args:
        field: column.
        colors: word -> colour (pages.ui.theme).
        title: of the legend; legend=False leaves it out.
        dashes, shapes: one a word, so that colour is never the only difference: a line's pattern
            ([] is solid), a point's symbol ("circle", "triangle-up", "cross", "square").
    """

    field: str
    colors: Mapping[str, str]
    title: str = ""
    legend: bool = True
    dashes: Sequence[Sequence[int]] = ()
    shapes: Sequence[str] = ()

    def channels(self, kind: str) -> dict[str, Any]:
        # The same legend in every channel, so that Vega merges them into one.
        legend = alt.Legend(title=self.title or None, orient="top") if self.legend else None

        def channel(make: Any, values: Sequence[Any]) -> Any:
            scale = alt.Scale(domain=list(self.colors), range=list(values))
            return make(f"{self.field}:N", scale=scale, legend=legend)

        made = {"color": channel(alt.Color, list(self.colors.values()))}
        if self.dashes and kind == "line":
            made["strokeDash"] = channel(
                alt.StrokeDash, [list(dash) or [1, 0] for dash in self.dashes]
            )
        if self.shapes and kind == "point":
            made["shape"] = channel(alt.Shape, self.shapes)
        return made


@dataclass(frozen=True)
class Shade:
    """Colour by a number, from a low colour through a middle to a high one."""

    field: str
    domain: tuple[float, ...]
    colors: tuple[str, ...]
    title: str = ""
    legend: bool = True
    format: str = ""
    ticks: Sequence[float] = ()

    def channels(self, kind: str) -> dict[str, Any]:
        scale = alt.Scale(domain=list(self.domain), range=list(self.colors), clamp=True)
        words: dict[str, Any] = {"format": self.format} if self.format else {}
        if len(self.ticks):
            words["values"] = list(self.ticks)
        legend = alt.Legend(title=self.title or None, orient="top", **words)
        legend = legend if self.legend else None
        return {"color": alt.Color(f"{self.field}:Q", scale=scale, legend=legend)}


def _mark(kind: str, data: Data, channels: Mapping[str, Any], color: Any, **mark: Any) -> alt.Chart:
    if isinstance(color, str):
        mark["color"] = color
    name = mark.pop("name", None)
    extra = mark.pop("encode", {})
    made: dict[str, Any] = {}
    for channel, axis in channels.items():
        if isinstance(axis, Axis):
            make = {"x": alt.X, "y": alt.Y}.get(channel)
            second = {"x2": alt.X2, "y2": alt.Y2}.get(channel)
            made[channel] = axis.channel(make) if make else second(axis.field)
        elif axis is not None:
            made[channel] = axis
    if isinstance(color, Color | Shade):
        made |= color.channels(kind)
    source = alt.NamedData(data) if isinstance(data, str) else data
    chart = getattr(alt.Chart(source), f"mark_{kind}")(
        clip=mark.pop("clip", kind != "text"), **mark
    )
    chart = chart.encode(**made, **extra)
    return chart.properties(name=name) if name else chart


def line(
    data: Data,
    x: Axis,
    y: Axis,
    color: Any = None,
    *,
    order: str = "",
    split: str = "",
    **mark: Any,
) -> alt.Chart:
    """A line through the rows; `split` draws one line a value of that column.

    order: the column to walk along, where it is not x.
    """
    channels: dict[str, Any] = {"x": x, "y": y}
    if order:
        channels["order"] = alt.Order(f"{order}:Q")
    if split:
        channels["detail"] = alt.Detail(f"{split}:N")
    return _mark("line", data, channels, color, **({"strokeWidth": 3} | mark))


def area(data: Data, x: Axis, y: Axis, y2: Axis, color: Any = None, **mark: Any) -> alt.Chart:
    """The band between two columns of y."""
    return _mark("area", data, {"x": x, "y": y, "y2": y2}, color, **({"opacity": 0.2} | mark))


def points(
    data: Data, x: Axis, y: Axis, color: Any = None, *, name: str = "", size: int = 60, **mark: Any
) -> alt.Chart:
    """Filled points. `name` lets a test find them: name="marker"."""
    return _mark(
        "point",
        data,
        {"x": x, "y": y},
        color,
        **({"filled": True, "size": size, "opacity": 1, "name": name or None} | mark),
    )


def bars(data: Data, x: Axis, y: Axis, color: Any = None, **mark: Any) -> alt.Chart:
    """Bars from zero along the numeric axis."""
    return _mark("bar", data, {"x": x, "y": y}, color, **mark)


def rules(
    data: Data,
    x: Axis | None = None,
    y: Axis | None = None,
    color: Any = None,
    *,
    x2: Axis | None = None,
    y2: Axis | None = None,
    **mark: Any,
) -> alt.Chart:
    """Straight lines: across the plot (x or y alone), or from (x, y) to (x2, y2)."""
    channels = {"x": x, "y": y, "x2": x2, "y2": y2}
    return _mark("rule", data, channels, color, **({"strokeWidth": 1.5} | mark))


def cells(
    data: Data,
    x: Axis | None = None,
    y: Axis | None = None,
    color: Any = None,
    *,
    x2: Axis | None = None,
    y2: Axis | None = None,
    **mark: Any,
) -> alt.Chart:
    """Rectangles: of a grid (words on both axes), from (x, y) to (x2, y2), or a band across."""
    return _mark("rect", data, {"x": x, "y": y, "x2": x2, "y2": y2}, color, **mark)


def labels(
    data: Data, x: Axis, y: Axis, text: str, color: Any = None, *, format: str = "", **mark: Any
) -> alt.Chart:
    """Text at a point: a column of words, or of numbers with d3's format."""
    what = alt.Text(f"{text}:Q", format=format) if format else alt.Text(f"{text}:N")
    return _mark("text", data, {"x": x, "y": y, "text": what}, color, **({"fontSize": 14} | mark))


def pictures(data: Data, url: str, **mark: Any) -> alt.Chart:
    """The picture of a row, a column of data URIs, filling the plot."""
    sides = {side: {"expr": side} for side in ("width", "height")}
    middle = {
        at: alt.value({"expr": f"{side} / 2"}) for at, side in (("x", "width"), ("y", "height"))
    }
    where = {"aspect": False, "encode": middle | {"url": alt.Url(f"{url}:N")}}
    return _mark("image", data, {}, None, **(sides | where | mark))


def layers(*marks: alt.Chart, height: int = 260) -> alt.LayerChart:
    """One chart of several marks, back to front."""
    return alt.layer(*marks).properties(height=height)


def show(chart: Chart, alt: str, key: str | None = None) -> None:
    """A chart over DataFrames, drawn once, with nothing to drag."""
    st.altair_chart(chart, width="stretch", key=key, alt=alt)
