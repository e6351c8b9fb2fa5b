"""The live charts of the Train page, drawn again at every poll and never rebuilt."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui import live, run_names, train_incidents, training, training_rows
from pgcore.environments import OFFERED
from pgcore.jobs import JobSnapshot

POLL_SECONDS = 0.5
LONG_RUN_SECONDS, LONG_RUN_POLL_SECONDS = 10.0, 1.5
"""From then on a curve hardly moves in half a second, and the redrawing would keep other tabs of
the same browser waiting."""
RETURN_RANGE = {"CartPole-v1": (0.0, 510.0), "Acrobot-v1": (-510.0, 0.0)}


def returns(shown: dict[str, JobSnapshot]) -> None:
    """Episode return by environment steps, and how to read it."""
    env_id = next(iter(shown.values())).config.env_id
    total = max(one.config.total_steps for one in shown.values())
    curve, scores = training_rows.curve_rows(shown)
    found = train_incidents.marks(shown)
    _draw(
        _returns_spec(tuple(shown), env_id, total, training_rows.forked(shown)),
        {
            "curve": curve,
            "scores": scores,
            train_incidents.DATASET: train_incidents.rows(found, curve, RETURN_RANGE.get(env_id)),
        },
        "returns",
        "Episode return by environment steps, a line and a band for each run.",
        # Streamlit clears a zoom at every update, unless it is asked to report it.
        on_select="rerun",
        selection_mode="zoom",
    )
    train_incidents.listing(found, shown)
    st.caption(_legend_text(shown, env_id))


def poll_seconds(runs: live.SessionRuns) -> float | None:
    """How often the return chart looks at the active run; None where there is none."""
    job = runs.active  # asked once: a run may end in between
    if job is None:
        return None
    long = job.snapshot().active_seconds >= LONG_RUN_SECONDS
    return LONG_RUN_POLL_SECONDS if long else POLL_SECONDS


def inside(runs: live.SessionRuns) -> None:
    """The meters of every update, polled half as often as the return chart."""
    if runs.runs:
        poll = poll_seconds(runs)
        st.subheader("Inside the updates")
        st.fragment(_meters, run_every=2 * poll if poll else None, key="inside")(runs)


def _meters(runs: live.SessionRuns) -> None:
    shown = on_one_axis(runs)
    if not shown:
        return
    total = max(one.config.total_steps for one in shown.values())
    rows = training_rows.meter_rows(shown)
    with st.grid(min_column_width=300):
        for meter in training.METERS:
            mine = rows[rows["meter"].isin(meter.columns)]
            with st.container():
                st.markdown(f"**{meter.title}**")
                if mine.empty:
                    st.caption(f"{meter.caption} Nothing to show for these runs.")
                    continue
                _draw(
                    _meter_spec(meter, tuple(shown), total, training_rows.forked(shown)),
                    {"meter": mine},
                    f"meter_{meter.columns[0]}",
                    f"{meter.title} by environment steps.",
                )
                st.caption(meter.caption)


def on_one_axis(runs: live.SessionRuns) -> dict[str, JobSnapshot]:
    """Label -> snapshot of the runs in the newest run's environment: one axis cannot hold two."""
    if not runs.runs:
        return {}
    env_id = runs.runs[-1].job.config.env_id
    return {
        run_names.label(run.number, run.job.config, run.job.fork): run.job.snapshot()
        for run in runs.runs
        if run.job.config.env_id == env_id
    }


def _draw(spec: dict, rows: dict[str, pd.DataFrame], key: str, alt: str, **options: str) -> None:
    datasets = spec.get("datasets", {}) | rows
    st.vega_lite_chart(spec={**spec, "datasets": datasets}, key=key, alt=alt, **options)


@st.cache_data(max_entries=64, show_spinner=False)
def _returns_spec(runs: tuple[str, ...], env_id: str, total: int, forks: tuple[str, ...]) -> dict:
    domain = RETURN_RANGE.get(env_id)
    return training.returns_chart(runs, env_id, total, domain, forks).to_dict()


@st.cache_data(max_entries=256, show_spinner=False)
def _meter_spec(
    meter: training.Meter, runs: tuple[str, ...], total: int, forks: tuple[str, ...]
) -> dict:
    return training.meter_chart(meter, runs, total, forks).to_dict()


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
    if training_rows.forked(shown):
        text += "Broken line: a fork; it begins on its parent's curve. "
    text += "Click a name in the legend to single out a run. "
    return text + "Ctrl with the wheel zooms, a double click zooms back."
