"""How long a reader waits: python -m tests.bench.figures [page ...]

Two numbers a chapter, each from the event's own time stamp to the frame after the change: a drag
on the main figure (drawn in the browser), and a control that needs the server. Prints a table;
asserts nothing, since it times a machine.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from playwright.sync_api import sync_playwright

from tests.conftest import CHROMIUM, FLAGS, start_server, wait_idle
from tests.pages import figures

MOVES, WARM_UP = 60, 5
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


MEASURED: tuple[Drag | Server, ...] = (
    Drag("mdp", "step", (0.1, 0.8), (0.6, 0.15)),
    Drag("mdp", "values", (0.1, 0.5), (0.95, 0.5), plot=1),
    Drag("mdp", "strip", (0.1, 0.5), (0.95, 0.5)),
    Drag("mdp", "cartpole", (0.1, 0.5), (0.9, 0.5)),
    Server("mdp?speed=one push at a time", ".st-key-game .game", ".st-key-game .trip"),
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


def measure_drag(page, drag: Drag) -> list[float]:
    root = figures.find(page, drag.key)
    svg = root.locator(".plot svg").nth(drag.plot)
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    shares = np.linspace(drag.start, drag.end, MOVES + WARM_UP)
    path = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in shares]
    page.mouse.move(*path[0])
    page.mouse.down()
    page.evaluate(WATCH, [root.locator(".plots").element_handle(), "pointermove"])
    for point in path:
        page.mouse.move(*point)
        page.evaluate(NEXT_FRAMES)
    page.mouse.up()
    return page.evaluate("window.waits")[WARM_UP:]


def measure_server(page, server: Server) -> list[float]:
    widget = page.locator(server.widget).first
    widget.scroll_into_view_if_needed()
    widget.focus()
    target = page.locator(server.watch).first.element_handle()
    page.evaluate(WATCH, [target, "keydown"])
    for i in range(MOVES // 2 + WARM_UP):
        page.keyboard.press(server.keys[i % 2])
        page.wait_for_timeout(100)
        wait_idle(page)
    return page.evaluate("window.waits")[WARM_UP:]


def main(only: list[str]) -> None:
    process, url = start_server()
    print(f"{'page':<14}{'what':<34}{'n':>4}{'p50 ms':>9}{'p95 ms':>9}{'budget':>9}")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for each in MEASURED:
                if only and each.page not in only:
                    continue
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(f"{url}/{each.page}")
                page.wait_for_selector("[data-testid=stApp]")
                wait_idle(page, 60_000)
                if isinstance(each, Drag):
                    kind, what, waits = "drag", each.key, measure_drag(page, each)
                else:
                    kind, what, waits = "server", each.widget, measure_server(page, each)
                p50, p95 = np.percentile(waits, [50, 95]) if waits else (np.nan, np.nan)
                print(
                    f"{each.page:<14}{kind + ': ' + what[:24]:<34}{len(waits):>4}"
                    f"{p50:>9.0f}{p95:>9.0f}{BUDGET[kind]:>9}",
                    flush=True,
                )
                page.close()
            browser.close()
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
