"""The bug clinic: a patient's file. What differs, what gives it away, what cures it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.clinic import BUGS, Twins
from pgcore.studies import clinic as study


@st.cache_data(max_entries=200, show_spinner="Taking the first update apart…")
def _evidence(name: str, seed: int) -> pd.DataFrame:
    return study.evidence(name, seed=seed)


def difference(name: str) -> None:
    """The one thing that differs, as a diff."""
    st.subheader("The one thing that differs")
    lines = BUGS[name].difference()
    if lines:
        st.code(lines, language="diff", wrap_lines=True)
    else:
        st.markdown("Nothing: the code is right. Only the number that is looked at is wrong.")


def evidence(name: str, seed: int) -> None:
    """The shapes or values that give it away."""
    st.subheader("What gives it away")
    rows = _evidence(name, seed)
    if BUGS[name].metric != "episode_return":
        rows = rows.drop(columns="broken").rename(columns={"healthy": "the run"})
    st.table(rows.set_index("what").rename_axis(None))
    st.caption(f"Measured early in a run with seed {seed}.")


def metrics(twins: Twins) -> None:
    """Both metrics of one run, where the bug is in what its author looks at."""
    ended = [one for one in list(twins.jobs.values())[-1].snapshot().stats if one.episode_returns]
    if len(twins.jobs) == 2 or len(ended) < 2:
        return
    first, last = ended[0], ended[-1]
    st.markdown(
        f"From update {first.update} to {last.update}, the mean reward a step went from "
        f"{first.reward_per_step:.2f} to {last.reward_per_step:.2f}; the mean episode return from "
        f"{np.mean(first.episode_returns):.1f} to {np.mean(last.episode_returns):.1f}."
    )


def cause_and_fix(name: str) -> None:
    bug = BUGS[name]
    st.subheader("Cause and fix")
    st.markdown(f"**Cause.** {bug.cause}")
    st.markdown(f"**Fix.** {bug.fix}")
