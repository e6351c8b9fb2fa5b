"""Figures that follow the finger: sliders and charts in the browser over rows from pgcore.

pgcore computes the rows for every position of the controls; the browser only looks them up. So
nothing is computed twice, no formula is typed in JavaScript, and a drag never waits for the
server. The charts are Altair's, drawn by the Vega that Streamlit ships.

A figure is built once (build, of the parts below) and shown in every session (show).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.controls import BadValue
from pages.ui.figure_pack import build, pack_table, sized
from pages.ui.figure_parts import (
    Figure,
    Live,
    Panel,
    Plot,
    Rows,
    Sweep,
    meter,
    meters,
    place,
    sentence,
    table,
    text,
)

__all__ = [
    "Figure",
    "Live",
    "Panel",
    "Plot",
    "Rows",
    "Sweep",
    "asked",
    "build",
    "follow",
    "meter",
    "meters",
    "place",
    "sentence",
    "show",
    "table",
    "text",
    "values",
]

THERE = "figures in the browser"
"""Key in the session: digests of what the browser last said that it keeps."""
_HERE = Path(__file__).resolve().parent
_PARTS = ("", "_packs", "_inputs", "_marks")
_component = st.components.v2.component(
    "pgcore_figure",
    html='<div class="figure"></div>',
    css=(_HERE / "figure.css").read_text(),
    js="\n".join((_HERE / f"figure{part}.js").read_text() for part in _PARTS),
)


def show(
    key: str,
    figure: Figure,
    *,
    alone: bool = True,
    live: Live | None = None,
    redraws: Sequence[str] = (),
) -> dict[str, Any]:
    """Draw a figure; say so where the link asks for a value that a control does not have.

    Args:
        key: once a page.
        figure: from build(). Another one may take its place: what is drawn stays, and so does each
            control on its value; one on its default follows the default.
        alone: on release only this figure runs again, with the URL brought up to date. False: the
            code around (the page, or the fragment that calls this) runs again.
        live: tables that the server adds; name them in build(live=...).
        redraws: keys of the figures drawn with follow() that show what is set here; on release
            they run again, in this order, and nothing else does.
    Returns:
        The controls' values when the code last ran, by name.
    """
    if not alone:
        return _show(key, figure, live)
    return st.fragment(_show, key=_name(key))(key, figure, live, redraws)


def follow(key: str, make: Callable[[], tuple[Figure, Live | None]]) -> None:
    """Draw a figure that shows what another one sets: one with this key in its `redraws`.

    Args:
        key: once a page.
        make: the figure and its live tables, from values() of the other one.
    """
    st.fragment(lambda: _show(key, *make()), key=_name(key))()


def values(key: str, figure: Figure) -> dict[str, Any]:
    """The values of the controls of a figure that is shown above, by name."""
    now = _indices(figure, st.session_state[f"{key} kept"]["now"])
    return {control.name: control.values[now[control.name]] for control in figure.controls}


def _name(key: str) -> str:
    return f"figure {key}"


def _show(
    key: str, figure: Figure, live: Live | None, redraws: Sequence[str] = ()
) -> dict[str, Any]:
    kept: dict[str, Any] = st.session_state.setdefault(f"{key} kept", {"now": {}})
    if key not in st.session_state:  # first run on this page: not yet mounted
        kept["start"], kept["notices"] = _start(figure, kept["now"])
        kept["now"] = kept["start"]
    for notice in kept["notices"]:
        st.warning(notice, icon=":material/link_off:")
    reported = _told(key).get("values")
    kept["now"] = _checked(figure, reported, kept["now"])
    now = _indices(figure, kept["now"])
    blocks: list[bytes] = []
    there = figure.digest in st.session_state.get(THERE, ())
    head = {
        "digest": figure.digest,
        "packed": not there,
        "start": _indices(figure, kept["start"]),
        "live": _live(figure, live, now, blocks),
    }
    payload = sized(head) + (b"" if there else figure.packed) + b"".join(blocks)
    _component(key=key, data=payload, on_told_change=partial(_hear, key, redraws))
    if reported is not None:
        kept["notices"] = []
    _write_url(figure, now)
    return values(key, figure)


def asked(key: str, name: str) -> str | None:
    """The value (its key) that the reader gave a control of show(key); None: never touched.

    It comes from outside, and is known before show(): for a figure that is made after it.
    """
    reported = _told(key).get("values")
    given = reported.get(name) if isinstance(reported, dict) else None
    if isinstance(given, str):
        return given
    return st.session_state.get(f"{key} kept", {"now": {}})["now"].get(name)


def _live(
    figure: Figure, live: Live | None, now: Mapping[str, int], blocks: list[bytes]
) -> dict[str, Any]:
    if live is None:
        return {"at": {}, "tables": {}}
    controls = {control.name: control for control in figure.controls}
    tables = live.compute(**{name: controls[name].values[now[name]] for name in live.by})
    return {
        "at": {name: now[name] for name in live.by},
        "tables": {name: pack_table(name, rows, controls, blocks) for name, rows in tables.items()},
    }


def _told(key: str) -> dict[str, Any]:
    """What a figure's browser side last reported: values, packs. It comes from outside."""
    told = st.session_state.get(key, {}).get("told")
    return told if isinstance(told, dict) else {}


def _hear(key: str, redraws: Sequence[str]) -> None:
    """Note which figures the browser keeps, as bytes, so that they are not sent again."""
    packs = _told(key).get("packs")
    known = packs if isinstance(packs, list) else []
    st.session_state[THERE] = frozenset(one for one in known if isinstance(one, str))
    if redraws:
        # By their names: the words and code between them are not sent and laid out again.
        st.rerun([_name(each) for each in (key, *redraws)])


def _start(figure: Figure, kept: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Where controls start: the link's value, else the session's last; the others' default."""
    start, notices = dict(kept), []
    for control in figure.controls:
        if control.told == "link" and control.name in st.query_params:
            try:
                start[control.name] = control.keys[control.parse(st.query_params[control.name])]
            except BadValue as problem:
                start.pop(control.name, None)
                notices.append(str(problem))
    return start, notices


def _checked(figure: Figure, reported: Any, now: Mapping[str, str]) -> dict[str, str]:
    """What the browser reports, where it makes sense; it comes from outside. Defaults left out."""
    reported = reported if isinstance(reported, dict) else {}
    moved = {}
    for control in figure.controls:
        given = (reported.get(control.name), now.get(control.name))
        key = next((each for each in given if each in control.keys), None)
        if key is not None and key != control.default_key:
            moved[control.name] = key
    return moved


def _indices(figure: Figure, keys: Mapping[str, str]) -> dict[str, int]:
    """Each control's position; the default's where it has no such value (any more)."""
    return {
        control.name: control.keys.index(
            keys[control.name] if keys.get(control.name) in control.keys else control.default_key
        )
        for control in figure.controls
    }


def _write_url(figure: Figure, now: Mapping[str, int]) -> None:
    """Tell Streamlit what the browser wrote in the URL: keys off the default, or there before.

    The browser writes first and the same, so the browser's history gains no entry.
    """
    wanted = {
        control.name: control.keys[now[control.name]]
        for control in figure.controls
        if control.told == "link"
        and (
            control.name in st.query_params or control.values[now[control.name]] != control.default
        )
    }
    if any(st.query_params.get(name) != value for name, value in wanted.items()):
        st.query_params.update(wanted)
