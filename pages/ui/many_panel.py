"""Many runs at once on the Train page: start, stop, progress, and what the runs say together."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from pages.ui import live, many_results
from pgcore.config import TrainConfig
from pgcore.jobs import JobState
from pgcore.sweep_jobs import SweepJob, SweepSnapshot

_ASKED = "many_asked"
_POLL_SECONDS = 1.0


def controls_and_results(runs: live.SessionRuns, configs: list[TrainConfig] | None) -> None:
    """Buttons, progress, charts and tables; polls while a sweep is alive, is still otherwise."""
    # A box that is always there: see 7_train.py.
    with st.container():
        if st.session_state.pop(_ASKED, False):
            start(runs, configs)
    alive = runs.active_sweep is not None
    st.fragment(_live, run_every=_POLL_SECONDS if alive else None, key="many_live")(
        runs, configs, alive
    )


def _live(runs: live.SessionRuns, configs: list[TrainConfig] | None, alive: bool) -> None:
    if (runs.active_sweep is not None) != alive:
        st.rerun()
    with st.container(horizontal=True):
        started = st.button(
            "Start",
            type="primary",
            icon=":material/play_arrow:",
            key="many_start",
            disabled=alive or configs is None,
            help="Runs that this server has finished before are not run again.",
        )
        if st.button("Stop", icon=":material/stop:", key="many_stop", disabled=not alive):
            runs.sweep.stop()
    if started:
        # As on the form of one run: a full run reads a box left by the very press on Start.
        st.session_state[_ASKED] = True
        st.rerun()
    if runs.sweep is None:
        st.info(
            "Nothing has run yet. Start takes the settings above and trains every group once for "
            "each seed, in processes of its own.",
            icon=":material/arrow_upward:",
        )
        return
    snapshot = runs.sweep.snapshot()
    _status(snapshot)
    many_results.show(snapshot)


def start(runs: live.SessionRuns, configs: list[TrainConfig] | None) -> None:
    """Begin a sweep, unless one is going on."""
    # A second click may arrive before the page has greyed the button out.
    if configs is None or runs.active_sweep is not None:
        return
    runs.sweep = SweepJob(configs, Path(_folder().name), live.slots(), runs.lease)
    runs.sweep.start()
    st.rerun()


@st.cache_resource(show_spinner=False)
def _folder() -> tempfile.TemporaryDirectory:
    """Finished runs of all visitors, until the server ends: the same run has the same result.

    Not kept longer: after a change to the code a kept result would be another code's.
    """
    return tempfile.TemporaryDirectory(prefix="pgcore-sweeps-")


def _status(snapshot: SweepSnapshot) -> None:
    done, total, failed = len(snapshot.results), len(snapshot.configs), len(snapshot.failed)
    text = f"{snapshot.state.value.capitalize()} · {done} of {total} runs"
    if snapshot.running:
        text += f" · {snapshot.running} running"
    if failed:
        text += f" · {failed} failed"
    if snapshot.state is JobState.QUEUED and snapshot.queue_position is not None:
        text = (
            f"Waiting · number {snapshot.queue_position} in line: "
            f"this server trains {live.slots().count} at a time"
        )
    if snapshot.state is JobState.STOPPED:
        text += " · Start goes on from here"
    st.progress(done / total, text=text)
    if snapshot.error:
        st.error(f"The sweep failed. {snapshot.error}", icon=":material/error:")
