"""How long a reader waits: python -m tests.bench.figures [page ...] [--training]

Two numbers a chapter, each from the event's own time stamp to the frame after the change: a drag
on the main figure (drawn in the browser), and a control that needs the server. With --training
each again while an agent trains at full speed, and again while another tab of the same browser
watches it train; a ratio of 2 to idle is the most that is wanted. Prints a table; asserts nothing,
since it times a machine.

The first row is the floor: one bare element that follows the pointer. A browser draws at 60
frames a second, so an event waits up to 17 ms for its frame and that frame is shown 17 ms later.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import sync_playwright

from pages.ui import train_charts
from tests.conftest import CHROMIUM, FLAGS, start_server, wait_idle
from tests.pages import figures

MOVES, WARM_UP = 60, 5
ENOUGH, PASSES = 60, 12
"""Updates to measure in a drag, and most passes over its path to get there."""
BUDGET = {"drag": 33, "server": 150}
"""Milliseconds at p95."""


@dataclass(frozen=True)
class Drag:
    """A drag on a figure; what changes is anything in its plots."""

    page: str
    key: str
    start: tuple[float, float] = (0.3, 0.5)
    end: tuple[float, float] = (0.8, 0.5)
    plot: int = 0


@dataclass(frozen=True)
class Server:
    """A key pressed on a widget, again and again, and what the server then repaints.

    widget, watch: CSS selectors. The widget's own look changes at once, so `watch` must be
    something else: what the server's answer changes at each press.
    """

    page: str
    widget: str
    watch: str
    keys: tuple[str, str] = ("ArrowRight", "ArrowLeft")
    again: str = ""
    """What to click once a press changes nothing any more: a game is over."""


MEASURED: tuple[Drag | Server, ...] = (
    Drag("mdp", "step", (0.1, 0.8), (0.6, 0.15)),
    Drag("mdp", "values", (0.1, 0.5), (0.95, 0.5), plot=1),
    Drag("mdp", "strip", (0.1, 0.5), (0.95, 0.5)),
    Drag("mdp", "cartpole", (0.1, 0.5), (0.9, 0.5)),
    Server(
        "mdp?speed=one push at a time",
        ".st-key-game .game",
        ".st-key-game .trip",
        again=".st-key-game .again",
    ),
    Drag("log_probs", "policy-3", (0.3, 0.15), (0.9, 0.15)),
    Drag("log_probs", "coin"),
    Drag("log_probs", "underflow", (0.2, 0.5), (0.9, 0.5)),
    Server("log_probs", '.st-key-policy-3 [data-control="za"] input', ".st-key-samples-3 .plots"),
    Drag("reinforce", "update", (0.15, 0.5), (0.95, 0.5), plot=2),
    Drag("reinforce", "estimator", (0.15, 0.5), (0.95, 0.5), plot=1),
    Drag("ppo_clip", "clip"),
    Drag("ppo_clip", "epochs", (0.1, 0.5), (0.9, 0.5)),
    Server("ppo_clip", ".st-key-six-0 button", ".st-key-six-check", (" ", " ")),
    Drag("baselines", "slide"),
    Drag("gae", "steps", (0.1, 0.5), (0.9, 0.5)),
    Drag("gae", "bias", (0.2, 0.5), (0.9, 0.5)),
    Drag("inside_an_update", "microscope", (0.2, 0.5), (0.9, 0.5), plot=4),
)
"""One line a figure or control: add yours."""

# From the event to the frame that shows its change: a mutation, then the next frame's start.
WATCH = """([target, kind]) => {
  const waits = (window.waits = []);
  let since = null;
  const begin = (event) => { since = event.timeStamp; };
  window.addEventListener(kind, begin, true);
  const observer = new MutationObserver(() => {
    if (since === null) return;
    const from = since;
    since = null;
    requestAnimationFrame(() => waits.push(performance.now() - from));
  });
  const all = { subtree: true, childList: true, attributes: true, characterData: true };
  observer.observe(target, all);
}"""
NEXT_FRAMES = "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"


def drag_over(page: Any, start: Any, end: Any) -> None:
    """Press, move along a line, release; like a finger's, moves come at any moment of a frame."""
    moments = np.random.default_rng(0).uniform(0, 16, MOVES)
    page.mouse.move(*start)
    page.mouse.down()
    for point, moment in zip(np.linspace(start, end, MOVES), moments, strict=True):
        page.mouse.move(*point)
        page.evaluate(NEXT_FRAMES)
        page.wait_for_timeout(moment)
    page.mouse.up()


def drag_waits(page: Any, box: Any, drag: Drag, watched: Any) -> list[float]:
    """To and fro over the path, until there are enough updates."""
    ends = [
        (box["x"] + x * box["width"], box["y"] + y * box["height"])
        for x, y in (drag.start, drag.end)
    ]
    drag_over(page, *ends)
    page.evaluate(WATCH, [watched, "pointermove"])
    for _ in range(PASSES):
        ends = ends[::-1]
        drag_over(page, *ends)
        if len(waits := page.evaluate("window.waits")) >= ENOUGH:
            break
    return waits


