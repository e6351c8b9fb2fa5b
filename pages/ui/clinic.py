"""The bug clinic: which bug, its two runs, and their curves while they train."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import streamlit as st

from pages.ui import controls, live, training
from pages.ui.controls import BadValue, Control
from pgcore.bugs import Bug, discover
from pgcore.jobs import JobSnapshot, JobState, Lease, Slots, TrainingJob

POLL_SECONDS = 0.5
WATCH_SECONDS = 10.0
"""How long a run takes at least, so that one can watch it."""
MAX_KEPT = 40
_KEY = "clinic_twins"
_REWARD = training.Meter("The author's metric", ("reward_per_step",), "share of full reward", "")
_RANGE = (0.0, 510.0)

BUGS = discover()
BUG = Control("bug", "Bug", tuple(BUGS), "detached_log_probs", "choice")
SEED = controls.slider("seed", "Seed of both runs", 0, 9, 1, default=0)


@dataclass(eq=False)
class Twins:
    """A bug's healthy and broken run; one and the same job where only the metric is wrong."""

    name: str
    seed: int
    bug: Bug
    healthy: TrainingJob
    broken: TrainingJob

    @property
    def jobs(self) -> dict[str, TrainingJob]:
        if self.healthy is self.broken:
            return {"the run": self.healthy}
        return {"healthy": self.healthy, "broken": self.broken}

    @property
    def alive(self) -> bool:
        return any(not job.snapshot().state.ended for job in self.jobs.values())

    @property
    def complete(self) -> bool:
        return all(job.snapshot().state is JobState.DONE for job in self.jobs.values())

    def stop(self) -> None:
        for job in self.jobs.values():
            job.stop()


def make(name: str, seed: int, bug: Bug, slots: Slots, lease: Lease, rate: float = 0) -> Twins:
    """The two jobs of a bug, not started; they stop once the lease has expired."""
    config = bug.config.replace(seed=seed)

    def job(config, run) -> TrainingJob:
        return TrainingJob(
            config, slots, lease, updates_per_second=rate, make_trainer=partial(run, seed)
        )

    healthy = job(config, bug.healthy_run)
    same = bug.metric != "episode_return"
    broken = healthy if same else job(config.replace(**bug.changes), bug.broken_run)
    return Twins(name, seed, bug, healthy, broken)


def kept() -> dict[tuple[str, int], Twins]:
    """What this session has run, newest last."""
    return st.session_state.setdefault(_KEY, {})


def start(name: str, seed: int) -> None:
    """Run a pair; a pair that still runs is stopped first."""
    for twins in kept().values():
        twins.stop()
    kept().pop((name, seed), None)
    bug, lease = BUGS[name], live.session_runs().lease
    twins = make(name, seed, bug, live.slots(), lease, bug.config.n_updates / WATCH_SECONDS)
    kept()[name, seed] = twins
    while len(kept()) > MAX_KEPT:
        kept().pop(next(iter(kept())))
    for job in twins.jobs.values():
        job.start()


def pick() -> tuple[str, int]:
    """The bug and the seed that the reader, or the link, asks for."""
    if st.session_state.get("clinic_bug") not in BUGS:
        st.session_state["clinic_bug"] = _linked()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Bug",
            list(BUGS),
            format_func=lambda each: BUGS[each].title,
            key="clinic_bug",
            persist_state="session",
            width=420,
        )
        with st.container(width=320):
            seed = SEED.widget()
    if st.query_params.get("bug") != name:
        st.query_params["bug"] = name
    return name, seed


def _linked() -> str:
    given = st.query_params.get("bug")
    if given is None:
        return BUG.default
    try:
        return BUG.values[BUG.parse(given)]
    except BadValue as problem:
        st.warning(str(problem), icon=":material/link_off:")
        return BUG.default


def watch(name: str, seed: int) -> Twins | None:
    """Run and Stop, progress and curves; the pair, once it has ended."""
    twins = kept().get((name, seed))
    alive = twins is not None and twins.alive
    st.fragment(_live, run_every=POLL_SECONDS if alive else None, key="clinic_live")(
        name, seed, alive
    )
    return twins if twins is not None and not twins.alive else None


def _live(name: str, seed: int, alive: bool) -> None:
    live.renew_lease()
    twins = kept().get((name, seed))
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
            twins.stop()
    if run and not alive:
        start(name, seed)
        st.rerun()
    if twins is None:
        st.info(
            "Run trains both with the same seed, side by side: same weights, same environments, "
            f"same random numbers. It takes about {WATCH_SECONDS:.0f} seconds or a little more.",
            icon=":material/arrow_upward:",
        )
        return
    shown = {label: job.snapshot() for label, job in twins.jobs.items()}
    with st.container(horizontal=True):
        for label, snapshot in shown.items():
            _progress(label, snapshot)
    _charts(twins, shown)


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
        rows = training.meter_rows(shown)
        _draw(
            _reward_spec(names, config.total_steps),
            {"meter": rows[rows["meter"] == "reward_per_step"]},
            "clinic_reward",
            "Mean reward a step by environment steps: flat, close to 1.",
        )
        st.markdown("**The same run: episode return**")
    curve, scores = training.curve_rows(shown)
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
