"""Answers that are picked: one option, an order, marks in a figure. Each says what is behind it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and why, in Markdown."""

    right: bool
    words: str


def missed(misconception: str, why: str) -> Verdict:
    """A wrong answer whose misconception is known."""
    return Verdict(False, f"**{misconception}.** {why}")


def shown(number: float, digits: int = 4) -> str:
    """A number as a reader writes it: −0.6931, 12, 1.5e-08."""
    rounded = float(f"{number:.{digits}g}")
    return f"{rounded:.{digits}g}".replace("-", "−")


@dataclass(frozen=True)
class Option:
    """One answer of a choice; the right one is the one without a misconception."""

    text: str
    why: str
    misconception: str = ""

    @property
    def right(self) -> bool:
        return not self.misconception


@dataclass(frozen=True)
class Choice:
    """Pick one option.

    Raises:
        ValueError: if not exactly one option is right, or two read alike.
    """

    options: tuple[Option, ...]
    kind: ClassVar[str] = "choice"

    def __post_init__(self) -> None:
        if sum(option.right for option in self.options) != 1:
            raise ValueError("exactly one option must be right.")
        if len({option.text for option in self.options}) < len(self.options):
            raise ValueError("two options read alike.")

    def shuffled(self, rng: np.random.Generator) -> Choice:
        order = rng.permutation(len(self.options))
        return Choice(tuple(self.options[i] for i in order))

    @property
    def solution(self) -> str:
        return next(option.text for option in self.options if option.right)

    def words(self, given: int) -> str:
        return self.options[given].text

    def check(self, given: int) -> Verdict:
        """The verdict on the option at this index."""
        option = self.options[given]
        return (
            Verdict(True, option.why) if option.right else missed(option.misconception, option.why)
        )


@dataclass(frozen=True)
class Item:
    """One thing to put in order, and why it comes where it does."""

    text: str
    why: str


@dataclass(frozen=True)
class Order:
    """Put items in order.

    Args:
        items: in the right order.
        positions: how they are shown: positions[i] is the place in `items` of the i-th one shown.
    """

    items: tuple[Item, ...]
    positions: tuple[int, ...] = ()
    kind: ClassVar[str] = "order"

    def __post_init__(self) -> None:
        object.__setattr__(self, "positions", self.positions or tuple(range(len(self.items))))

    def shuffled(self, rng: np.random.Generator) -> Order:
        positions = tuple(int(i) for i in rng.permutation(len(self.items)))
        if positions == tuple(range(len(self.items))):
            positions = positions[::-1]  # an answer that is there already is no question
        return replace(self, positions=positions)

    @property
    def solution(self) -> str:
        return "\n".join(f"{i}. {item.text}. *{item.why}*" for i, item in enumerate(self.items, 1))

    def words(self, given: Sequence[int]) -> str:
        return " → ".join(self.items[self.positions[i]].text for i in given)

    def check(self, given: Sequence[int]) -> Verdict:
        """The verdict on indices into what is shown, in the order given."""
        places = [self.positions[i] for i in given]
        if sorted(places) != list(range(len(self.items))):
            raise ValueError("every item must be placed once.")
        wrong = next((i for i, place in enumerate(places) if place != i), None)
        if wrong is None:
            return Verdict(True, "")
        here, chosen = self.items[wrong], self.items[places[wrong]]
        return Verdict(
            False,
            f"**Place {wrong + 1}** is where it first goes wrong: you put “{chosen.text}”, and "
            f"“{here.text}” belongs there. {here.why}",
        )


@dataclass(frozen=True, eq=False)
class Mark:
    """Mark one place of a figure, or all that fit.

    Args:
        marks: what can be marked: name (a letter), x, y, and where there is one, label.
        right: names of those that answer the question, computed by pgcore.
        wrong: name -> (misconception, why), for the others.
        shape: "points", "bars" or "cells".
        x, y: axis titles.
        alt: the figure in words.
        many: whether all that fit are asked for.
        curve: x, y of a line behind the points.
        backdrop: x, y, label of cells that cannot be marked.
    """

    marks: pd.DataFrame
    right: frozenset[str]
    wrong: Mapping[str, tuple[str, str]]
    shape: str
    x: str
    y: str
    alt: str
    many: bool = False
    curve: pd.DataFrame | None = None
    backdrop: pd.DataFrame | None = None
    kind: ClassVar[str] = "mark"

    def __post_init__(self) -> None:
        names = set(self.names)
        if not self.right or not self.right < names or names - self.right != set(self.wrong):
            raise ValueError("each mark must be right or have its misconception.")
        if not self.many and len(self.right) != 1:
            raise ValueError("exactly one mark must be right.")

    @property
    def names(self) -> list[str]:
        return self.marks["name"].tolist()

    def shuffled(self, rng: np.random.Generator) -> Mark:
        return self

    @property
    def solution(self) -> str:
        return ", ".join(sorted(self.right))

    def words(self, given: Collection[str]) -> str:
        return ", ".join(sorted(given))

    def check(self, given: Collection[str]) -> Verdict:
        """The verdict on the names of the places marked."""
        extra = sorted(set(given) - self.right)
        if extra:
            misconception, why = self.wrong[extra[0]]
            return missed(f"{extra[0]}: {misconception}", why)
        missing = sorted(self.right - set(given))
        if missing:
            return Verdict(False, f"Right as far as it goes, but {missing[0]} belongs to it too.")
        return Verdict(True, "")


def letters(n: int) -> list[str]:
    """A, B, C, ...: names for marks."""
    return [chr(ord("A") + i) for i in range(n)]
