"""The checks of the learner's own TrajData, where the file brings one."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from pgcore.grading.storage_fields import check_detach, check_store
from pgcore.grading.storage_sums import check_gae, check_returns
from pgcore.trajectory import TrajData


def find(module: ModuleType) -> type | None:
    """The TrajData that a learner's module has, its own or from a file beside it; not pgcore's."""
    found = getattr(module, "TrajData", None)
    return found if isinstance(found, type) and found is not TrajData else None


def checks(storage: type, wants_gae: bool) -> list[tuple[str, Callable[[], str]]]:
    """Names of the checks, and the checks, in order.

    Args:
        storage: the learner's class.
        wants_gae: whether calc_gae must be there; otherwise it is checked where it is.
    """
    found = [
        ("store", lambda: check_store(storage)),
        ("calc_returns", lambda: check_returns(storage)),
        ("detach", lambda: check_detach(storage)),
    ]
    if wants_gae or hasattr(storage, "calc_gae"):
        found.insert(2, ("calc_gae", lambda: check_gae(storage)))
    return [(f"TrajData.{name}", check) for name, check in found]
