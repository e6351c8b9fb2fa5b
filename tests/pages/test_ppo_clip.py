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
def test_slider_by_keyboard(open_page):
    page = open_page("ppo_clip?ratio=1.4")
    knob = figures.slider(page, "clip", "ratio")
    knob.press("ArrowRight")
    assert figures.state(page, "clip")["ratio"] == "1.42"
    figures.wait_url(page, "ratio", "1.42")
    assert page.evaluate("history.length") <= 2
    knob.press("Home")
    assert figures.state(page, "clip")["ratio"] == "0.02"
    knob.press("End")
    assert figures.state(page, "clip")["ratio"] == "2"
