"""The quiz: one question at a time."""

from __future__ import annotations

import streamlit as st

from pages.ui import chapter, quiz_answers, quiz_marks, quiz_state, quiz_store
from pages.ui.quiz_progress import record
from pages.ui.quiz_state import Place
from pgcore.questions import questions
from pgcore.questions.answers import Choice, Mark, Verdict
from pgcore.questions.base import Asked, Link
from pgcore.questions.line import Line

_LABS = {"train": ("pages/7_train.py", "the training room")}


@st.fragment
def show() -> None:
    """The whole page under its title."""
    quiz_store.restore()
    place, notices = quiz_state.here()
    for notice in notices:
        st.warning(notice, icon=":material/link_off:")
    _choose(place)
    bar = st.empty()
    _ask(place)
    names, done = quiz_state.group(place.topic), quiz_state.progress().solved
    solved = sum(name in done for name in names)
    title = quiz_state.topic_titles()[place.topic]
    # Drawn last: an answer that was just given counts.
    bar.progress(solved / len(names), f"{title}: {solved} of {len(names)} solved")
    _move(place)
    record()
    quiz_store.save()


def _choose(place: Place) -> None:
    names, all_questions = quiz_state.group(place.topic), questions()
    titles = quiz_state.topic_titles()
    with st.container(horizontal=True):
        st.session_state["quiz topic"] = place.topic
        st.selectbox(
            "Topic",
            list(titles),
            format_func=titles.__getitem__,
            key="quiz topic",
            on_change=lambda: quiz_state.go(
                quiz_state.to_topic(place, st.session_state["quiz topic"])
            ),
            width=260,
        )
        st.session_state["quiz question"] = place.question
        st.selectbox(
            "Question",
            names,
            format_func=lambda name: f"{names.index(name) + 1}. {all_questions[name].title}",
            key="quiz question",
            on_change=lambda: quiz_state.go(
                quiz_state.to_question(place, st.session_state["quiz question"])
            ),
            width=400,
        )


def _ask(place: Place) -> None:
    question, asked = questions()[place.question], quiz_state.asked(place)
    with st.container(border=True, key="quiz_card"):
        parts = [quiz_answers.CALLED[asked.answer.kind]]
        if question.homework:
            parts.append(f"the homework's {question.homework}")
        if place.question in quiz_state.progress().solved:
            parts.append("solved before")
        st.caption(" · ".join(parts))
        st.markdown(asked.text)
        slot = st.empty()
        if quiz_state.verdict(place) is None:
            with slot.container():
                given = quiz_answers.ask(asked.answer, place.key)
            if given is not None:
                verdict = asked.answer.check(given)
                st.session_state[f"{place.key} given"] = given
                quiz_state.settle(place, verdict, asked.answer.words(given))
                slot.empty()
        found = quiz_state.verdict(place)
        if found is not None:
            _reveal(asked, *found, place.key)


def _reveal(asked: Asked, verdict: Verdict, words: str, key: str) -> None:
    answer = asked.answer
    if isinstance(answer, Mark):
        quiz_marks.answered(answer, st.session_state.get(f"{key} given", frozenset()), key)
    elif isinstance(answer, Line):
        st.code(quiz_answers.with_gap(answer, words), language="python", wrap_lines=True)
    else:
        st.markdown(f"You answered: {words}")
    if verdict.right:
        st.success(f"**Right.** {verdict.words}", icon=":material/check:")
    else:
        st.warning(verdict.words, icon=":material/lightbulb:")
        st.success(f"**The answer:** {_block(answer.solution)}", icon=":material/check:")
    st.markdown(asked.explanation)
    if isinstance(answer, Choice):
        others = [o for o in answer.options if not o.right and o.text != words]
        st.markdown(
            "Behind the other answers:\n"
            + "\n".join(f"- *{o.text}*: **{o.misconception}.** {o.why}" for o in others)
        )
    if asked.precise:
        st.info(f"**To be precise.** {asked.precise}", icon=":material/target:")
    _link(asked.link)


def _block(text: str) -> str:
    return f"\n\n{text}" if "\n" in text else text


def _link(link: Link) -> None:
    if link.chapter in _LABS:
        file, title = _LABS[link.chapter]
    else:
        there = next(each for each in chapter.CHAPTERS if each.url_path == link.chapter)
        if not there.exists:
            return
        file, title = f"pages/{there.file}", f"chapter {there.number}"
    st.markdown(f"**See it** in {title}, {link.figure}.")
    st.page_link(
        file,
        label=f"Open {title}",
        icon=":material/insights:",
        query_params=dict(link.state) or None,
    )


def _move(place: Place) -> None:
    names = quiz_state.group(place.topic)
    at = names.index(place.question)
    has_numbers = questions()[place.question].has_numbers
    # Without icons, so that the three fit beside each other on a telephone.
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.button(
            "Previous",
            shortcut="P",
            disabled=at == 0,
            on_click=lambda: quiz_state.go(quiz_state.to_question(place, names[at - 1])),
            key="quiz previous",
        )
        st.button(
            "New numbers" if has_numbers else "Again",
            shortcut="A",
            on_click=lambda: quiz_state.go(quiz_state.again(place)),
            key="quiz again",
        )
        st.button(
            "Next",
            shortcut="N",
            disabled=at == len(names) - 1,
            on_click=lambda: quiz_state.go(quiz_state.to_question(place, names[at + 1])),
            key="quiz next",
        )
