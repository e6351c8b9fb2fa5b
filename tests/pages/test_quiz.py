"""The quiz page: every question answered rightly and wrongly, its links, and what it remembers."""

from __future__ import annotations

import contextlib
import json
import re
import struct
from typing import Any

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from streamlit.testing.v1 import AppTest

from pages.ui import chapter
from pgcore.questions import questions, topics
from pgcore.questions.answers import Choice, Mark, Order
from pgcore.questions.base import Asked
from pgcore.questions.line import Line
from pgcore.questions.progress import Attempt, Progress
from tests.conftest import ROOT, assert_no_exception, wait_idle
from tests.pages import figures
from tests.pgcore.test_questions import answers

PAGE = "pages/10_quiz.py"


def open_page(page: str = PAGE, **query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    for name, value in query.items():
        at.query_params[name] = value
    return at.switch_page(page).run()


@pytest.fixture(scope="module")
def quiz() -> AppTest:
    """One session for the tests that only answer: a page of its own costs a second."""
    return open_page()


def ask(at: AppTest, name: str, seed: int) -> Asked:
    """Bring the question on the page, as its link would."""
    at.query_params["topic"], at.query_params["question"] = "all", name
    at.query_params["seed"] = str(seed)
    at.run()
    assert not at.exception
    asked = questions()[name].draw(seed)
    assert asked.text in [each.value for each in at.markdown]
    return asked


def button(at: AppTest, label: str) -> Any:
    (found,) = [each for each in at.button if each.label == label]
    return found


def give(at: AppTest, name: str, seed: int, asked: Asked, given: Any) -> None:
    """Put an answer in, and check it."""
    key = f"quiz {name} {seed}"
    if isinstance(asked.answer, Choice):
        at.radio(key=f"{key} radio").set_value(given)
    elif isinstance(asked.answer, Order):
        at.session_state[f"{key} placed"] = list(given)
        at.run()
    elif isinstance(asked.answer, Mark):
        marked = sorted(given)
        at.session_state[f"{key} letters"] = marked if asked.answer.many else marked[0]
        at.run()
    else:
        text = given if isinstance(asked.answer, Line) else f"{given:.12g}"
        at.text_input(key=f"{key} text").set_value(text)
    button(at, "Check").click().run()
    assert not at.exception


@pytest.mark.parametrize("name", sorted(questions()))
def test_every_question(quiz, name):
    right, wrong = answers(questions()[name].draw(1))
    asked = ask(quiz, name, 1)
    give(quiz, name, 1, asked, right)
    assert quiz.success[0].value.startswith("**Right.**")
    assert not quiz.warning
    links = [each.proto for each in quiz.get("page_link")]
    assert len(links) == 1
    # Every mark of a figure is wrong in the same way for the page; pgcore's tests try them all.
    for seed in range(2, 2 + min(len(wrong), 4 if isinstance(asked.answer, Mark) else 99)):
        asked = ask(quiz, name, seed)
        _, now = answers(asked)
        if seed - 2 >= len(now):
            continue  # this draw has fewer
        given = now[seed - 2]
        give(quiz, name, seed, asked, given)
        (said,) = quiz.warning
        assert said.value == asked.answer.check(given).words
        assert "**The answer:**" in quiz.success[0].value
        assert asked.explanation in [each.value for each in quiz.markdown]
        assert [asked.precise in each.value for each in quiz.info] == [True] * bool(asked.precise)
        assert "Check" not in [each.label for each in quiz.button]  # a try is answered once


def test_order_by_buttons():
    at = open_page(question="cartpole_entries", seed="4")
    answer = questions()["cartpole_entries"].draw(4).answer
    right, _ = answers(questions()["cartpole_entries"].draw(4))
    assert button(at, "Check").disabled
    for i in (right[1], right[1], *right):  # the first press is taken back by the second
        button(at, answer.items[answer.positions[i]].text).click().run()
    button(at, "Check").click().run()
    assert at.success[0].value.startswith("**Right.**")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("ln_half", "", "Type a number first."),
        ("ln_half", "a lot", "That is not a number"),
        ("ln_half", "0,5", "with a point"),
        ("loss_line", "", "Write the line first."),
        ("loss_line", "-(log_probs", "not a line of Python"),
        ("loss_line", "import os", "an expression"),
    ],
)
def test_what_cannot_be_checked_is_not_held_against_you(quiz, name, text, says):
    ask(quiz, name, 77)
    before = quiz.session_state["quiz progress"]
    quiz.text_input(key=f"quiz {name} 77 text").set_value(text)
    button(quiz, "Check").click().run()
    assert not quiz.exception
    assert [says in each.value for each in quiz.warning] == [True]
    assert quiz.text_input(key=f"quiz {name} 77 text").value == text
    assert quiz.session_state["quiz progress"] == before


