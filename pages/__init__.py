"""The app's pages; app.py is their table of contents."""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

# Streamlit takes a folder of this name for its older kind of multipage app until st.navigation has
# run once. A link opened first thing after the start would run its page without app.py: no wide
# layout, no lease, a table of contents made of file names. So the first run starts over.
if PagesManager.uses_pages_directory:
    PagesManager.uses_pages_directory = False
    st.rerun()
