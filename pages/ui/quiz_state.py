"""Where the quiz stands: topic, question and seed live in the URL, answers in the session."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from pgcore.questions import MAX_SEED, questions, topics
from pgcore.questions.answers import Verdict
from pgcore.questions.base import Asked
from pgcore.questions.progress import Attempt, Progress

ALL = "all"
_KEEP = "quiz "


@dataclass(frozen=True)
class Place:
    """One try of one question, among those of a topic."""

    topic: str
    question: str
    seed: int

    @property
    def key(self) -> str:
        """Distinct for each try: the widgets of one must not remember another."""
        return f"{_KEEP}{self.question} {self.seed}"


def topic_titles() -> dict[str, str]:
    """Topic key -> title, the whole quiz first."""
    return {ALL: "All questions"} | {topic.key: topic.title for topic in topics()}


def group(topic: str) -> list[str]:
    """Names of a topic's questions, in order."""
    if topic == ALL:
        return list(questions())
    return [each.name for key, found in topics().items() if key.key == topic for each in found]


def progress() -> Progress:
    """What this session has answered."""
    return st.session_state.setdefault(f"{_KEEP}progress", Progress())


def set_progress(new: Progress) -> None:
    """Replace it: after an import, or to start over."""
    st.session_state[f"{_KEEP}progress"] = new
    st.session_state[f"{_KEEP}verdicts"] = {}


def here() -> tuple[Place, list[str]]:
    """The place that the link names, or where this session was; and what the link had wrong."""
    asked = {
        name: st.query_params[name] for name in Place.__annotations__ if name in st.query_params
    }
    kept = st.session_state.get(f"{_KEEP}place")
    if not asked and kept is not None:
        place, notices = kept, []
    else:
        place, notices = _read(asked)
    st.session_state[f"{_KEEP}place"] = place
    _seeds()[place.question] = place.seed
    wanted = _link(place)
    if {name: st.query_params.get(name) for name in wanted} != wanted:
        st.query_params.update(wanted)
    return place, notices


def go(place: Place) -> None:
    """Make the URL name this place; the next run shows it."""
    st.query_params.update(_link(place))


def to_question(place: Place, question: str) -> Place:
    """Another question of the topic, with the numbers that it last had in this session."""
    return replace(place, question=question, seed=_seeds().get(question) or _draw())


def to_topic(place: Place, topic: str) -> Place:
    """A topic's first question that is not solved yet; the present one, where it belongs."""
    names = group(topic)
    if place.question in names:
        return replace(place, topic=topic)
    open_ = [name for name in names if name not in progress().solved]
    return to_question(replace(place, topic=topic), (open_ or names)[0])


def again(place: Place) -> Place:
    """The same question with new numbers."""
    return replace(place, seed=_draw())


def asked(place: Place) -> Asked:
    """The question as the seed asks it; drawn once, not at every rerun."""
    kept = st.session_state.get(f"{_KEEP}asked")
    if kept is None or kept[0] != place.key:
        kept = place.key, questions()[place.question].draw(place.seed)
        st.session_state[f"{_KEEP}asked"] = kept
    return kept[1]


def verdict(place: Place) -> tuple[Verdict, str] | None:
    """The verdict on this try and the words of what was answered, or None."""
    return st.session_state.setdefault(f"{_KEEP}verdicts", {}).get(place.key)


def settle(place: Place, found: Verdict, given: str) -> None:
    """Record an answer. A try is answered once: another one has other numbers."""
    verdicts = st.session_state.setdefault(f"{_KEEP}verdicts", {})
    if place.key not in verdicts:
        verdicts[place.key] = found, given
        attempt = Attempt(place.question, place.seed, given, found.right)
        st.session_state[f"{_KEEP}progress"] = progress().add(attempt)


def _link(place: Place) -> dict[str, str]:
    return {"topic": place.topic, "question": place.question, "seed": str(place.seed)}


def _seeds() -> dict[str, int]:
    return st.session_state.setdefault(f"{_KEEP}seeds", {})


def _draw() -> int:
    """A seed from this session's own generator."""
    name = f"{_KEEP}generator"
    if name not in st.session_state:
        st.session_state[name] = np.random.default_rng()
    return int(st.session_state[name].integers(1, MAX_SEED + 1))


def _read(asked: dict[str, str]) -> tuple[Place, list[str]]:
    notices = []
    shown = {name: f"“{text[:40]}”" for name, text in asked.items()}
    question, topic = asked.get("question", ""), asked.get("topic", "")
    if "question" in asked and question not in questions():
        notices.append(f"There is no question {shown['question']}: the quiz shows another one.")
        question = ""
    if "topic" in asked and topic not in topic_titles():
        notices.append(f"There is no topic {shown['topic']}: the quiz shows one that there is.")
        topic = ""
    if topic and question and question not in group(topic):
        notices.append("The link's question belongs to another topic, which is shown instead.")
        topic = ""
    if not topic:
        own = [key.key for key, found in topics().items() if question in {q.name for q in found}]
        topic = own[0] if own else ALL
    if not question:
        open_ = [name for name in group(topic) if name not in progress().solved]
        question = (open_ or group(topic))[0]
    seed = asked.get("seed", "")
    if seed and not (
        seed.isascii() and seed.isdigit() and int(seed[:9]) <= MAX_SEED and len(seed) < 9
    ):
        notices.append(
            f"The link's seed {shown['seed']} is not a whole number from 0 to {MAX_SEED:,}: "
            "new numbers are drawn."
        )
        seed = ""
    return Place(topic, question, int(seed) if seed else _seeds().get(question) or _draw()), notices
