"""What the runs of a sweep say together, drawn again as each one ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import many_charts
from pgcore import comparison, estimates
from pgcore.comparison import Group
from pgcore.environments import OFFERED
from pgcore.sweep_jobs import SweepSnapshot

_KEPT = "many_tables"
_FAILURES = 5
"""That many are listed; the table of runs has them all."""


@dataclass(frozen=True)
class Tables:
    """All that is shown of a sweep at one moment."""

    compared: list[Group]
    curves: pd.DataFrame
    single: pd.DataFrame
    summary: pd.DataFrame
    runs: pd.DataFrame


def show(snapshot: SweepSnapshot) -> None:
    """Curves, scores, a comparison of two groups, the tables, and what failed."""
    tables = _tables(snapshot)
    compared = tables.compared
    env_id = snapshot.configs[0].env_id
    # A box that is always there, or the first failure would move the toggle below it.
    with st.container():
        _failures(compared)
    every_seed = st.toggle(
        "Show every seed",
        key="many_every_seed",
        persist_state="session",
        help="Each thin line is one run: the whole truth for somebody who ran that seed alone.",
    )
    single = tables.single if every_seed else tables.single[:0]
    total = max(config.total_steps for config in snapshot.configs)
    many_charts.curves(compared, {"curves": tables.curves, "single": single}, env_id, total)
    text = (
        "Line: median over the seeds. Band: from the lower to the upper quartile, the middle half "
        "of the seeds. Each point is the mean return of fresh episodes. "
    )
    if env_id in OFFERED:
        text += f"Dashed: solved, at a mean return of {OFFERED[env_id].solved_at:g}. "
    st.caption(text + "Click a name in the legend to single out a group.")
    st.subheader("Which is better?")
    many_charts.scores(compared, tables.summary, env_id)
    st.caption(
        "Dot: interquartile mean (IQM), the mean of the final returns without the lowest and the "
        f"highest quarter, so that one lucky or unlucky seed does not decide. Bar: its "
        f"{estimates.CONFIDENCE:.0%} bootstrap interval, from {estimates.RESAMPLES:,} redrawn "
        "sets of seeds; with few seeds it is rather too narrow, with one there is none."
    )
    _improvement(compared)
    st.dataframe(comparison.summary_text(tables.summary), hide_index=True)
    with st.container(horizontal=True):
        for name, frame in (("results", tables.runs), ("summary", tables.summary)):
            st.download_button(
                f"{name}.csv",
                partial(frame.to_csv, index=False),
                f"{name}.csv",
                "text/csv",
                icon=":material/download:",
                on_click="ignore",
                key=f"many_get_{name}",
            )


def _tables(snapshot: SweepSnapshot) -> Tables:
    """Computed once for each result that comes in, and not at every poll."""
    now = (snapshot.configs, snapshot.results)
    before, tables = st.session_state.get(_KEPT, (None, None))
    if tables is None or before != now:
        compared = comparison.groups(snapshot.configs, snapshot.results)
        tables = Tables(
            compared,
            comparison.curves(compared),
            comparison.seed_curves(compared),
            comparison.summary(compared),
            comparison.runs(compared),
        )
        st.session_state[_KEPT] = (now, tables)
    return tables


def _improvement(compared: Sequence[Group]) -> None:
    """One sentence about two groups that the reader chooses."""
    if len(compared) < 2:
        st.caption("There is one group. Take a second algorithm, preset or value to compare.")
        return
    by_name = {group.name: group for group in compared}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = st.selectbox("Does", list(by_name), index=0, key="many_x")
        second = st.selectbox("beat", list(by_name), index=1, key="many_y")
    x, y = by_name[first], by_name[second]
    chance = estimates.probability_of_improvement(x.scores, y.scores)
    if first == second:
        st.markdown("Choose two different groups.")
    elif np.isnan(chance.value):
        st.markdown("Neither is known before each group has a finished run.")
    elif np.isnan(chance.low):
        st.markdown(
            f"One run against one: the single seed of a group says nothing about chance. "
            f"So far {first} wins {chance.value:.0%} of the pairs."
        )
    else:
        verdict = (
            "The interval holds 50%: these seeds do not tell the two apart."
            if chance.low <= 0.5 <= chance.high
            else "The interval leaves out 50%, a draw."
        )
        if chance.low == chance.high:
            verdict += (
                " It has no width because no pair says otherwise, and a bootstrap only redraws "
                "what is there: that is not certainty."
            )
        st.markdown(
            f"A run of **{first}** ends with a higher return than a run of **{second}** with "
            f"probability **{chance.value:.0%}**, {estimates.CONFIDENCE:.0%} interval "
            f"{chance.low:.0%} to {chance.high:.0%} "
            f"({len(x.scores)} × {len(y.scores)} pairs of runs, ties count half). {verdict}"
        )


def _failures(compared: Sequence[Group]) -> None:
    failed = [(group.name, one) for group in compared for one in group.failed]
    if not failed:
        return
    lines = [f"{name}, seed {one.config.seed}: {one.error}" for name, one in failed[:_FAILURES]]
    if len(failed) > _FAILURES:
        lines.append(f"And {len(failed) - _FAILURES} more, in results.csv.")
    st.error(
        f"{len(failed)} of the runs failed. They are left out of curves and means, which flatters "
        "their group, and count as not solved.\n\n" + "\n".join(f"- {line}" for line in lines),
        icon=":material/error:",
    )
