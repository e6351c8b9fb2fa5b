"""What one check says of a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One check's verdict."""

    name: str
    fired: bool
    value: float | None
    """What was measured; None where the check does not apply, or has nothing to go by yet."""
    sentence: str
    waits: bool = False
    """Whether it is judged at the run's end only, and this is not it."""
    is_test: bool = False
    """Whether it comes from questions put to one rollout, and nearly names the cause."""
