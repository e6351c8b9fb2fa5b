"""A prediction before the reveal: it costs one click to skip, and nothing is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Option:
    """One answer.

    Args:
        text: the answer, as the reader might think it.
        why: for the right answer, the reason; for a wrong one, the misconception behind it, as a
            sentence that says what is true instead.
        right: whether it is the right one; exactly one is.
    """

    text: str
    why: str
    right: bool = False


def ask(key: str, question: str, options: Sequence[Option]) -> None:
    """Ask for a prediction; reveal on an answer or on "Show me".

    The reveal names the reader's own misconception first, then the right answer, then what is
    behind each other option. The answer stays out of the URL: a link must not give it away.

    Args:
        key: once a page.
        question: Markdown, one or two sentences.
        options: two or more, exactly one of them right.
    Raises:
        ValueError: if not exactly one option is right.
    """
    right = [i for i, option in enumerate(options) if option.right]
    if len(right) != 1:
        raise ValueError(f"{key}: exactly one option must be right, not {len(right)}.")
    _ask(key, question, options, right[0])


@st.fragment
def _ask(key: str, question: str, options: Sequence[Option], right: int) -> None:
    with st.container(border=True, key=f"predict-{key}"):
        st.markdown(f"**Predict.** {question}")
        picked = st.radio(
            question,
            range(len(options)),
            index=None,
            format_func=lambda i: options[i].text,
            key=f"{key} answer",
            label_visibility="collapsed",
        )
        shown = st.session_state.get(f"{key} shown", False)
        with st.container(horizontal=True):
            checked = st.button("Check", key=f"{key} check", disabled=picked is None)
            skipped = st.button("Show me", key=f"{key} skip", type="tertiary")
        if checked or skipped:
            st.session_state[f"{key} shown"] = shown = True
        if not shown:
            return
        _reveal(options, picked, right)


def _reveal(options: Sequence[Option], picked: int | None, right: int) -> None:
    answer = options[right]
    if picked is not None and picked != right:
        st.warning(
            f"**{options[picked].text}** — {options[picked].why}", icon=":material/lightbulb:"
        )
    st.success(f"**{answer.text}** — {answer.why}", icon=":material/check:")
    others = [option for i, option in enumerate(options) if i not in (picked, right)]
    if others:
        st.markdown("\n".join(f"- *{option.text}* — {option.why}" for option in others))


@dataclass(frozen=True)
class Case:
    """One row of a table to fill in: what is asked, the right answer, and its reason."""

    text: str
    answer: str
    why: str


def fill(
    key: str, question: str, cases: Sequence[Case], answers: Sequence[str], columns: int = 1
) -> None:
    """A table that the reader fills in and then reveals, row by row the same answers to choose.

    Args:
        key: once a page.
        question: Markdown.
        cases: the rows; each right answer is one of `answers`.
        answers: the choices.
        columns: the cases run down the first column, then the next.
    Raises:
        ValueError: if a row's answer is none of the choices.
    """
    for case in cases:
        if case.answer not in answers:
            raise ValueError(f"{key}: {case.answer!r} is none of the answers.")
    _fill(key, question, cases, answers, columns)


@st.fragment
def _fill(
    key: str, question: str, cases: Sequence[Case], answers: Sequence[str], columns: int
) -> None:
    with st.container(border=True, key=f"predict-{key}"):
        st.markdown(f"**Predict.** {question}")
        shown = st.session_state.get(f"{key} shown", False)
        slots = []
        grid = st.columns(columns)
        for i, case in enumerate(cases):
            with grid[i * columns // len(cases)].container(gap="xsmall"):
                picked = st.segmented_control(case.text, answers, key=f"{key} {i}")
                slots.append((st.empty(), case, picked))
        with st.container(horizontal=True):
            given = sum(picked is not None for _, _, picked in slots)
            checked = st.button(
                f"Check {given} of {len(cases)}", key=f"{key} check", disabled=not given
            )
            skipped = st.button("Show me", key=f"{key} skip", type="tertiary")
        if checked or skipped:
            st.session_state[f"{key} shown"] = shown = True
        if not shown:
            return
        for slot, case, picked in slots:
            verdict = {None: ":material/lightbulb:", case.answer: ":material/check:"}
            icon = verdict.get(picked, ":material/close:")
            slot.markdown(f"{icon} **{case.answer}**. {case.why}")
