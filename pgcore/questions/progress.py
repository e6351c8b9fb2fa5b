"""What a visitor has answered: kept, exported and read back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace

from pgcore.questions.base import MAX_SEED

MAX_ATTEMPTS = 2000
"""The oldest attempt leaves when a further one comes."""
_LONGEST = 400


@dataclass(frozen=True)
class Attempt:
    """One answered try; question and seed reproduce it."""

    question: str
    seed: int
    given: str
    right: bool


@dataclass(frozen=True)
class Progress:
    """Every attempt, oldest first."""

    attempts: tuple[Attempt, ...] = field(default=())

    def add(self, attempt: Attempt) -> Progress:
        """One attempt more."""
        kept = replace(attempt, given=attempt.given[:_LONGEST])
        return Progress((*self.attempts, kept)[-MAX_ATTEMPTS:])

    @property
    def solved(self) -> frozenset[str]:
        """Questions answered rightly at least once."""
        return frozenset(each.question for each in self.attempts if each.right)

    @property
    def tried(self) -> frozenset[str]:
        """Questions answered at least once."""
        return frozenset(each.question for each in self.attempts)

    def to_json(self) -> str:
        """All attempts, one a line."""
        rows = ",\n".join(
            "  " + json.dumps(asdict(each), ensure_ascii=False) for each in self.attempts
        )
        return '{"attempts": [\n' + rows + "\n]}\n"

    def to_csv(self) -> str:
        """All attempts as a table: question, seed, given, right."""
        out = io.StringIO()
        table = csv.DictWriter(out, ["question", "seed", "given", "right"], lineterminator="\n")
        table.writeheader()
        for each in self.attempts:
            row = asdict(each)
            # A spreadsheet would run a cell that begins like a formula.
            if row["given"].startswith(("=", "+", "-", "@")):
                row["given"] = "'" + row["given"]
            table.writerow(row)
        return out.getvalue()

    @classmethod
    def from_json(cls, text: str, known: Collection[str]) -> Progress:
        """The inverse of to_json.

        Args:
            text: from a file or the browser: not to be trusted.
            known: names of the questions there are; attempts at others are dropped.
        Raises:
            ValueError: one sentence, if it is no record of attempts.
        """
        try:
            rows = json.loads(text)["attempts"]
            attempts = [
                Attempt(row["question"], row["seed"], row["given"], row["right"]) for row in rows
            ]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ValueError("That is no progress file of this quiz.") from None
        for each in attempts:
            if not (
                isinstance(each.question, str)
                and type(each.seed) is int
                and 0 <= each.seed <= MAX_SEED
                and isinstance(each.given, str)
                and isinstance(each.right, bool)
            ):
                raise ValueError("That progress file holds an attempt that makes no sense.")
        kept = [
            replace(each, given=each.given[:_LONGEST])
            for each in attempts[-MAX_ATTEMPTS:]
            if each.question in known
        ]
        return cls(tuple(kept))
