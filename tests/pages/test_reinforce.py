from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from pages.ui import reinforce_questions as questions
from pages.ui import reinforce_trajectory as trajectory
from pages.ui.controls import BadValue
from pgcore.studies import reinforce, score_function
from pgcore.studies.reinforce import Step
from tests.conftest import ROOT, assert_no_exception, wait_idle
from tests.pages import figures

UPDATE, ESTIMATOR, WEIGHTINGS, LOSS = range(4)


def open_chapter(**query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    for name, value in query.items():
        at.query_params[name] = value
    return at.switch_page("pages/3_reinforce.py").run()


def nothing_missing(at: AppTest) -> None:
    assert not at.exception
    assert not at.warning
    assert figures.empty_tables(at) == []


def test_opens():
    nothing_missing(open_chapter())


def test_every_control_at_both_ends():
    low, high = figures.ends(open_chapter())
    for link in (low, high, *({name: end} for name in low for end in (low[name], high[name]))):
        at = open_chapter(**link)
        nothing_missing(at)
        starts = {
            control["name"]: control["keys"][sent["start"][control["name"]]]
            for sent in figures.payloads(at)
            for control in sent["controls"]
        }
        assert starts.items() >= link.items()


@pytest.mark.parametrize("steps", ["s-100x", "_".join(["r100"] * 20), "l0"])
def test_the_smallest_and_the_largest_trajectory(steps):
    nothing_missing(open_chapter(steps=steps))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("gamma", "2", "outside 0 to 1"),
        ("rate", "fast", "not a number"),
        ("before", "drunk", "none of"),
        ("batch", "0", "outside 1 to 512"),
        ("steps", "hello", "which is not one"),
        ("steps", "", "which is not one"),
        ("steps", "l1e9", "which is not one"),
        ("steps", "l101", "Step 0 needs a reward from -100 to 100"),
        ("steps", "_".join(["l0"] * 21), "this one has 21"),
    ],
)
def test_a_bad_link_is_one_sentence_and_the_default(name, value, says):
    at = open_chapter(**{name: value})
    assert not at.exception
    assert [says in notice.value for notice in at.warning] == [True]
    rewards = [row["reward"] for row in figures.rows(figures.payload(at), "steps")]
    assert rewards == [step.reward for step in trajectory.DEFAULT]


def test_a_link_reproduces_the_update():
    at = open_chapter(steps="l1_r-2.5x_s3", gamma="0.5", rate="1", before="leans left")
    nothing_missing(at)
    steps = (Step(0, 1), Step(2, -2.5, True), Step(1, 3))
    update = reinforce.update(steps, 0.5, (1.5, 0.0, 0.0))
    sent = figures.payload(at, UPDATE)
    rows = figures.rows(sent, "steps")
    assert [row["return"] for row in rows] == [-0.25, -2.5, 3]
    assert rows[0]["loss"] == pytest.approx(update.loss, rel=1e-6)
    after = reinforce.gradient_steps([update], [1.0])
    shown = figures.rows(sent, "marker")
    assert [row["after"] for row in shown] == pytest.approx(after.after.tolist(), rel=1e-6)
    assert [row["prob_before"] for row in shown] == pytest.approx(after.before.tolist(), rel=1e-6)
    assert [row["push"] for row in shown] == pytest.approx(update.push.tolist(), rel=1e-6)


def test_the_other_figures_show_the_study():
    at = open_chapter()
    sent = figures.payload(at, ESTIMATOR)
    (truth,) = figures.rows(sent, "exact")
    exact = score_function.exact_gradient((0.0, 0.0, 0.0)).tolist()
    assert [truth[arm] for arm in score_function.ARMS] == pytest.approx(exact, abs=1e-7)
    (wide,) = figures.rows(sent, "spread", batch="1")
    (narrow,) = figures.rows(sent, "spread", batch="64")
    assert wide["spread"] / narrow["spread"] == pytest.approx(8, rel=0.2)
    assert len(figures.rows(sent, "arrows", batch="64")) == score_function.ARROWS
    sent = figures.payload(at, WEIGHTINGS)
    assert figures.rows(sent, "wide", horizon="1")[0]["samples"] == 1
    assert figures.rows(sent, "wide", horizon="50")[0]["samples"] > 2
    sent = figures.payload(at, LOSS)
    (rising,) = figures.rows(sent, "ends", offset="-4")
    assert rising["loss"] > rising["loss_before"]
    assert rising["objective"] > rising["objective_before"]


