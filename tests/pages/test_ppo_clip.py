import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.conftest import ROOT, assert_no_exception, wait_idle
from tests.pages import figures


def open_chapter(**query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    for name, value in query.items():
        at.query_params[name] = value
    return at.switch_page("pages/5_ppo_clip.py").run()


def test_opens():
    at = open_chapter()
    assert not at.exception
    assert not at.warning


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ratio", "much", "not a number"),
        ("ratio", "nan", "not a number"),
        ("eps", "7", "outside 0.05 to 0.5"),
        ("advantage", "-inf", "outside"),
    ],
)
def test_bad_link(name, value, says):
    at = open_chapter(**{name: value})
    assert not at.exception
    assert [says in notice.value for notice in at.warning] == [True]
    sent = figures.payload(at)
    control = next(each for each in sent["controls"] if each["name"] == name)
    assert sent["start"][name] == control["default"]


def test_link_reproduces():
    sent = figures.payload(open_chapter(ratio="0.5", advantage="-1", eps="0.1"))
    (row,) = figures.rows(sent, "marker")
    assert row["ratio"] == pytest.approx(0.5)
    assert row["objective"] == pytest.approx(-0.9)


def test_every_control_at_both_ends():
    for link in figures.ends(open_chapter()):
        at = open_chapter(**link)
        assert not at.exception
        assert not at.warning
        assert figures.empty_tables(at) == []
        for sent in figures.payloads(at):
            for control in sent["controls"]:
                assert control["keys"][sent["start"][control["name"]]] == link[control["name"]]


def test_lines_and_marker_are_the_same_function():
    """The point lies on the line: both come from the study, on different grids."""
    sent = figures.payload(open_chapter())
    for ratio, advantage, eps in [
        ("0.5", "1", "0.2"),
        ("1.7", "-1.5", "0.3"),
        ("1.7", "1.5", "0.3"),
    ]:
        (here,) = figures.rows(sent, "marker", ratio=ratio, advantage=advantage, eps=eps)
        lines = figures.rows(sent, "curves", advantage=advantage, eps=eps)
        for branch, column in (
            ("r · A", "unclipped"),
            ("clip(r) · A", "clipped"),
            ("min: the objective", "objective"),
        ):
            points = [(row["ratio"], row["value"]) for row in lines if row["branch"] == branch]
            drawn = np.interp(float(ratio), *zip(*sorted(points), strict=True))
            assert here[column] == pytest.approx(drawn, abs=1e-4)


def test_the_six_cases_reveal_what_autograd_found():
    at = open_chapter()
    at.button(key="six skip").click().run()
    said = [each.value for each in at.markdown if each.value.startswith(":material/lightbulb:")]
    assert [text.split("**")[1] for text in said] == [
        "pushes it up",
        "pushes it up",
        "zero gradient",
        "zero gradient",
        "pushes it down",
        "pushes it down",
    ]


@pytest.mark.browser
def test_drag_moves_the_marker(open_page):
    page = open_page("ppo_clip")
    x0, _ = figures.marker(page, "clip")
    figures.drag(page, "clip", (0.5, 0.5), (0.3, 0.5))
    x1, _ = figures.marker(page, "clip")
    assert x1 < x0 - 100
    ratio = figures.state(page, "clip")["ratio"]
    assert float(ratio) < 0.8
    figures.wait_url(page, "ratio", ratio)
    wait_idle(page)
    assert_no_exception(page)
    before = figures.text(page, "clip", "marker.objective"), x1
    page.reload()
    wait_idle(page)
    assert figures.state(page, "clip")["ratio"] == ratio
    x2, _ = figures.marker(page, "clip")
    assert (figures.text(page, "clip", "marker.objective"), x2) == before


@pytest.mark.browser
def test_keyboard_and_pointer_and_the_words_that_follow_them(open_page):
    page = open_page("ppo_clip?advantage=-1&ratio=1.4")
    knob = figures.slider(page, "clip", "ratio")
    knob.press("ArrowRight")
    assert figures.state(page, "clip")["ratio"] == "1.42"
    figures.wait_url(page, "ratio", "1.42")
    assert page.evaluate("history.length") <= 2
    knob.press("Home")
    assert figures.state(page, "clip")["ratio"] == "0.02"
    knob.press("End")
    assert figures.state(page, "clip")["ratio"] == "2"
    # Plot 0 is over the ratios from 0.02 to 2.
    figures.drag(page, "clip", (0.9, 0.5), (0.52, 0.5))
    said = "marker.words"
    assert figures.text(page, "clip", said).startswith("Inside the range")
    figures.drag(page, "clip", (0.52, 0.5), (0.2, 0.5), plot=1)
    assert "min picked the clipped branch" in figures.text(page, "clip", said)
    figures.drag(page, "clip", (0.52, 0.5), (0.9, 0.5))
    assert "pulls the ratio back down" in figures.text(page, "clip", said)


@pytest.mark.browser
def test_epochs_by_pointer_play_and_choice(open_page):
    page = open_page("ppo_clip?epoch=0")
    assert figures.text(page, "epochs", "here.words").startswith("Before the first step")
    figures.drag(page, "epochs", (0.3, 0.5), (0.9, 0.5))
    assert int(figures.state(page, "epochs")["epoch"]) > 14
    found = figures.find(page, "epochs")
    x0, y0 = figures.marker(page, "epochs")
    figures.choose(page, "epochs", "optimizer", "Adam")
    assert figures.state(page, "epochs")["optimizer"] == "Adam"
    page.evaluate("() => new Promise(requestAnimationFrame)")
    x1, y1 = figures.marker(page, "epochs")
    assert x1 == x0
    assert y1 < y0  # Adam's momentum carries the ratio further up
    figures.wait_url(page, "optimizer", "Adam")
    figures.slider(page, "epochs", "epoch").press("End")
    found.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "e => JSON.parse(e.dataset.state).epoch === '3'", arg=found.element_handle()
    )
    found.get_by_role("button", name="Pause").click()
    assert_no_exception(page)
