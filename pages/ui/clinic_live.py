"""The bug clinic: two runs side by side while they train, their curves and their health."""

from __future__ import annotations

import streamlit as st

from pages.ui import clinic, clinic_checks, live, training, training_rows
from pages.ui.clinic import Twins
from pgcore.jobs import JobSnapshot

POLL_SECONDS = 0.5
_REWARD = training.Meter("The author's metric", ("reward_per_step",), "share of full reward", "")
_RANGE = (0.0, 510.0)


def watch(name: str, seed: int, blind: bool = False) -> Twins | None:
    """Run and Stop, progress, curves and health checks; the pair, if it was started."""
    twins = clinic.kept().get((name, seed))
    alive = twins is not None and twins.alive
    st.fragment(_live, run_every=POLL_SECONDS if alive else None, key="clinic_live")(
        name, seed, alive, blind
    )
    return twins


def _live(name: str, seed: int, alive: bool, blind: bool) -> None:
    live.renew_lease()
    twins = clinic.kept().get((name, seed))
    if (twins is not None and twins.alive) != alive:
        st.rerun()
    with st.container(horizontal=True):
        run = st.button(
            "Run",
            type="primary",
            icon=":material/play_arrow:",
            key="clinic_run",
            disabled=alive,
        )
        if st.button("Stop", icon=":material/stop:", key="clinic_stop", disabled=not alive):
            assert twins is not None
            twins.stop()
    if run and not alive:
        clinic.start(name, seed)
        st.rerun()
    if twins is None:
        st.info(
            "Run trains both with the same seed, side by side: same weights, same environments, "
            f"same random numbers. It takes about {clinic.WATCH_SECONDS:.0f} seconds or a little "
            "more.",
            icon=":material/arrow_upward:",
        )
        return
    shown = {label: job.snapshot() for label, job in twins.jobs.items()}
    with st.container(horizontal=True):
        for label, snapshot in shown.items():
            _progress(label, snapshot)
    _charts(twins, shown)
    clinic_checks.show(twins, blind)


def _progress(label: str, snapshot: JobSnapshot) -> None:
    done = snapshot.stats[-1].update if snapshot.stats else 0
    text = f"{label}: {snapshot.state.value} · update {done} of {snapshot.config.n_updates}"
    if snapshot.queue_position is not None:
        text = f"{label}: waiting · number {snapshot.queue_position} in line on this server"
    with st.container(width=330):
        st.progress(min(snapshot.progress, 1.0), text=text)
    if snapshot.error:
        st.error(f"{label}: {snapshot.error}", icon=":material/error:")


def _charts(twins: Twins, shown: dict[str, JobSnapshot]) -> None:
    config = twins.bug.config
    names = tuple(shown)
    if len(shown) == 1:
        st.markdown("**What its author looks at: mean reward a step**")
        rows = training_rows.meter_rows(shown)
        _draw(
            _reward_spec(names, config.total_steps),
            {"meter": rows[rows["meter"] == "reward_per_step"]},
            "clinic_reward",
            "Mean reward a step by environment steps: flat, close to 1.",
        )
        st.markdown("**The same run: episode return**")
    curve, scores = training_rows.curve_rows(shown)
    _draw(
        _returns_spec(names, config.env_id, config.total_steps),
        {"curve": curve, "scores": scores},
        "clinic_returns",
        f"Episode return by environment steps: {' and '.join(names)}.",
        on_select="rerun",
        selection_mode="zoom",
    )
    st.caption(
        "Line: mean return of the episodes that ended in an update (at least the last 20). Band: "
        "the middle 80% of them. Dots: fresh episodes with the weights of a checkpoint."
    )


def _draw(spec: dict, rows: dict, key: str, alt: str, **options: str) -> None:
    datasets = spec.get("datasets", {}) | rows
    st.vega_lite_chart(spec={**spec, "datasets": datasets}, key=key, alt=alt, **options)


@st.cache_data(max_entries=16, show_spinner=False)
def _returns_spec(names: tuple[str, ...], env_id: str, total: int) -> dict:
    return training.returns_chart(names, env_id, total, _RANGE).to_dict()


@st.cache_data(max_entries=16, show_spinner=False)
def _reward_spec(names: tuple[str, ...], total: int) -> dict:
    return training.meter_chart(_REWARD, names, total).to_dict()
