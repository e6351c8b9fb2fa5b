"""What a browser test does with a figure: drag it, move its sliders, read what it shows.

Playwright's selectors look into the figure's shadow root by themselves.
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any

import numpy as np


def find(page: Any, key: str) -> Any:
    """The figure that a page shows as figure.show(key, ...), with all that was pressed drawn."""
    found = page.locator(f".st-key-{key} .figure")
    found.locator(".plot svg").first.wait_for(state="visible", timeout=60_000)
    page.wait_for_function(
        "element => !!element.dataset.state", arg=found.element_handle(), timeout=60_000
    )
    # A change is drawn in the next frame: what a test has just pressed is there after it.
    page.evaluate("() => new Promise(requestAnimationFrame)")
    return found


def state(page: Any, key: str) -> dict[str, str]:
    """Every control's value as the URL has it: {"ratio": "1.4"}."""
    return json.loads(find(page, key).get_attribute("data-state"))


def drag(
    page: Any, key: str, start: tuple[float, float], end: tuple[float, float], *, plot: int = 0
) -> None:
    """Press at one point of a plot, move to another in steps, release.

    start, end: as shares of the plot's width and height, from its top left.
    """
    svg = find(page, key).locator(".plot svg").nth(plot)
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()

    def at(point: tuple[float, float]) -> tuple[float, float]:
        return box["x"] + point[0] * box["width"], box["y"] + point[1] * box["height"]

    page.mouse.move(*at(start))
    page.mouse.down()
    page.mouse.move(*at(end), steps=8)
    page.evaluate("() => new Promise(requestAnimationFrame)")
    page.mouse.up()


def marker(page: Any, key: str, name: str = "marker") -> tuple[float, float]:
    """Where a mark drawn with name=... is, in pixels from its plot's origin."""
    path = find(page, key).locator(f".{name}_marks path").first
    at = re.match(r"translate\(([-\d.e]+),([-\d.e]+)\)", path.get_attribute("transform"))
    return float(at[1]), float(at[2])


def text(page: Any, key: str, source: str) -> str:
    """What figure.text("table.column") shows."""
    return find(page, key).locator(f'[data-text="{source}"]').first.text_content()


def slider(page: Any, key: str, name: str) -> Any:
    """A control's slider: .press("ArrowRight"), .press("Home"), .press("End")."""
    return find(page, key).locator(f'[data-control="{name}"] input[type=range]')


def choose(page: Any, key: str, name: str, value: str) -> None:
    """Pick one of a choice's words."""
    find(page, key).locator(f'[data-control="{name}"] input[value="{value}"]').check()


def wait_url(page: Any, name: str, value: str) -> None:
    """Until the URL has name=value; a figure writes it a moment after the release."""
    page.wait_for_function(
        "([n, v]) => new URL(location.href).searchParams.get(n) === v",
        arg=[name, value],
        timeout=10_000,
    )


def payload(at: Any, position: int = 0) -> dict[str, Any]:
    """What AppTest's figure sends to the browser: start, controls, tables, plots."""
    raw = at.get("bidi_component")[position].proto.bytes
    heads, offset = [], 0
    for _ in range(2):
        (length,) = struct.unpack_from("<I", raw, offset)
        heads.append(json.loads(raw[offset + 4 : offset + 4 + length]))
        offset += 4 + length
    return heads[0] | heads[1] | {"raw": raw[offset:]}


def payloads(at: Any) -> list[dict[str, Any]]:
    """payload() of every figure on the page; other components send JSON."""
    sent = [component.proto.bytes for component in at.get("bidi_component")]
    return [payload(at, position) for position, raw in enumerate(sent) if raw]


def ends(at: Any) -> list[dict[str, str]]:
    """Two links: every control of every figure at its first value, and at its last."""
    controls = [control for sent in payloads(at) for control in sent["controls"]]
    return [{each["name"]: each["keys"][end] for each in controls} for end in (0, -1)]


def empty_tables(at: Any) -> list[str]:
    """Tables that have no row where the page's controls start; a figure would be blank there."""
    return [name for sent in payloads(at) for name in sent["tables"] if not rows(sent, name)]


def rows(sent: dict[str, Any], table: str, **values: Any) -> list[dict[str, Any]]:
    """The rows that the browser shows of a table, for given values of the controls.

    Controls that are not named are where they start.
    """
    live = sent["live"]["tables"]
    about, base = (live[table], sent["size"]) if table in live else (sent["tables"][table], 0)
    cell, chosen = 0, {}
    for name, size in zip(about["by"], about["sizes"], strict=True):
        control = next(each for each in sent["controls"] if each["name"] == name)
        index = sent["start"][name]
        if name in values:
            index = control["keys"].index(str(values[name]))
        cell = cell * size + index
        chosen[name] = control["values"][index]
    if "along" in about:
        ((name, value),) = values.items() or [(about["along"][0], None)]
        control = next(each for each in sent["controls"] if each["name"] == name)
        at = sent["live"]["at"][name] if value is None else control["keys"].index(str(value))
        cell = about["offsets"][name] + at
    begins = np.frombuffer(sent["raw"], "<u4", about["begins_count"], base + about["begins"])
    columns = {}
    for column, packed in about["columns"].items():
        array = np.frombuffer(sent["raw"], "<f4", about["count"], base + packed["at"])
        part = array[begins[cell] : begins[cell + 1]]
        words = packed.get("words")
        columns[column] = [words[int(i)] for i in part] if words else part.tolist()
    found = zip(*columns.values(), strict=True)
    return [chosen | dict(zip(columns, row, strict=True)) for row in found]
