"""The parts of the Train page below its form."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from pages.ui import live, training
from pgcore.checkpoints import Checkpoint
from pgcore.config import TrainConfig
from pgcore.environments import OFFERED
from pgcore.jobs import JobSnapshot, JobState, TrainingJob
from pgcore.runs import RunFolderError, folder_for

POLL_SECONDS = 0.5
WATCHABLE = 8.0
"""Updates a second at the watchable pace: the fast preset then takes a few seconds, not one."""
_FOLDER = Path("runs")
_ASKED = "start_asked"
_RETURN_RANGE = {"CartPole-v1": (0.0, 510.0), "Acrobot-v1": (-510.0, 0.0)}


def controls_and_charts(runs: live.SessionRuns, config: TrainConfig | None, options: dict) -> None:
    """Buttons, progress and charts; polls while a job is alive and is still otherwise."""
    if st.session_state.pop(_ASKED, False):
        start(runs, config, options)
    alive = runs.active is not None
    st.fragment(_live, run_every=POLL_SECONDS if alive else None, key="live")(
        runs, config, options, alive
    )


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
            name = st.text_input("Folder name", key="train_name", persist_state="session")
    return {"rate": WATCHABLE if pace == "Watchable" else 0.0, "keep": keep, "name": name}


def _live(runs: live.SessionRuns, config: TrainConfig | None, options: dict, alive: bool) -> None:
    job = runs.active
    if (job is not None) != alive:
        st.rerun()
    _buttons(runs, job, config, options)
    if not runs.runs:
        st.info(
            "Nothing trained yet. Start takes the settings above; the fast preset needs a few "
            "seconds, the homework's a minute or more.",
            icon=":material/arrow_upward:",
        )
        return
    shown = _on_one_axis(runs)
    _status(list(shown.values())[-1])
    _return_chart(shown)


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
) -> None:
    """Add a run to the session, unless one is going on."""
    # A second click may arrive before the page has greyed the button out.
    if config is None or runs.active is not None:
        return
    try:
        folder = folder_for(_FOLDER, options["name"]) if options["keep"] else None
    except RunFolderError as problem:
        say(problem)
        return
    runs.add(TrainingJob(config, live.slots(), runs.lease, folder, options["rate"], resume_from))
    st.rerun()


def _status(snapshot: JobSnapshot) -> None:
    total = snapshot.config.n_updates
    done = snapshot.stats[-1].update if snapshot.stats else 0
    text = f"{snapshot.state.value.capitalize()} · update {done:,} of {total:,}"
    if snapshot.steps_per_second:
        text += f" · {snapshot.steps_per_second:,.0f} steps a second"
    if snapshot.state is JobState.RUNNING and snapshot.seconds_left is not None:
        text += f" · {_duration(snapshot.seconds_left)} left"
    if snapshot.state is JobState.QUEUED and snapshot.queue_position is not None:
        text = (
            f"Waiting · number {snapshot.queue_position} in line: "
            f"{live.slots().count} runs train at the same time on this server"
        )
    st.progress(min(snapshot.progress, 1.0), text=text)
    if snapshot.error:
        st.error(f"The run failed. {snapshot.error}", icon=":material/error:")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _return_chart(shown: dict[str, JobSnapshot]) -> None:
    env_id = next(iter(shown.values())).config.env_id
    total = max(one.config.total_steps for one in shown.values())
    curve, scores = training.curve_rows(shown)
    _draw(
        _returns_spec(tuple(shown), env_id, total),
        {"curve": curve, "scores": scores},
        "returns",
        "Episode return by environment steps, a line and a band for each run.",
        # Streamlit clears a zoom at every update, unless it is asked to report it.
        on_select="rerun",
        selection_mode="zoom",
    )
    st.caption(_legend_text(shown, env_id))


def inside(runs: live.SessionRuns) -> None:
    """The meters of every update, polled like the return chart."""
    if runs.runs:
        alive = runs.active is not None
        st.subheader("Inside the updates")
        st.fragment(_meters, run_every=2 * POLL_SECONDS if alive else None, key="inside")(runs)


def _meters(runs: live.SessionRuns) -> None:
    shown = _on_one_axis(runs)
    if not shown:
        return
    total = max(one.config.total_steps for one in shown.values())
    rows = training.meter_rows(shown)
    with st.grid(min_column_width=300):
        for meter in training.METERS:
            mine = rows[rows["meter"].isin(meter.columns)]
            with st.container():
                st.markdown(f"**{meter.title}**")
                if mine.empty:
                    st.caption(f"{meter.caption} Nothing to show for these runs.")
                    continue
                _draw(
                    _meter_spec(meter, tuple(shown), total),
                    {"meter": mine},
                    f"meter_{meter.columns[0]}",
                    f"{meter.title} by environment steps.",
                )
                st.caption(meter.caption)


def _on_one_axis(runs: live.SessionRuns) -> dict[str, JobSnapshot]:
    """Label -> snapshot of the runs in the newest run's environment: one axis cannot hold two."""
    if not runs.runs:
        return {}
    env_id = runs.runs[-1].job.config.env_id
    return {
        training.label(run.number, run.job.config): run.job.snapshot()
        for run in runs.runs
        if run.job.config.env_id == env_id
    }


def _draw(spec: dict, rows: dict[str, pd.DataFrame], key: str, alt: str, **options: str) -> None:
    datasets = spec.get("datasets", {}) | rows
    st.vega_lite_chart(spec={**spec, "datasets": datasets}, key=key, alt=alt, **options)


@st.cache_data(max_entries=64, show_spinner=False)
def _returns_spec(runs: tuple[str, ...], env_id: str, total: int) -> dict:
    return training.returns_chart(runs, env_id, total, _RETURN_RANGE.get(env_id)).to_dict()


@st.cache_data(max_entries=256, show_spinner=False)
def _meter_spec(meter: training.Meter, runs: tuple[str, ...], total: int) -> dict:
    return training.meter_chart(meter, runs, total).to_dict()


def _legend_text(shown: dict[str, JobSnapshot], env_id: str) -> str:
    text = (
        "Line: mean return of the episodes that ended in an update (at least the last 20). "
        "Band: the middle 80% of them. Dots: fresh episodes with the weights of a checkpoint, "
        "the fair measure. "
    )
    if env_id in OFFERED:
        text += f"Solved: mean return {OFFERED[env_id].solved_at:g}. "
    cut = {one.config.n_steps for one in shown.values() if one.config.reset_each_rollout}
    if cut:
        text += (
            f"The homework's loop starts fresh episodes every {max(cut)} steps, so no longer "
            "episode ever ends in training: trust the dots. "
        )
    text += "Click a name in the legend to single out a run. "
    return text + "Ctrl with the wheel zooms, a double click zooms back."


def say(problem: Exception) -> None:
    """A problem's sentence, as an error on the page."""
    text = str(problem)
    st.error(text[:1].upper() + text[1:], icon=":material/error:")
