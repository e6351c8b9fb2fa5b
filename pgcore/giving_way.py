"""A training thread that stands aside while somebody waits for a page.

Both compute in one process, and Python lets one thread run at a time: without this an answer takes
twice to three times as long beside a run at full speed. The numbers of a run do not depend on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 0.4
"""Longest wait in a row: a crowd of readers slows a run down and never stops it."""
SHARE_SECONDS = 0.1
"""How long the run then goes on undisturbed."""
LINGER_SECONDS = 0.04
"""After an answer: the browser has yet to receive and paint it, on the same cores."""
CHECK_SECONDS = 0.002
"""Between two looks: short beside an answer, and each look lists every thread."""


class GiveWay:
    """Called between two steps of a run: returns at once, or when nobody waits any more.

    Args:
        somebody_waits: whether a page is being computed now; called from the run's thread.
    """

    def __init__(self, somebody_waits: Callable[[], bool]) -> None:
        self._somebody_waits = somebody_waits
        self._next_look = 0.0

    def __call__(self) -> None:
        started = now = time.perf_counter()
        if now < self._next_look:
            return
        clear_since = started - LINGER_SECONDS
        while True:
            if self._somebody_waits():
                clear_since = now
            if now - clear_since >= LINGER_SECONDS:
                self._next_look = now + CHECK_SECONDS
                return
            if now - started >= PATIENCE_SECONDS:
                self._next_look = now + SHARE_SECONDS
                return
            time.sleep(CHECK_SECONDS)
            now = time.perf_counter()
