"""Answers that are a line of Python: parsed and compared, never run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pgcore.questions import syntax
from pgcore.questions.answers import Verdict, missed


@dataclass(frozen=True)
class Mistake:
    """A line of code that a known mistake leads to."""

    code: str
    misconception: str
    why: str


@dataclass(frozen=True)
class Line:
    """Fill in one line of Python. What is typed is parsed and compared, and never run.

    Args:
        before, after: code around the gap.
        target: what the line assigns to; typing "target = ..." is allowed and not needed.
        accepted: forms that are right; the first is the solution. Forms that differ only in
            notation (method or function, order of factors, keyword or position) count as one.
        mistakes: forms that are known to be wrong.
    """

    before: str
    target: str
    after: str
    accepted: tuple[str, ...]
    mistakes: tuple[Mistake, ...] = ()
    kind: ClassVar[str] = "line"

    def shuffled(self, rng: np.random.Generator) -> Line:
        return self

    @property
    def solution(self) -> str:
        return f"`{self.target} = {self.accepted[0]}`"

    def words(self, given: str) -> str:
        return given

    def read(self, text: str) -> str:
        """What was typed, if it is one line of Python.

        Raises:
            ValueError: one sentence for the person who typed it.
        """
        syntax.parse(text, self.target)
        return re.sub(rf"^{self.target}\s*=(?!=)\s*", "", text.strip())

    def check(self, given: str) -> Verdict:
        """The verdict on a line that read() has let pass."""
        form = syntax.parse(given, self.target)
        if form in [syntax.parse(code, self.target) for code in self.accepted]:
            return Verdict(True, "")
        for mistake in self.mistakes:
            if form == syntax.parse(mistake.code, self.target):
                return missed(mistake.misconception, mistake.why)
        missing = syntax.names(self.accepted[0]) - syntax.names(given)
        if missing:
            unused = ", ".join(f"`{name}`" for name in sorted(missing))
            return Verdict(False, f"The line does not use {unused}.")
        return Verdict(
            False,
            "That is none of the forms that the quiz knows to be right. It compares notation and "
            "runs nothing, so hold your line against the solution before you give it up.",
        )
