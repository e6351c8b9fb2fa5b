"""Is this run well? What its numbers and a first look inside can tell, without knowing the cause.

Two kinds of check. Meters read what a run logs and what its first update did. Tests put questions
to one rollout: they change a reward or declare a time limit, and see what the trainer makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgcore.health import meters
from pgcore.health.base import Finding
from pgcore.health.probe import Probe, probe
from pgcore.stats import UpdateStats


def check(
    stats: Sequence[UpdateStats], seen: Probe, n_actions: int, n_updates: int
) -> tuple[Finding, ...]:
    """All checks, in the order in which one should look: meters, then tests.

    Args:
        stats: the run so far; at least one update.
        seen: its first update from inside.
        n_actions: of the environment; ln n_actions is the largest entropy there is.
        n_updates: of the whole run; what takes time to learn is judged at its end.
    Raises:
        ValueError: without an update.
    """
    return (*meters.check(stats, seen, n_actions, n_updates), *seen.tests)


__all__ = ["Finding", "Probe", "check", "probe"]
