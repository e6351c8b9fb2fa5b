"""What a reader can set: one declaration a control, for its range, its label and its URL.

A control is declared once, at the top of its chapter or below. The same object draws the slider
(figure.py in the browser, widget() here on the server), checks the value in a link, and tells the
tests where its two ends are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import streamlit as st


class BadValue(ValueError):
    """A value that a link asks for and the control does not have; the message is a sentence."""


@dataclass(frozen=True)
class Control:
    """Something with finitely many values, one of them the default.

    Args:
        name: the key in the URL and the column in a figure's tables; once a page.
        label: what the reader sees. Plain text.
        values: all of them, in order: numbers (a slider) or words (a choice).
        default: one of the values.
        kind: "slider" or "choice".
        unit: shown after a number.
        help: one line under the control.
        play: a slider that can be played like a film (epochs, steps); a number is how many
            seconds each value is shown.
        steps: a slider with buttons for one value back and one forward.
        told: who learns its value: the "link" (and the server), the "server" alone, or "nobody"
            (the figure in the browser keeps it to itself).
    """

    name: str
    label: str
    values: tuple[Any, ...]
    default: Any
    kind: str = "slider"
    unit: str = ""
    help: str = ""
    play: bool | float = False
    steps: bool = False
    told: str = "link"

    def __post_init__(self) -> None:
        if self.default not in self.values:
            raise ValueError(f"{self.name}: the default {self.default!r} is none of its values.")

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Every value as a reader sees it; numbers have equally many decimals."""
        if self.kind == "choice":
            return tuple(str(value) for value in self.values)
        digits = max(-int(Decimal(key).as_tuple().exponent) for key in self.keys)
        return tuple(f"{value:.{max(digits, 0)}f}".replace("-", "−") for value in self.values)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Every value as the URL has it: 0.2, -1, on-policy."""
        return tuple(value if isinstance(value, str) else f"{value:g}" for value in self.values)

    @property
    def default_key(self) -> str:
        return self.keys[self.values.index(self.default)]

    @property
    def unit_suffix(self) -> str:
        return f" {self.unit}" if self.unit else ""

    def parse(self, text: str) -> int:
        """Index of the value that a link asks for; a number between two steps takes the nearer.

        Raises:
            BadValue: no number, out of range, or not on the list.
        """
        if text in self.keys:
            return self.keys.index(text)
        shown = f"“{text[:40]}”"
        default = self.labels[self.values.index(self.default)] + self.unit_suffix
        if self.kind == "choice":
            raise BadValue(
                f"The link asks for {self.label.lower()} {shown}, which is none of "
                f"{', '.join(self.keys)}: the page uses {default}."
            )
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if number != number:
            raise BadValue(
                f"The link asks for {self.label.lower()} {shown}, which is not a number: "
                f"the page uses {default}."
            )
        low, high = min(self.values), max(self.values)
        if not low <= number <= high:
            raise BadValue(
                f"The link asks for {self.label.lower()} {shown}, which is outside "
                f"{low:g} to {high:g}: the page uses {default}."
            )
        return min(range(len(self.values)), key=lambda i: abs(self.values[i] - number))

    def widget(self, **options: Any) -> Any:
        """The control as a Streamlit widget (a server round trip on release), bound to the URL.

        For what needs the server anyway; a figure that follows the finger takes the control
        itself (figure.build).

        Returns:
            One of the values.
        """
        given = st.query_params.get(self.name)
        if given is not None:
            try:
                nearest = self.keys[self.parse(given)]
            except BadValue as problem:
                st.warning(str(problem), icon=":material/link_off:")
                nearest = self.default_key
            if nearest != given and self.name not in st.session_state:
                st.query_params[self.name] = nearest
        common = {"key": self.name, "bind": "query-params", "help": self.help or None} | options
        if self.kind == "choice":
            return st.segmented_control(
                self.label, self.values, default=self.default, required=True, **common
            )
        label = f"{self.label} ({self.unit})" if self.unit else self.label
        shown = st.select_slider(label, self.keys, self.default_key, **common)
        return self.values[self.keys.index(shown)]


def slider(
    name: str,
    label: str,
    start: float = 0,
    stop: float = 1,
    step: float = 1,
    *,
    default: float,
    values: Sequence[float] | None = None,
    **options: Any,
) -> Control:
    """A numeric control from start to stop, both included, or over `values` of any spacing."""
    if values is None:
        low, high, width = (Decimal(str(number)) for number in (start, stop, step))
        whole = all(isinstance(number, int) for number in (start, step))
        steps = int((high - low) / width)
        values = [(int if whole else float)(low + i * width) for i in range(steps + 1)]
    return Control(name, label, tuple(values), default, "slider", **options)


def choice(name: str, label: str, values: Sequence[str], *, default: str = "", **options: Any):
    """A control over a few words; the first is the default where none is named."""
    return Control(name, label, tuple(values), default or values[0], "choice", **options)


# Ranges that several chapters share, so that one name means one thing on every page.
CLIP_EPS = slider("eps", "Clip range ε", 0.05, 0.5, 0.05, default=0.2)
GAMMA = slider(
    "gamma", "Discount γ", values=(0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995), default=0.99
)
LAM = slider("lam", "GAE λ", values=(*(i / 10 for i in range(10)), 0.95, 0.98, 1.0), default=0.95)
