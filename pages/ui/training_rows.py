"""Rows of training.py's charts, from the snapshots of runs."""

from __future__ import annotations

import math

import pandas as pd

from pgcore.jobs import JobSnapshot
from pgcore.stats import UpdateStats
from pgcore.studies import learning_curve


def forked(snapshots: dict[str, JobSnapshot]) -> tuple[str, ...]:
    """Those of the runs that branched off another."""
    return tuple(run for run, snapshot in snapshots.items() if snapshot.fork)


def curve_rows(snapshots: dict[str, JobSnapshot]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The datasets "curve" and "scores" of returns_chart."""
    curves = [
        learning_curve.return_curve(snapshot.stats, history=_history(snapshot)).assign(run=run)
        for run, snapshot in snapshots.items()
    ]
    scores = [
        (run, score.update, score.env_steps, score.evaluation.mean, len(score.evaluation.returns))
        for run, snapshot in snapshots.items()
        for score in snapshot.scores
    ]
    return pd.concat(curves, ignore_index=True), pd.DataFrame(
        scores, columns=["run", "update", "env_steps", "score", "episodes"]
    )


def meter_rows(snapshots: dict[str, JobSnapshot]) -> pd.DataFrame:
    """All meters of all runs, long: run, env_steps, meter, value; missing ones left out."""
    frames = [
        # A fork's line begins where its parent's was.
        learning_curve.meters((*_history(snapshot)[-1:], *snapshot.stats)).assign(run=run)
        for run, snapshot in snapshots.items()
    ]
    wide = pd.concat(frames, ignore_index=True)
    # An infinite KL would leave a chart without axis, and without all its other points.
    finite = wide.replace([math.inf, -math.inf], math.nan)
    return finite.melt(["run", "env_steps"], var_name="meter", value_name="value").dropna()


def _history(snapshot: JobSnapshot) -> tuple[UpdateStats, ...]:
    return snapshot.fork.history if snapshot.fork else ()
