"""Progress in the browser's own session storage, so that a reload does not lose it."""

from __future__ import annotations

import streamlit as st

from pages.ui import quiz_state
from pgcore.questions import questions
from pgcore.questions.progress import Progress

_KEY = "quiz store"
_HEARD = "quiz store heard"
_component = st.components.v2.component(
    "pgcore_quiz_store",
    js="""
const KEY = "pgcore quiz progress";
export default function ({ data, setStateValue }) {
  try {
    if (data.keep) sessionStorage.setItem(KEY, data.keep);
    else if (data.forget) sessionStorage.removeItem(KEY);
    else {
      const kept = sessionStorage.getItem(KEY);
      if (kept) setStateValue("kept", kept);
    }
  } catch {
    // Storage is switched off in this browser: progress lasts as long as the page.
  }
}
""",
)


def restore() -> None:
    """Take over what the browser kept, once. Call before progress is shown."""
    kept = st.session_state.get(_KEY, {}).get("kept")
    if not kept or st.session_state.get(_HEARD):
        return
    st.session_state[_HEARD] = True
    try:
        restored = Progress.from_json(str(kept), questions())
    except ValueError:
        return  # damaged in the browser: nothing that a visitor could mend, so it is forgotten
    if restored.attempts:
        quiz_state.set_progress(restored)


def save() -> None:
    """Hand the browser the record to keep; ask for its own as long as there is none here."""
    now = quiz_state.progress()
    if now.attempts:
        st.session_state[_HEARD] = True
    data = {
        "keep": now.to_json() if now.attempts else "",
        "forget": bool(st.session_state.get(_HEARD)),
    }
    _component(key=_KEY, data=data, on_kept_change=lambda: None)
