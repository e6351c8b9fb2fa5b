"""The controls of a run on the Train page: how to run, start, pause, stop, progress."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import live, run_names, train_charts
from pgcore.checkpoints import Checkpoint
from pgcore.config import TrainConfig
from pgcore.forks import Fork
from pgcore.jobs import JobSnapshot, JobState, TrainingJob
from pgcore.runs import RunFolderError, folder_for

WATCHABLE = 8.0
"""Updates a second at the watchable pace: the fast preset then takes a few seconds, not one."""
_FOLDER = Path("runs")
_ASKED = "start_asked"


def controls_and_charts(runs: live.SessionRuns, config: TrainConfig | None, options: dict) -> None:
    """Buttons, progress and charts; polls while a job is alive and is still otherwise."""
    # A box that is always there: see 7_train.py.
    with st.container():
        if st.session_state.pop(_ASKED, False):
            start(runs, config, options)
    poll = train_charts.poll_seconds(runs)
    st.fragment(_live, run_every=poll, key="live")(runs, config, options, poll)


def run_options() -> dict:
    """How to run, apart from what to train: pace, and whether to keep the run on disk."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pace = st.segmented_control(
            "Pace",
            ("Watchable", "Full speed"),
            default="Watchable",
            required=True,
            key="train_pace",
            persist_state="session",
            help=f"Watchable: at most {WATCHABLE:g} updates a second. The numbers are the same.",
        )
        keep = st.toggle(
            "Keep on disk",
            key="train_keep",
            persist_state="session",
            help="Writes runs/NAME/: config.json, metrics.csv, checkpoints, TensorBoard events.",
        )
        name = ""
        if keep:
            name = st.text_input(
                "Folder name",
                key="train_name",
                persist_state="session",
                placeholder="ppo-fast-seed0, after the run",
            )
    return {"rate": WATCHABLE if pace == "Watchable" else 0.0, "keep": keep, "name": name}


def _live(
    runs: live.SessionRuns, config: TrainConfig | None, options: dict, poll: float | None
) -> None:
    if train_charts.poll_seconds(runs) != poll:
        st.rerun()
    job = runs.active
    _buttons(runs, job, config, options)
    if not runs.runs:
        st.info(
            "Nothing trained yet. Start takes the settings above; the fast preset needs a few "
            "seconds, the homework's a minute or more.",
            icon=":material/arrow_upward:",
        )
        return
    shown = train_charts.on_one_axis(runs)
    _status(list(shown.values())[-1])
    train_charts.returns(shown)


def _buttons(
    runs: live.SessionRuns, job: TrainingJob | None, config: TrainConfig | None, options: dict
) -> None:
    paused = job is not None and job.snapshot().state is JobState.PAUSED
    with st.container(horizontal=True):
        started = st.button(
            "Start",
            type="primary",
            icon=":material/play_arrow:",
            key="start",
            disabled=job is not None or config is None,
        )
        if paused:
            if st.button("Resume", icon=":material/resume:", key="resume"):
                job.resume()
        elif st.button("Pause", icon=":material/pause:", key="pause", disabled=job is None):
            job.pause()
        if st.button("Stop", icon=":material/stop:", key="stop", disabled=job is None):
            job.stop()
        if st.button(
            "Reset",
            icon=":material/delete_sweep:",
            key="reset",
            disabled=not runs.runs,
            help="Stops the run and clears the chart.",
        ):
            runs.reset()
            st.rerun()
    if started:
        # A fragment knows the form as the last full run drew it; a box left by the very press on
        # Start has a newer value, and a full run reads it.
        st.session_state[_ASKED] = True
        st.rerun()


def start(
    runs: live.SessionRuns,
    config: TrainConfig | None,
    options: dict,
    resume_from: Checkpoint | None = None,
    fork: Fork | None = None,
) -> None:
    """Add a run to the session, unless one is going on."""
    # A second click may arrive before the page has greyed the button out.
    if config is None or runs.active is not None:
        return
    try:
        name = options["name"] or run_names.folder_name(config, fork)
        folder = folder_for(_FOLDER, name) if options["keep"] else None
    except RunFolderError as problem:
        say(problem)
        return
    how = (live.slots(), runs.lease, folder, options["rate"], resume_from)
    runs.add(TrainingJob(config, *how, fork=fork))
    st.rerun()


def _status(snapshot: JobSnapshot) -> None:
    total = snapshot.config.n_updates
    done = snapshot.stats[-1].update if snapshot.stats else 0
    text = f"{snapshot.state.value.capitalize()} · update {done:,} of {total:,}"
    if snapshot.steps_per_second:
        text += f" · {snapshot.steps_per_second:,.0f} steps a second of training"
    if snapshot.state is JobState.RUNNING and snapshot.seconds_left is not None:
        text += f" · {_duration(snapshot.seconds_left)} left"
    if snapshot.state is JobState.QUEUED and snapshot.queue_position is not None:
        text = (
            f"Waiting · number {snapshot.queue_position} in line: "
            f"this server trains {live.slots().count} at a time"
        )
    st.progress(min(snapshot.progress, 1.0), text=text)
    if snapshot.error:
        st.error(f"The run failed. {snapshot.error}", icon=":material/error:")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def say(problem: Exception) -> None:
    """A problem's sentence, as an error on the page."""
    text = str(problem)
    st.error(text[:1].upper() + text[1:], icon=":material/error:")
