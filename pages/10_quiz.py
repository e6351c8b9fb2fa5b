"""Questions on everything here, with numbers drawn anew at each try."""

from __future__ import annotations

import streamlit as st

from pages.ui import theme

st.title("Quiz")
st.markdown("##### Answer, see at once why, and try again with new numbers.")
theme.load_torch()

from pages.ui import quiz  # noqa: E402  (it imports torch)

quiz.show()
