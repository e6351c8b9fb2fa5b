"""Broken on purpose: one bug a file, each an agent, a trainer or a setting with ONE thing wrong.

A bug's healthy twin is the same run without that one thing: same seed, same everything else.
"""

from __future__ import annotations

import importlib
import pkgutil

from pgcore.bugs.base import Bug


def discover() -> dict[str, Bug]:
    """File name -> bug, of every file in this folder.

    Raises:
        ImportError: for a file without a BUG.
    """
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name == "base":
            continue
        bug = getattr(importlib.import_module(f"{__name__}.{module.name}"), "BUG", None)
        if not isinstance(bug, Bug):
            raise ImportError(f"pgcore/bugs/{module.name}.py must define BUG.")
        found[module.name] = bug
    return found


__all__ = ["Bug", "discover"]
