"""What a question is made of: its text, its answer, and what each wrong answer reveals.

A question is data. What it asks is drawn anew at each try from a generator of its own, so a seed
gives the same numbers again; the right answer is computed by pgcore from what was drawn.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pgcore.questions.answers import Choice, Mark, Order, shown
from pgcore.questions.line import Line
from pgcore.questions.number import Number

Rng = np.random.Generator
Answer = Choice | Number | Order | Line | Mark
MAX_SEED = 999_999


def pick(rng: Rng, *values: Any) -> Any:
    """One of the values, all alike."""
    return values[int(rng.integers(len(values)))]


def column(*numbers: float) -> Tensor:
    """One environment's rows, (T, 1) float64, as returns.py takes them."""
    return torch.tensor(numbers, dtype=torch.float64)[:, None]


def listed(numbers: Sequence[float]) -> str:
    """Numbers in a row, as a reader writes them."""
    return ", ".join(shown(number) for number in numbers)


@dataclass(frozen=True)
class Topic:
    """A set of questions: its key in links, its title, and its place in the list."""

    key: str
    title: str
    place: int


@dataclass(frozen=True)
class Link:
    """Where in the app a question is settled: a chapter's name, and the controls of its figure."""

    chapter: str
    figure: str
    """What to look at there, as the end of a sentence."""
    state: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Asked:
    """A question with its numbers filled in. Texts are Markdown."""

    text: str
    answer: Answer
    explanation: str
    """Shown after the answer, right or wrong."""
    link: Link
    precise: str = ""
    """Where the usual answer is loose: the precise one, and why."""


@dataclass(frozen=True, eq=False)
class Question:
    """One question.

    Args:
        name: its key in links; once in the whole quiz.
        title: a few words, without the answer.
        ask: the question, or a function that draws its numbers from a generator.
        homework: which of the homework's questions it is: "warm-up 10", "conceptual 3".
    """

    name: str
    title: str
    ask: Asked | Callable[[Rng], Asked]
    homework: str = ""

    @property
    def has_numbers(self) -> bool:
        """Whether another seed asks for something else, and not only in another order."""
        return callable(self.ask)

    def draw(self, seed: int) -> Asked:
        """The question as this seed asks it; equal seeds give equal questions.

        Args:
            seed: 0 to MAX_SEED.
        """
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        asked = self.ask(rng) if callable(self.ask) else self.ask
        return replace(asked, answer=asked.answer.shuffled(rng))
