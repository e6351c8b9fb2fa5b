"""One widget for each kind of answer. Each returns what was given, once it is to be checked."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui import quiz_marks
from pgcore.questions.answers import Choice, Mark, Order
from pgcore.questions.base import Answer
from pgcore.questions.line import Line
from pgcore.questions.number import Number
from pgcore.questions.syntax import MAX_LENGTH

CALLED = {
    "choice": "Choose one",
    "number": "Compute",
    "order": "Put in order",
    "line": "Write the line",
    "mark": "Mark in the figure",
}
_NUMBERS = ("one", "two", "3", "4", "5", "6")


def ask(answer: Answer, key: str) -> Any:
    """Draw the widget of this kind; the answer to check, or None as long as there is none."""
    draw: Any = {
        "choice": _choice,
        "number": _typed,
        "order": _order,
        "line": _typed,
        "mark": _mark,
    }[answer.kind]
    return draw(answer, key)


def _choice(answer: Choice, key: str) -> int | None:
    with st.form(f"{key} form", border=False):
        picked = st.radio(
            "Your answer",
            range(len(answer.options)),
            index=None,
            format_func=lambda i: answer.options[i].text,
            key=f"{key} radio",
            label_visibility="collapsed",
        )
        checked = st.form_submit_button("Check", type="primary", icon=":material/check:")
    if checked and picked is None:
        st.warning("Pick an answer first.")
    return picked if checked else None


def _typed(answer: Number | Line, key: str) -> float | str | None:
    if isinstance(answer, Line):
        st.code(with_gap(answer), language="python", wrap_lines=True)
        label = f"`{answer.target} =` one line of Python; it is read, and never run"
        room = MAX_LENGTH
    else:
        label = "Your number" + (f", in {answer.unit}" if answer.unit else "")
        label += ", exactly" if not answer.within else f", within {answer.within:.0%}"
        room = 60
    with st.form(f"{key} form", border=False):
        text = st.text_input(label, key=f"{key} text", max_chars=room, autocomplete="off")
        checked = st.form_submit_button("Check", type="primary", icon=":material/check:")
    if not checked:
        return None
    try:
        return answer.read(text or "")
    except ValueError as problem:
        st.warning(str(problem), icon=":material/edit:")
        return None


def with_gap(answer: Line, line: str = "…") -> str:
    """The code around the gap, and what stands in it."""
    indent = answer.after[: len(answer.after) - len(answer.after.lstrip())]
    return f"{answer.before}\n{indent}{answer.target} = {line}\n{answer.after}"


def _order(answer: Order, key: str) -> list[int] | None:
    placed: list[int] = st.session_state.setdefault(f"{key} placed", [])

    def press(i: int) -> None:
        placed.remove(i) if i in placed else placed.append(i)

    st.caption("Press the items in order, first to last. Press again to take one back.")
    for i, position in enumerate(answer.positions):
        rank = placed.index(i) if i in placed else None
        icon = "radio_button_unchecked" if rank is None else f"looks_{_NUMBERS[rank]}"
        st.button(
            answer.items[position].text,
            key=f"{key} item {i}",
            icon=f":material/{icon}:",
            on_click=press,
            args=(i,),
            width="stretch",
        )
    checked = st.button(
        "Check",
        key=f"{key} check",
        type="primary",
        icon=":material/check:",
        disabled=len(placed) < len(answer.items),
    )
    return list(placed) if checked else None


def _mark(answer: Mark, key: str) -> frozenset[str] | None:
    picked = quiz_marks.widget(answer, key)
    checked = st.button(
        "Check", key=f"{key} check", type="primary", icon=":material/check:", disabled=not picked
    )
    return picked if checked else None
