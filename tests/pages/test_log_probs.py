from __future__ import annotations

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import log_probs_questions as questions
from pgcore.studies import log_probs
from tests.conftest import ROOT, assert_no_exception, wait_idle
from tests.pages import figures

POLICY, SAMPLES, ENTROPY, GRADIENT, COIN, UNDERFLOW, RATIO = range(7)


def open_chapter(**query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    for name, value in query.items():
        at.query_params[name] = value
    return at.switch_page("pages/2_log_probs.py").run()


def nothing_missing(at: AppTest) -> None:
    assert not at.exception
    assert not at.warning
    assert figures.empty_tables(at) == []
    for sent in figures.payloads(at):
        for table in sent["live"]["tables"]:
            assert figures.rows(sent, table), table


def test_opens():
    nothing_missing(open_chapter())


@pytest.mark.parametrize("n_actions", [2, 6])
def test_every_control_at_both_ends(n_actions):
    low, high = figures.ends(open_chapter(actions=str(n_actions)))
    for link in (low, high, *({name: end} for name in low for end in (low[name], high[name]))):
        at = open_chapter(actions=str(n_actions), **link)
        nothing_missing(at)
        starts = {
            control["name"]: control["keys"][sent["start"][control["name"]]]
            for sent in figures.payloads(at)
            for control in sent["controls"]
        }
        assert starts.items() >= link.items()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("za", "much", "not a number"),
        ("temperature", "0", "outside 0.1 to 5"),
        ("actions", "7", "none of 2, 3, 4, 5, 6"),
        ("heads", "nan", "not a number"),
        ("taken", "Z", "none of A, B, C"),
        ("each", "1.5", "outside"),
    ],
)
def test_a_bad_link_is_one_sentence_and_the_default(name, value, says):
    at = open_chapter(**{name: value})
    assert not at.exception
    assert [says in notice.value for notice in at.warning] == [True]


def test_a_link_reproduces_the_policy_in_every_figure():
    at = open_chapter(actions="2", za="2", zb="-1.5", temperature="0.5", taken="B")
    expected = log_probs.softmax_table([2.0, -1.5], 0.5)
    sent = figures.payload(at, POLICY)
    rows = figures.rows(sent, "policy")
    assert [row["prob"] for row in rows] == pytest.approx(expected.prob.tolist())
    assert [row["log_prob"] for row in rows] == pytest.approx(expected.log_prob.tolist())
    moved = figures.rows(sent, "policy", temperature="3")
    assert [row["prob"] for row in moved] == pytest.approx(
        log_probs.softmax_table([2.0, -1.5], 3.0).prob.tolist()
    )
    drawn = figures.rows(figures.payload(at, SAMPLES), "now")
    assert [row["prob"] for row in drawn] == pytest.approx(expected.prob.tolist())
    pushed = figures.rows(figures.payload(at, GRADIENT), "gradient")
    prob = expected.prob.to_numpy()
    assert [row["autograd"] for row in pushed] == pytest.approx(
        (np.array([0, 1]) - prob) / 0.5, abs=1e-6
    )
    assert [row["autograd"] for row in pushed] == pytest.approx(
        [row["closed_form"] for row in pushed], abs=1e-6
    )
    (here,) = figures.rows(figures.payload(at, ENTROPY), "here")
    assert here["entropy"] == pytest.approx(log_probs.entropy([2.0, -1.5], 0.5))


def test_more_actions_keep_the_logits():
    at = open_chapter(za="4")
    at.segmented_control(key="actions").set_value("5").run()
    assert not at.exception
    rows = figures.rows(figures.payload(at, POLICY), "policy")
    assert [row["action"] for row in rows] == list("ABCDE")
    assert rows[0]["logit"] == 4.0


@pytest.mark.parametrize(
    "question", [questions.SHIFT, questions.COIN, questions.SURE, questions.PRODUCT]
)
def test_predictions_can_be_skipped_and_name_the_misconception(question):
    key, _, options = question
    at = open_chapter()
    assert not at.success
    at.button(key=f"{key} skip").click().run()
    (right,) = [option for option in options if option.right]
    assert [right.why in shown.value for shown in at.success] == [True]
    wrong = next(i for i, option in enumerate(options) if not option.right)
    at.radio(key=f"{key} answer").set_value(wrong).run()
    assert [options[wrong].why in shown.value for shown in at.warning] == [True]


@pytest.mark.browser
def test_dragging_a_dot_moves_the_policy_before_the_release(open_page):
    page = open_page("log_probs?actions=3&za=0&zb=0&zc=0")
    chart = figures.find(page, "policy-3").locator(".plot svg").first
    chart.scroll_into_view_if_needed()
    dots = chart.locator(".marker_marks path")
    start = dots.first.bounding_box()
    x, y = start["x"] + start["width"] / 2, start["y"] + start["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=4)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    state = figures.state(page, "policy-3")
    assert float(state["za"]) > 0.5
    assert (state["zb"], state["zc"]) == ("0", "0")
    expected = log_probs.softmax_table([float(state["za"]), 0.0, 0.0]).prob
    assert dots.first.bounding_box()["x"] > start["x"] + 30
    assert table(page)[0] == f"{expected[0]:.4f}"
    page.mouse.up()
    figures.wait_url(page, "za", state["za"])
    wait_idle(page)
    # The other figures follow the release: the gradient of ln pi(A) is 1 - pi(A).
    page.wait_for_function(
        "text => document.querySelector('.st-key-gradient-3').innerText.includes(text)"
        " || [...document.querySelectorAll('.st-key-gradient-3 *')].some("
        "e => e.shadowRoot?.textContent.includes(text))",
        arg=f"+{1 - expected[0]:.4f}",
        timeout=10_000,
    )
    assert_no_exception(page)


@pytest.mark.browser
def test_sliders_by_keyboard_one_after_the_other(open_page):
    page = open_page("log_probs")
    figures.slider(page, "policy-3", "za").press("End")
    figures.slider(page, "policy-3", "zb").press("Home")
    figures.slider(page, "policy-3", "temperature").press("End")
    assert figures.state(page, "policy-3") == {
        "za": "5",
        "zb": "-5",
        "zc": "-1",
        "temperature": "5",
    }
    expected = [f"{p:.4f}" for p in log_probs.softmax_table([5.0, -5.0, -1.0], 5.0).prob]
    page.wait_for_function(
        f"() => {TABLE}.join() === {json.dumps(','.join(expected))}", timeout=10_000
    )
    wait_idle(page)
    page.reload()
    wait_idle(page)
    assert table(page) == expected
    assert_no_exception(page)


TABLE = (
    "[...document.querySelector('.st-key-policy-3 [data-testid=stBidiComponentIsolated]')"
    ".shadowRoot.querySelectorAll('tbody tr')].map(row => row.cells[3].textContent)"
)


def table(page) -> list[str]:
    figures.find(page, "policy-3").locator("tbody tr").first.wait_for()
    return page.evaluate(TABLE)