def measure_drag(page: Any, drag: Drag) -> list[float]:
    root = figures.find(page, drag.key)
    svg = root.locator(".plot svg").nth(drag.plot)
    svg.scroll_into_view_if_needed()
    return drag_waits(page, svg.bounding_box(), drag, root.locator(".plots").element_handle())


BARE = """<div style="height: 400px"><b style="position: absolute">o</b></div><script>
addEventListener("pointermove", (event) => requestAnimationFrame(() =>
  document.querySelector("b").style.left = event.clientX + "px"));
</script>"""


def measure_floor(page: Any) -> list[float]:
    page.set_content(BARE)
    box = {"x": 0, "y": 0, "width": 800, "height": 400}
    return drag_waits(page, box, Drag("", ""), page.locator("div").element_handle())


def measure_server(page: Any, server: Server) -> list[float]:
    """A press at a time: the next one comes when the last one's answer has been painted."""
    widget = page.locator(server.widget).first
    widget.scroll_into_view_if_needed()
    widget.focus()
    target = page.locator(server.watch).first.element_handle()
    page.evaluate(WATCH, [target, "keydown"])
    for i in range(MOVES + WARM_UP):
        seen = page.evaluate("window.waits.length")
        page.keyboard.press(server.keys[i % 2])
        # A press that changes nothing there (a game that is over) is not counted.
        try:
            page.wait_for_function("seen => window.waits.length > seen", arg=seen, timeout=2_000)
        except PlaywrightTimeout:
            if server.again:
                page.locator(server.again).click()
                widget.focus()
        wait_idle(page)
        page.wait_for_timeout(200)
    return page.evaluate("window.waits")[WARM_UP:]


@dataclass(frozen=True)
class Bench:
    """A browser and the server that it talks to."""

    browser: Any
    url: str

    def open(self, path: str) -> Any:
        page = self.browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{self.url}/{path}")
        page.wait_for_selector("[data-testid=stApp]")
        wait_idle(page, 60_000)
        return page

    def train(self) -> Any:
        """Start a run that outlasts the bench; its tab, once the run is long."""
        page = self.open("train?algorithm=ppo&preset=homework&n_updates=50000")
        page.get_by_text("Full speed", exact=True).click()
        wait_idle(page)
        page.locator(".st-key-start button").click()
        page.get_by_text("Running · update").wait_for(timeout=60_000)
        # From then on a page looks at it less often; the seconds before are too few for a row.
        page.wait_for_timeout(1_000 * (train_charts.LONG_RUN_SECONDS + 2))
        return page

    def elsewhere(self, tab: Any) -> None:
        """The run goes on, and its owner reads another page."""
        tab.get_by_role("link", name="Start here").first.click()
        tab.get_by_text("Running · update").wait_for(state="detached")
        wait_idle(tab)

    def measure(self, each: Drag | Server) -> list[float]:
        page = self.open(each.page)
        waits = measure_drag(page, each) if isinstance(each, Drag) else measure_server(page, each)
        page.close()
        return waits

    def table(self, wanted: list[Drag | Server], idle: list[float] | None = None) -> list[float]:
        """Print a row each; the p95s. With those of an idle server, how many times as long."""
        last = "budget" if idle is None else "x idle"
        print(f"{'page':<18}{'what':<34}{'n':>4}{'p50 ms':>9}{'p95 ms':>9}{last:>9}")
        rows: list[tuple[str, str, str, Callable[[], list[float]]]] = [
            ("floor", "drag", "an element", lambda: measure_floor(self.browser.new_page()))
        ]
        for each in wanted:
            kind, what = ("drag", each.key) if isinstance(each, Drag) else ("server", each.widget)
            rows.append((each.page, kind, what, lambda each=each: self.measure(each)))
        found = []
        for i, (page, kind, what, measure) in enumerate(rows):
            waits = measure()
            p50, p95 = np.percentile(waits, [50, 95]) if waits else (np.nan, np.nan)
            found.append(float(p95))
            beside = f"{BUDGET[kind]:>9}" if idle is None else f"{p95 / idle[i]:>9.2f}"
            print(
                f"{page[:17]:<18}{kind + ': ' + what[:24]:<34}{len(waits):>4}"
                f"{p50:>9.0f}{p95:>9.0f}{beside}",
                flush=True,
            )
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", help="all where left out")
    parser.add_argument("--training", action="store_true", help="measure beside a run as well")
    options = parser.parse_args()
    wanted = [one for one in MEASURED if not options.pages or one.page in options.pages]
    process, url = start_server()
    try:
        with sync_playwright() as playwright:
            bench = Bench(playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS), url)
            idle = bench.table(wanted)
            if options.training:
                tab = bench.train()
                print("\nWhile another tab watches an agent train:")
                bench.table(wanted, idle)
                bench.elsewhere(tab)
                print("\nWhile an agent trains and its owner reads another page:")
                bench.table(wanted, idle)
            bench.browser.close()
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
