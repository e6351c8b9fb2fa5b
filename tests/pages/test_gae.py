"""Chapter 6 as a reader meets it."""

from __future__ import annotations

import math

import pytest

from pages.ui import source
from pgcore.returns import gae
from pgcore.studies import gae_windows
from tests.conftest import assert_no_exception, wait_idle
from tests.pages import chapters, figures

FILE = "6_gae.py"


@pytest.fixture(scope="module")
def sent():
    steps, ends, bias = chapters.sent_figures(chapters.open_chapter(FILE))
    return {"steps": steps, "ends": ends, "bias": bias}


@pytest.fixture(scope="module")
def controls(sent):
    return {each["name"]: each["keys"] for part in sent.values() for each in part["controls"]}


def test_every_control_at_both_ends():
    chapters.check_ends(FILE)


def test_bad_links_fall_back_with_a_notice():
    chapters.check_bad_links(FILE)


def test_predictions():
    chapters.check_predictions(FILE)


def test_the_main_figure_shows_pgcores_advantages(sent, controls):
    window = gae_windows.windows()["terminated"]
    for gamma in (controls["gamma"][0], controls["gamma"][-1]):
        for lam in (controls["lam"][0], controls["lam"][-1]):
            expected = gae(
                window.rewards, window.values, window.next_values,
                window.terminated, window.truncated, float(gamma), float(lam),
            )[:, 0]  # fmt: skip
            for t in controls["t"]:
                values = {"gamma": gamma, "lam": lam, "t": t}
                (here,) = figures.rows(sent["steps"], "here", **values)
                parts = figures.rows(sent["steps"], "sums", **values)
                if not window.valid[int(t)]:
                    assert math.isnan(here["advantage"]) and not parts
                    continue
                wanted = pytest.approx(float(expected[int(t)]), abs=1e-3)
                assert here["advantage"] == wanted
                assert sum(row["contribution"] for row in parts) == wanted
                assert sum(row["n_step"] * row["n_weight"] for row in parts) == wanted


def test_every_handling_has_its_rows_and_its_words(sent, controls):
    for ending in controls["ending"]:
        for end in controls["end"]:
            for reset_row in controls["reset_row"]:
                for lam in controls["lam_ends"]:
                    values = {"ending": ending, "end": end, "reset_row": reset_row, "lam_ends": lam}
                    rows = figures.rows(sent["ends"], "rows", **values)
                    assert len(rows) == 2 * gae_windows.WINDOW - 2 + (reset_row == "kept")
                    (verdict,) = figures.rows(sent["ends"], "verdict", **values)
                    assert verdict["words"]
                    right = reset_row == "left out" and verdict["rows_off"] == 0
                    assert verdict["tone"] == ("good" if right else "bad")


def test_bias_and_variance_have_their_rows(sent, controls):
    for error in controls["error"]:
        for averaged in controls["averaged"]:
            values = {"error": error, "averaged": averaged}
            curves = figures.rows(sent["bias"], "curves", **values)
            assert len(curves) == 3 * len(controls["lam_bias"])
            assert len(figures.rows(sent["bias"], "best", **values)) == 1
            for lam in controls["lam_bias"]:
                (marker,) = figures.rows(sent["bias"], "marker", **values, lam_bias=lam)
                assert marker["rmse"] >= max(marker["bias"], marker["spread"]) - 1e-6


def test_a_link_reproduces():
    at = chapters.open_chapter(FILE, t="26", lam="0", end="ignored", error="0")
    steps, ends, bias = chapters.sent_figures(at)
    (here,) = figures.rows(steps, "here")
    assert here["t"] == 26 and here["advantage"] == pytest.approx(here["delta"])
    assert "unnoticed" in figures.rows(ends, "verdict")[0]["words"]
    assert figures.rows(bias, "best")[0]["lam_bias"] == 0


def test_a_word_that_left_the_source_is_said():
    with pytest.raises(ValueError, match=r"returns.py, line .* has no deltaz"):
        source.linked_words(gae, {"deltas": "term=TD error", "deltaz": "term=TD error"})


@pytest.mark.browser
def test_drag_moves_the_marker_and_the_sum(open_page):
    page = open_page("gae")
    x0, _ = figures.marker(page, "steps")
    blue = figures.find(page, "steps").locator(".plot").nth(1).locator(".mark-rect path")
    bars = blue.count()
    figures.drag(page, "steps", (0.4, 0.5), (0.6, 0.5))
    x1, _ = figures.marker(page, "steps")
    t = int(figures.state(page, "steps")["t"])
    assert x1 > x0 + 50 and 12 < t < 27
    assert blue.count() == bars - (t - 12)  # one bar fewer for each step closer to the fall
    figures.wait_url(page, "t", str(t))
    advantage = figures.text(page, "steps", "here.advantage")
    page.reload()
    wait_idle(page)
    assert figures.marker(page, "steps")[0] == x1
    assert figures.text(page, "steps", "here.advantage") == advantage
    assert_no_exception(page)


@pytest.mark.browser
def test_hovering_a_term_lights_it_up_everywhere_and_every_control_works(open_page):
    page = open_page("gae")
    root = figures.find(page, "steps")
    for place in (".formula [data-set='term=decay']", "tr[data-set='term=value']"):
        root.locator(place).first.hover()
        term = place.split("=")[-1].removesuffix("']")
        page.wait_for_function(
            "([root, term]) => JSON.parse(root.dataset.state).term === term",
            arg=[root.element_handle(), term],
        )
        for where in (".formula", "tr", ".code-line"):
            lit = root.locator(f"{where}.on, {where} .on")
            assert lit.count() >= 1
            assert {each.get_attribute("data-set") for each in lit.all()} == {f"term={term}"}
    chapters.check_in_browser(page, ["steps", "ends", "bias"])


@pytest.mark.browser
def test_nothing_sticks_out_on_a_phone(open_page):
    page = open_page("gae", width=390, color_scheme="dark")
    figures.find(page, "bias")
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate("element => element.scrollWidth") <= 390
