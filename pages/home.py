"""What this is, an untrained and a trained agent, and the path through the app. No torch."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from pages.ui import chapter, theme
from pgcore import ready

TRAIN = "7_train.py"
LABS = (
    (TRAIN, "Train", "Choose an algorithm, press Start, compare runs.", ":material/play_circle:"),
    (
        "8_inside_an_update.py",
        "Inside an update",
        "Which sample pushes the policy where?",
        ":material/zoom_in:",
    ),
    (
        "9_bug_clinic.py",
        "Bug clinic",
        "One thing is wrong in this run: what?",
        ":material/bug_report:",
    ),
)
PRACTICE = (("10_quiz.py", "Quiz", "What would you be asked about all this?", ":material/quiz:"),)
KEY = "home_episodes"


def section(heading: str, rows: Iterable[tuple[str, str, str, str]]) -> None:
    """Links to those pages that the navigation has: file, title, one line, icon."""
    place = st.empty()
    for file, title, line, icon in rows:
        # A page that is not there is left out, with the heading if it was the only one.
        with (
            suppress(StreamlitPageNotFoundError),
            st.container(horizontal=True, vertical_alignment="center", gap="small"),
        ):
            st.page_link(f"pages/{file}", label=f"**{title}**", icon=icon, width=210)
            st.markdown(line, width="stretch")
            place.subheader(heading)


def show(name: str, episode: ready.ReadyEpisode) -> None:
    ending = "the time limit" if episode.reached_limit else "then it failed"
    played = f"return {episode.total_return:g} in {episode.length} steps"
    st.image(
        episode.gif,
        caption=f"**{name}**: {played} ({episode.seconds:.3g} s), {ending}",
        alt=f"The {name.lower()} agent plays CartPole: {played}, {ending}.",
        width="stretch",
    )


def play_new() -> tuple[ready.ReadyEpisode, ...]:
    theme.load_torch()
    seed = secrets.randbelow(2**31)
    with st.spinner("Playing two new episodes…"):
        return tuple(ready.show(agent, shipped.config.env_id, seed) for agent in ready.agents())


@st.fragment
def before_and_after() -> None:
    stage = st.container()
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("New episodes", icon=":material/casino:", key="new_episodes"):
            st.session_state[KEY] = play_new()
    episodes = st.session_state.get(KEY, (shipped.untrained, shipped.trained))
    for column, name, episode in zip(
        stage.columns(2), ("Untrained", "Trained"), episodes, strict=True
    ):
        with column.container(border=True):
            show(name, episode)


shipped = st.cache_resource(ready.load, show_spinner=False)()

st.title("Policy gradients, hands on")
st.markdown(
    "A **policy gradient** method trains an agent by making actions that paid off more likely. "
    "Here you take these methods apart, from REINFORCE to PPO and GAE: every chapter asks one "
    "question, and answers it with a figure to play with and the code behind it. "
    "The same code then trains agents while you watch, without a graphics card."
)
if st.button("Train one yourself: under a minute", type="primary", icon=":material/play_circle:"):
    st.switch_page(f"pages/{TRAIN}")

st.subheader("Before and after training")
st.markdown(
    "CartPole: keep the pole up by pushing the cart left or right. Each step pays a reward of 1, "
    "until the pole tips, the cart leaves the track, or "
    f"{shipped.trained.length} steps are over. The sum of the rewards is the **return**. "
    f"Between the two agents lie {shipped.env_steps:,} steps of practice with PPO."
)
before_and_after()

section(
    "Chapters, each built on the ones before",
    (
        (each.file, f"{each.number} · {each.title}", each.question, each.icon)
        for each in chapter.CHAPTERS
    ),
)
section("Labs", LABS)
section("Practice", PRACTICE)
