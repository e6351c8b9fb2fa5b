"""Inside an update: controls that need the server, each with its place in the link.

Streamlit's own binding ties a key of the URL to one widget for good; here the same key means
another control when another run is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from pages.ui.controls import BadValue, Control


def widget(control: Control, scope: str = "") -> Any:
    """Draw the control as a Streamlit widget; one of its values.

    Args:
        control: its name is the key in the URL.
        scope: what it belongs to; each scope keeps its own value for the session.
    """
    key = f"inside {scope} {control.name}"
    # A run that is gone takes its values along: then the link decides again, or the default.
    if st.session_state.get(key) not in control.keys:
        st.session_state[key] = _from_link(control)
    common: dict[str, Any] = {"key": key, "help": control.help or None, "persist_state": "session"}
    if control.kind == "choice":
        chosen = st.segmented_control(control.label, control.keys, required=True, **common)
    else:
        chosen = st.select_slider(control.label, control.keys, **common)
    index = control.keys.index(chosen)
    linked = st.query_params.get(control.name)
    if linked != chosen and (linked or control.values[index] != control.default):
        st.query_params[control.name] = chosen
    return control.values[index]


def forget_on_change(name: str, value: object, names: Iterable[str]) -> None:
    """Take keys out of the link where they belonged to what was looked at before."""
    key = f"inside now {name}"
    before = st.session_state.setdefault(key, value)
    if before == value:
        return
    st.session_state[key] = value
    for each in names:
        if each in st.query_params:
            del st.query_params[each]


def _from_link(control: Control) -> str:
    given = st.query_params.get(control.name)
    default = control.keys[control.values.index(control.default)]
    if given is None:
        return default
    try:
        return control.keys[control.parse(given)]
    except BadValue as problem:
        st.warning(str(problem), icon=":material/link_off:")
        return default
