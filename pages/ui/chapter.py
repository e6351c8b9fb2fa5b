"""What the chapters have in common: their order, their head and their foot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.ui import theme

_PAGES = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Chapter:
    """One chapter: its file, and the question that it answers."""

    file: str
    title: str
    question: str
    icon: str

    @property
    def number(self) -> str:
        return self.file.partition("_")[0]

    @property
    def url_path(self) -> str:
        return self.file.removesuffix(".py").partition("_")[2]

    @property
    def exists(self) -> bool:
        return (_PAGES / self.file).exists()

    def page(self) -> st.Page:
        return st.Page(
            f"pages/{self.file}", title=self.title, icon=self.icon, url_path=self.url_path
        )


CHAPTERS = (
    Chapter(
        "1_mdp.py",
        "Decision processes",
        "What does an agent decide, and what is a decision worth?",
        ":material/grid_on:",
    ),
    Chapter(
        "2_log_probs.py",
        "Log-probabilities",
        "How does a network choose an action, and why in logarithms?",
        ":material/functions:",
    ),
    Chapter(
        "3_reinforce.py",
        "REINFORCE",
        "How does a reward make an action more likely?",
        ":material/trending_up:",
    ),
    Chapter(
        "4_baselines.py",
        "Baselines",
        "Why does subtracting a number from every return help?",
        ":material/align_vertical_center:",
    ),
    Chapter(
        "5_ppo_clip.py",
        "The PPO clip",
        "How can one batch be used many times without the policy running away?",
        ":material/content_cut:",
    ),
    Chapter(
        "6_gae.py",
        "GAE",
        "Rewards or the value network: which should an advantage trust?",
        ":material/stacked_line_chart:",
    ),
)


def pages() -> list[st.Page]:
    """Every chapter that has its file, for st.navigation."""
    return [chapter.page() for chapter in CHAPTERS if chapter.exists]


def _position(file: str) -> int:
    return [chapter.file for chapter in CHAPTERS].index(Path(file).name)


def head(file: str) -> None:
    """Title and question. Call with __file__, first thing: it also loads torch, once a process."""
    chapter = CHAPTERS[_position(file)]
    st.title(f"{chapter.number} · {chapter.title}")
    st.markdown(f"##### {chapter.question}")
    theme.load_torch()


def foot(file: str, summary: str = "") -> None:
    """Where to go next, with one sentence on what this chapter settled."""
    at = _position(file)
    st.divider()
    if summary:
        st.markdown(summary)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for there, arrow, side in (
            (at - 1, "arrow_back", "left"),
            (at + 1, "arrow_forward", "right"),
        ):
            if 0 <= there < len(CHAPTERS) and CHAPTERS[there].exists:
                other = CHAPTERS[there]
                st.page_link(
                    f"pages/{other.file}",
                    label=f"{other.number} · {other.title}",
                    icon=f":material/{arrow}:",
                    icon_position=side,
                )
