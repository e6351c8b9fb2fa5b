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


@st.fragment
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
        _reveal(options, picked, right[0])


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