def test_nothing_picked(quiz):
    ask(quiz, "markov", 77)
    button(quiz, "Check").click().run()
    assert [each.value for each in quiz.warning] == ["Pick an answer first."]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"topic": "nonsense"}, "no topic “nonsense”"),
        ({"question": "nonsense"}, "no question “nonsense”"),
        ({"topic": "gae", "question": "markov"}, "another topic"),
        ({"seed": "-1"}, "seed “-1”"),
        ({"seed": "1e3"}, "seed “1e3”"),
        ({"seed": "9" * 5000}, "is not a whole number"),
        ({"seed": "²"}, "is not a whole number"),
    ],
)
def test_bad_link(query, says):
    at = open_page(**query)
    assert not at.exception
    assert [says in each.value for each in at.warning] == [True]
    place = {name: at.query_params[name] for name in ("topic", "question", "seed")}
    assert place["question"] in questions()
    assert place["seed"].isdigit()
    assert place["topic"] in {"all"} | {topic.key for topic in topics()}


def test_moving_about():
    at = open_page(topic="gae", question="td_error", seed="5")
    names = [q.name for topic, found in topics().items() for q in found if topic.key == "gae"]
    assert button(at, "Previous").disabled
    button(at, "Next").click().run()
    assert at.query_params["question"] == names[1]
    button(at, "Previous").click().run()
    assert (at.query_params["question"], at.query_params["seed"]) == ("td_error", "5")
    button(at, "New numbers").click().run()
    assert at.query_params["question"] == "td_error"
    assert at.query_params["seed"] != "5"
    at.selectbox[1].set_value(names[-1]).run()
    assert at.query_params["question"] == names[-1]
    assert button(at, "Next").disabled
    at.selectbox[0].set_value("mdp").run()
    assert at.query_params["topic"] == "mdp"
    assert at.query_params["question"] == "discounted_return"
    at.selectbox[0].set_value("all").run()
    assert at.query_params["question"] == "discounted_return"
    assert not at.exception


def test_progress_counts():
    at = open_page(topic="gae", question="lambda_ends", seed="3")
    _, wrong = answers(questions()["lambda_ends"].draw(3))

    def bar() -> str:
        return at.get("progress")[0].proto.text

    assert bar().endswith("0 of 9 solved")
    at.radio[0].set_value(wrong[0])
    button(at, "Check").click().run()
    assert bar().endswith("0 of 9 solved")
    button(at, "Again").click().run()
    asked = questions()["lambda_ends"].draw(int(at.query_params["seed"]))
    at.radio[0].set_value(answers(asked)[0])
    button(at, "Check").click().run()
    assert bar().endswith("1 of 9 solved")
    kept: Progress = at.session_state["quiz progress"]
    assert [each.right for each in kept.attempts] == [False, True]
    assert kept.attempts[0].seed == 3
    # The record survives a page switch, and so does the place.
    at.switch_page("pages/home.py").run()
    at.switch_page(PAGE).run()
    assert bar().endswith("1 of 9 solved")
    button(at, "Start over").click().run()
    assert bar().endswith("0 of 9 solved")
    assert not at.exception


def test_brings_back_a_file():
    at = open_page()
    good = Progress().add(Attempt("markov", 3, "x", True)).to_json()
    for content, tried in ((good, {"markov"}), ("{}", {"markov"}), ("\xff\xfe", {"markov"})):
        at.file_uploader(key="quiz file").set_value(("progress.json", content.encode(), ""))
        at.run()
        assert not at.exception
        assert at.session_state["quiz progress"].tried == tried
        expected = [] if content == good else ["That is no progress file of this quiz."]
        assert [each.value for each in at.warning] == expected


