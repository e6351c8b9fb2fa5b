"""The record of a session's answers: a table, to take along and to bring back."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui import quiz_state
from pgcore.questions import questions, topics
from pgcore.questions.progress import Progress


def record() -> None:
    """What has been answered, by topic, with files to save and to load."""
    progress = quiz_state.progress()
    with st.expander("Your progress", icon=":material/bookmark:", key="quiz_record"):
        rows = [
            {
                "Topic": topic.title,
                "Questions": len(found),
                "Tried": sum(each.name in progress.tried for each in found),
                "Solved": sum(each.name in progress.solved for each in found),
            }
            for topic, found in topics().items()
        ]
        st.table(pd.DataFrame(rows).set_index("Topic"))
        st.caption(
            "It is kept in this browser tab: a reload keeps it, closing the tab does not. "
            f"Answers so far: {len(progress.attempts)}. Question and seed make each one again."
        )
        with st.container(horizontal=True):
            for name, text, mime in (
                ("JSON", progress.to_json(), "application/json"),
                ("CSV", progress.to_csv(), "text/csv"),
            ):
                st.download_button(
                    f"Save as {name}",
                    text,
                    f"quiz_progress.{name.lower()}",
                    mime,
                    key=f"quiz save {name}",
                    icon=":material/download:",
                    on_click="ignore",
                    disabled=not progress.attempts,
                )
            st.button(
                "Start over",
                icon=":material/delete:",
                on_click=quiz_state.set_progress,
                args=(Progress(),),
                disabled=not progress.attempts,
                key="quiz start over",
            )
        _load()


def _load() -> None:
    st.file_uploader("Bring back a saved JSON file", type="json", key="quiz file", on_change=_read)
    problem = st.session_state.get("quiz file problem")
    if problem:
        st.warning(problem, icon=":material/upload_file:")


def _read() -> None:
    st.session_state["quiz file problem"] = ""
    file = st.session_state["quiz file"]
    if file is None:
        return
    try:
        text = file.getvalue().decode(errors="replace")
        quiz_state.set_progress(Progress.from_json(text, questions()))
    except ValueError as problem:
        st.session_state["quiz file problem"] = str(problem)
