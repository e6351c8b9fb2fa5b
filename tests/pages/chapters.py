"""What every chapter must stand: its links, its controls' two ends, its predictions."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from tests.conftest import ROOT, assert_no_exception, wait_idle
from tests.pages import figures


def open_chapter(file: str, **query: str) -> AppTest:
    """The page, run once with this query string."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    for name, value in query.items():
        at.query_params[name] = value
    return at.switch_page(f"pages/{file}").run()


def sent_figures(at: AppTest) -> list[dict[str, Any]]:
    """Every figure of the page, as sent to the browser."""
    return figures.payloads(at)


def check_ends(file: str) -> None:
    """All controls at their first value, then all at their last: as a link, without a notice."""
    controls = [
        control for sent in sent_figures(open_chapter(file)) for control in sent["controls"]
    ]
    names = [control["name"] for control in controls]
    assert len(set(names)) == len(names) > 0
    for end in (0, -1):
        at = open_chapter(file, **{each["name"]: each["keys"][end] for each in controls})
        assert not at.exception and not at.warning
        for sent in sent_figures(at):
            for control in sent["controls"]:
                assert sent["start"][control["name"]] == range(len(control["keys"]))[end]


def check_bad_links(file: str) -> None:
    """A value that a control does not have: its default, and one notice that names the control."""
    for sent in sent_figures(open_chapter(file)):
        for control in sent["controls"]:
            at = open_chapter(file, **{control["name"]: "banana"})
            assert not at.exception
            (notice,) = at.warning
            assert control["label"].lower() in notice.value and "banana" in notice.value
            starts = [
                each["start"] for each in sent_figures(at) if control["name"] in each["start"]
            ]
            assert starts[0][control["name"]] == control["default"]


def check_predictions(file: str) -> None:
    """Every prediction can be skipped; every wrong answer is met by its own words first."""
    at = open_chapter(file)
    keys = [each.key.removesuffix(" skip") for each in at.button if each.key.endswith(" skip")]
    assert len(keys) >= 2 and not at.success
    for revealed, key in enumerate(keys, start=1):
        at.button(key=f"{key} skip").click().run()
        assert not at.exception and len(at.success) == revealed
        met = []
        for i, answer in enumerate(at.radio(key=f"{key} answer").options):
            at.radio(key=f"{key} answer").set_value(i).run()
            assert not at.exception and len(at.success) == revealed
            met.append(any(answer in notice.value for notice in at.warning))
        assert met.count(False) == 1  # the right one
        at.radio(key=f"{key} answer").set_value(None).run()


def check_in_browser(page: Any, keys: list[str]) -> None:
    """Every control of these figures at both ends by keyboard or click: drawn, and no error."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    for key in keys:
        root = figures.find(page, key)
        for knob in root.locator("[data-control] input[type=range]").all():
            for press in ("Home", "End"):
                knob.press(press)
                page.evaluate("() => new Promise(requestAnimationFrame)")
        for option in root.locator("[data-control] input[type=radio]").all():
            option.check(force=True)
            page.evaluate("() => new Promise(requestAnimationFrame)")
        assert root.locator(".plot svg").count() == root.locator(".plot").count()
    wait_idle(page)
    assert_no_exception(page)
    assert not errors