def link_runs() -> list[tuple[str, dict[str, str]]]:
    """Every state that a question's link pins, merged where two of one chapter do not clash."""
    runs: list[tuple[str, dict[str, str]]] = []
    for question in questions().values():
        for seed in range(2):
            link = question.draw(seed).link
            for page, state in runs:
                if page == link.chapter and all(
                    state.get(key, value) == value for key, value in link.state.items()
                ):
                    state.update(link.state)
                    break
            else:
                runs.append((link.chapter, dict(link.state)))
    return runs


def test_links_name_chapters():
    pages = {each.url_path for each in chapter.CHAPTERS} | {"train"}
    assert {page for page, _ in link_runs()} <= pages


def control_values(at: AppTest) -> dict[str, str]:
    """Where every control of the page stands, as the URL would have it."""
    values = {}
    for i, _ in enumerate(at.get("bidi_component")):
        try:
            sent = figures.payload(at, i)
        except (struct.error, UnicodeDecodeError, KeyError, ValueError):
            continue  # a component that is no figure
        for control in sent["controls"]:
            values[control["name"]] = control["keys"][sent["start"][control["name"]]]
    return values


@pytest.mark.parametrize(("page", "state"), link_runs())
def test_links_reproduce(page, state):
    """The chapter has every control that a link sets, takes its value, and has no complaint."""
    files = {each.url_path: each for each in chapter.CHAPTERS}
    if page in files and not files[page].exists:
        pytest.skip("this chapter has no file yet")
    at = open_page(f"pages/{files[page].file}" if page in files else "pages/7_train.py", **state)
    assert not at.exception
    assert not at.warning
    values = control_values(at)
    for name in state:  # what is no figure's control is a widget of that key
        key = f"train_{name}" if page == "train" else name
        if name not in values and key in at.session_state:
            values[name] = str(at.session_state[key])
    assert {name: values.get(name) for name in state} == state


def press(page: Any, name: str) -> None:
    """Press a mark of the figure, on its letter; the buttons below follow."""
    letter = (
        page.locator("[data-testid=stVegaLiteChart] svg text")
        .filter(has_text=re.compile(f"^{name}$"))
        .last
    )
    buttons = page.locator("[data-testid=stButtonGroup] button", has_text=name)
    chosen = buttons.and_(page.locator("[aria-pressed=true], [aria-checked=true]"))
    letter.scroll_into_view_if_needed()
    for patience in (5_000, 5_000, 20_000):
        stand_still(page, letter)
        box = letter.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        # A page that is still growing moves the mark away from under the pointer.
        with contextlib.suppress(PlaywrightTimeout):
            chosen.wait_for(timeout=patience)
            break
    assert chosen.count() == 1
    wait_idle(page)


def stand_still(page: Any, locator: Any) -> None:
    """Until an element is where it was 200 ms before."""
    before = None
    while (now := locator.bounding_box()) != before:
        before = now
        page.wait_for_timeout(200)


@pytest.mark.browser
def test_in_the_browser(open_page):
    page = open_page("quiz?topic=concepts&question=clip_active&seed=7")
    for name in sorted(questions()["clip_active"].draw(7).answer.right):
        press(page, name)
    page.get_by_role("button", name="Check").click()
    page.get_by_text("Right.").wait_for()
    assert_no_exception(page)
    stored = "() => sessionStorage.getItem('pgcore quiz progress')"
    kept = json.loads(page.wait_for_function(stored).json_value())
    assert [each["question"] for each in kept["attempts"]] == ["clip_active"]

    page.reload()
    page.get_by_text("1 of 7 solved").wait_for(timeout=60_000)
    page.keyboard.press("n")
    page.wait_for_url("**question=after_the_clip**")
    wait_idle(page)
    page.go_back()
    page.wait_for_url("**question=clip_active**")

    page.goto(page.url.replace("concepts", "mdp").replace("clip_active", "worst_cell"))
    wait_idle(page)
    for name in ("A", "C", "A"):
        press(page, name)
    page.goto(page.url.replace("mdp", "reinforce").replace("worst_cell", "loss_line"))
    wait_idle(page)
    field = page.get_by_label("one line of Python")
    field.click()
    page.keyboard.type("-(log_probs * returns).mean()")  # n, p and a are letters here, not keys
    page.keyboard.press("Enter")
    page.get_by_text("Right.").wait_for()
    assert "question=loss_line" in page.url
    assert_no_exception(page)
