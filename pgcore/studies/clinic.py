"""The shapes and values that give a bug away, measured on the bug and on its healthy twin."""

from __future__ import annotations

import pandas as pd

from pgcore.bugs import Bug, discover
from pgcore.studies import clinic_rollout, clinic_update


def evidence(name: str, bug: Bug | None = None, seed: int = 0) -> pd.DataFrame:
    """What gives a bug away: columns what, healthy, broken.

    Args:
        name: of the bug's file.
        bug: the bug, or the one of that name; a smaller run of it will do.
        seed: of both runs.
    Raises:
        AttributeError: for a bug without evidence.
    """
    bug = bug or discover()[name]
    room = clinic_update if hasattr(clinic_update, name) else clinic_rollout
    measure = getattr(room, name)
    columns = []
    for trainer in (bug.healthy_run(seed), bug.broken_run(seed)):
        columns.append(measure(trainer))
        trainer.envs.close()
    healthy, broken = columns
    return pd.DataFrame(
        {"what": list(healthy), "healthy": list(healthy.values()), "broken": list(broken.values())}
    )
