"""CPU time and memory of the process in which a learner's file runs."""

from __future__ import annotations

import os
from pathlib import Path


def limit(cpu_seconds: int, memory_mb: int) -> None:
    """Bound CPU time and memory from here on, beyond what Python and torch hold already.

    Nothing is bounded where the platform has no `resource` (Windows), and no memory where it has
    no /proc (macOS): there the parent's clock is the only limit.
    """
    try:
        import resource
    except ImportError:
        return
    used = int(sum(os.times()[:2])) + 1
    _bound(resource.RLIMIT_CPU, used + cpu_seconds, 1)
    statm = Path("/proc/self/statm")
    if statm.exists():
        held = int(statm.read_text().split()[0]) * resource.getpagesize()
        _bound(resource.RLIMIT_AS, held + memory_mb * 2**20)


def _bound(what: int, soft: int, slack: int = 0) -> None:
    """Set a limit, or what the shell's own stricter one leaves of it."""
    import resource

    _, most = resource.getrlimit(what)
    hard = soft + slack
    if most != resource.RLIM_INFINITY:
        hard = min(hard, most)
    resource.setrlimit(what, (min(soft, hard), hard))
