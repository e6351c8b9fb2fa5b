"""Answers that are a number."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pgcore.questions.answers import Verdict, missed, shown


@dataclass(frozen=True)
class Trap:
    """A wrong number that a known mistake leads to."""

    value: float
    misconception: str
    why: str


_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,2})?"
_FRACTION = re.compile(rf"({_NUMBER})(?:/({_NUMBER}))?(%?)", re.IGNORECASE)


@dataclass(frozen=True)
class Number:
    """Type a number; it is right within a share of the value.

    Args:
        value: computed by pgcore.
        traps: what known mistakes give.
        unit: of the value, for the reader.
        within: relative tolerance; 0 for a count, which must be exact.
    """

    value: float
    traps: tuple[Trap, ...] = ()
    unit: str = ""
    within: float = 0.01
    kind: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        # Some draws lead a mistake to the right number, or nowhere.
        traps = tuple(t for t in self.traps if math.isfinite(t.value) and not self._means(t.value))
        object.__setattr__(self, "traps", traps)

    def shuffled(self, rng: np.random.Generator) -> Number:
        return self

    @property
    def solution(self) -> str:
        return f"{shown(self.value)} {self.unit}".rstrip()

    def words(self, given: float) -> str:
        return shown(given, 8)

    def read(self, text: str) -> float:
        """What was typed, as a number: 0.5, −1.2e-3, 1/3 or 12%.

        Raises:
            ValueError: one sentence for the person who typed it.
        """
        compact = re.sub(r"\s", "", text).replace("−", "-").replace("–", "-")
        if not compact:
            raise ValueError("Type a number first.")
        if "," in compact:
            raise ValueError("Write decimals with a point, as in 0.5, and no other separator.")
        match = _FRACTION.fullmatch(compact)
        if match is None or len(compact) > 40:
            raise ValueError("That is not a number: write it as 0.5, -1.2, 2e-3, 1/3 or 12%.")
        top, bottom, percent = match.groups()
        if bottom is not None and float(bottom) == 0:
            raise ValueError("A fraction cannot have 0 below the line.")
        number = float(top) / float(bottom or 1) / (100 if percent else 1)
        if not math.isfinite(number):
            raise ValueError("That number is too large.")
        return number

    def _means(self, given: float, value: float | None = None) -> bool:
        value = self.value if value is None else value
        return abs(given - value) <= max(self.within * abs(value), 1e-9)

    def check(self, given: float) -> Verdict:
        """The verdict on a number."""
        if self._means(given):
            return Verdict(True, "")
        for trap in self.traps:
            if self._means(given, trap.value):
                return missed(trap.misconception, trap.why)
        if self._means(-given):
            return missed("The sign", "The size is right, the sign is not.")
        return Verdict(False, "That is none of the numbers that a usual mistake gives.")
