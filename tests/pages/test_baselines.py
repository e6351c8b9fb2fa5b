"""Chapter 4 as a reader meets it."""

from __future__ import annotations

import pytest

from pgcore.studies import baselines
from tests.conftest import assert_no_exception, wait_idle
from tests.pages import chapters, figures

FILE = "4_baselines.py"


@pytest.fixture(scope="module")
def sent():
    slide, walk, cartpole = chapters.sent_figures(chapters.open_chapter(FILE))
    return {"slide": slide, "walk": walk, "cartpole": cartpole}


def test_every_control_at_both_ends():
    chapters.check_ends(FILE)


def test_bad_links_fall_back_with_a_notice():
    chapters.check_bad_links(FILE)


def test_predictions():
    chapters.check_predictions(FILE)


def test_every_position_of_the_controls_has_its_rows(sent):
    slide, walk, cartpole = sent.values()
    by_name = {each["name"]: each["keys"] for part in sent.values() for each in part["controls"]}
    for prob_c in by_name["prob_c"]:
        for b in (by_name["baseline"][0], "8", by_name["baseline"][-1]):
            (marker,) = figures.rows(slide, "marker", prob_c=prob_c, baseline=b)
            problem = baselines.problem_with(float(prob_c))
            mean, variance = baselines.moments(problem, float(b))
            assert marker["variance"] == pytest.approx(variance, rel=1e-5)
            assert marker["mean_C"] == pytest.approx(float(mean[2]), rel=1e-5)
            for batch in by_name["batch"]:
                cloud = figures.rows(slide, "cloud", prob_c=prob_c, baseline=b, batch=batch)
                assert sum(row["count"] for row in cloud) == 200
        assert len(figures.rows(slide, "curve", prob_c=prob_c)) == len(by_name["baseline"])
    for level in by_name["level"]:
        for look in by_name["look"]:
            assert len(figures.rows(walk, "terms", level=level, look=look)) == 4
    for updates in by_name["updates"]:
        assert len(figures.rows(cartpole, "rows", updates=updates)) == 5


def test_a_link_reproduces():
    at = chapters.open_chapter(FILE, baseline="13", prob_c="0.5", look="1")
    slide, walk, _ = chapters.sent_figures(at)
    (marker,) = figures.rows(slide, "marker")
    assert marker["baseline"] == 13 and marker["prob_c"] == pytest.approx(0.5)
    assert marker["pushes"].startswith("C is left alone")
    (share,) = figures.rows(walk, "marker")
    assert share["gradient_left"] == pytest.approx(0, abs=1e-6)


@pytest.mark.browser
def test_drag_moves_the_marker_and_leaves_the_mean_and_every_control_works(open_page):
    page = open_page("baselines")
    x0, y0 = figures.marker(page, "slide")
    mean = figures.text(page, "slide", "marker.mean_C")
    variance = figures.text(page, "slide", "marker.variance")
    figures.drag(page, "slide", (0.2, 0.5), (0.5, 0.5))
    x1, y1 = figures.marker(page, "slide")
    assert x1 > x0 + 80 and y1 > y0 + 20  # to the right and down, towards the lowest point
    assert figures.text(page, "slide", "marker.mean_C") == mean
    assert float(figures.text(page, "slide", "marker.variance")) < float(variance) / 5
    at = figures.state(page, "slide")["baseline"]
    figures.wait_url(page, "baseline", at)
    page.reload()
    wait_idle(page)
    assert figures.marker(page, "slide") == (x1, y1)
    assert_no_exception(page)
    chapters.check_in_browser(page, ["slide", "walk", "cartpole"])


@pytest.mark.browser
def test_nothing_sticks_out_on_a_phone(open_page):
    page = open_page("baselines", width=390, color_scheme="dark")
    figures.find(page, "cartpole")
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate("element => element.scrollWidth") <= 390