@pytest.mark.parametrize("name", list(trajectory.EXAMPLES))
def test_an_example_fills_the_table_and_the_link(name):
    at = open_chapter(steps="l1")
    button = next(each for each in at.button if each.label == name)
    button.click().run()
    nothing_missing(at)
    rows = figures.rows(figures.payload(at), "steps")
    assert [row["reward"] for row in rows] == [step.reward for step in trajectory.EXAMPLES[name]]
    if trajectory.EXAMPLES[name] == trajectory.DEFAULT:
        assert "steps" not in at.query_params
    else:
        assert at.query_params["steps"] == trajectory.encode(trajectory.EXAMPLES[name])


def test_the_claim_about_equal_rewards():
    """The prediction says: left rises, and with gamma 0 nothing moves."""
    at = open_chapter(steps=trajectory.encode(trajectory.EXAMPLES["+1 for every step"]))
    sent = figures.payload(at)
    now = {row["action"]: row["change"] for row in figures.rows(sent, "marker")}
    assert now["left"] > 0 > now["right"]
    still = [row["change"] for row in figures.rows(sent, "marker", gamma="0")]
    assert still == pytest.approx([0, 0, 0], abs=1e-7)


rewards = st.integers(-10_000, 10_000).map(lambda cents: cents / 100)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.builds(Step, st.integers(0, 2), rewards, st.booleans()), min_size=1, max_size=20)
)
def test_a_link_carries_any_trajectory(steps):
    assert trajectory.decode(trajectory.encode(steps)) == tuple(steps)


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=40))
def test_any_text_is_a_trajectory_or_a_sentence(text):
    try:
        reinforce.check(trajectory.decode(text))
    except BadValue as problem:
        assert str(problem).endswith((".", ")."))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "this one has 0"),
        ([(None, 1.0, False)], "Step 0 needs an action"),
        ([("left", None, False)], "Step 0 needs a reward"),
        ([("left", float("nan"), False)], "Step 0 needs a reward"),
    ],
)
def test_a_table_half_filled_in_is_a_sentence(rows, says):
    typed = pd.DataFrame(rows, columns=["action", "reward", "ends"])
    with pytest.raises(ValueError, match=says):
        trajectory.read(typed)


@pytest.mark.parametrize(
    "question", [questions.ALL_POSITIVE, questions.FOUR_TIMES, questions.TO_GO, questions.LOSS]
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
def test_dragging_the_learning_rate_moves_the_markers(open_page):
    page = open_page("reinforce?rate=0.5")
    x0, y0 = figures.marker(page, "update")
    figures.drag(page, "update", (0.4, 0.5), (0.85, 0.5), plot=2)
    x1, y1 = figures.marker(page, "update")
    rate = figures.state(page, "update")["rate"]
    assert float(rate) > 1.2
    assert x1 > x0 + 100
    steps = [reinforce.update(trajectory.DEFAULT, 0.9, (0.0, 0.0, 0.0))]
    after = reinforce.gradient_steps(steps, [0.5, float(rate)]).query("action == 'left'").after
    # The first marker is the action "left": up by as much as its probability, on an axis of 1.
    height = (y1 - y0) / (after.iloc[0] - after.iloc[1])
    assert height == pytest.approx(230, rel=0.02)
    figures.wait_url(page, "rate", rate)
    wait_idle(page)
    page.reload()
    wait_idle(page)
    assert figures.marker(page, "update") == pytest.approx((x1, y1), abs=1)
    assert_no_exception(page)


@pytest.mark.browser
def test_typing_a_reward_changes_the_figure_and_the_link(open_page):
    page = open_page("reinforce")
    loss = figures.text(page, "update", "steps.loss")
    grid = page.locator("[data-testid=stDataFrame]").first
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    row = box["height"] / (len(trajectory.DEFAULT) + 2)  # a header, and the empty row at the end
    page.mouse.dblclick(box["x"] + 0.55 * box["width"], box["y"] + 1.5 * row)
    cell = page.locator("#portal input, #portal textarea").first
    cell.fill("9")
    cell.press("Enter")
    figures.wait_url(page, "steps", "l9_r0_r5x_s0_l-2_s1x")
    wait_idle(page)
    figures.find(page, "update")
    page.wait_for_function(
        "([key, old]) => [...document.querySelectorAll(`.st-key-${key} *`)].some(e => {"
        "const t = e.shadowRoot?.querySelector('[data-text=\"steps.loss\"]');"
        "return t && t.textContent && t.textContent !== old;})",
        arg=["update", loss],
        timeout=10_000,
    )
    page.reload()
    wait_idle(page)
    steps = trajectory.decode("l9_r0_r5x_s0_l-2_s1x")
    expected = reinforce.update(steps, 0.9, (0.0, 0.0, 0.0)).loss
    assert figures.text(page, "update", "steps.loss") == f"+{expected:.3f}"
    assert_no_exception(page)
