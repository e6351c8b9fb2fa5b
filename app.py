"""The table of contents. Start it with: streamlit run app.py"""

import streamlit as st

from pages.ui import chapter, live, theme

st.set_page_config(page_title="Policy gradients, hands on", page_icon="🤸", layout="wide")
theme.warm_up()
live.keep_lease()

page = st.navigation(
    {
        "": [st.Page("pages/home.py", title="Start here", icon=":material/home:", default=True)],
        "Chapters": chapter.pages(),
        "Labs": [
            st.Page(
                "pages/7_train.py", title="Train", icon=":material/play_circle:", url_path="train"
            ),
            st.Page(
                "pages/8_inside_an_update.py",
                title="Inside an update",
                icon=":material/zoom_in:",
                url_path="inside_an_update",
            ),
            st.Page(
                "pages/9_bug_clinic.py",
                title="Bug clinic",
                icon=":material/bug_report:",
                url_path="bug_clinic",
            ),
        ],
        "Practice": [
            st.Page("pages/10_quiz.py", title="Quiz", icon=":material/quiz:", url_path="quiz"),
        ],
    }
)
page.run()
