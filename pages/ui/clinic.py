"""The bug clinic: which bug, and its two runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from pages.ui import controls, live
from pages.ui.controls import BadValue, Control
from pgcore import health
from pgcore.bugs import Bug, discover
from pgcore.environments import sizes
from pgcore.health import Finding, Probe
from pgcore.jobs import JobState, Lease, Slots, TrainingJob
from pgcore.train import Trainer

WATCH_SECONDS = 10.0
"""How long a run takes at least, so that one can watch it."""
MAX_KEPT = 40
_KEY = "clinic_twins"

BUGS = discover()
BUG = Control("bug", "Bug", tuple(BUGS), "detached_log_probs", "choice")
SEED = controls.slider("seed", "Seed of both runs", 0, 9, 1, default=0)


@dataclass(eq=False)
class Twins:
    """A bug's healthy and broken run; one and the same job where only the metric is wrong."""

    name: str
    seed: int
    bug: Bug
    jobs: dict[str, TrainingJob]
    """By what the page calls them: healthy and broken, or the run."""
    probes: dict[str, Probe]
    """By the same names: the first update from inside, as soon as a job's thread has seen it."""

    @property
    def alive(self) -> bool:
        return any(not job.snapshot().state.ended for job in self.jobs.values())

    @property
    def complete(self) -> bool:
        return all(job.snapshot().state is JobState.DONE for job in self.jobs.values())

    def stop(self) -> None:
        for job in self.jobs.values():
            job.stop()

    def findings(self) -> dict[str, tuple[Finding, ...]]:
        """What the checks say, so far, of each run that got through an update."""
        n_actions = sizes(self.bug.config.env_id)[1]
        found = {}
        for label, job in self.jobs.items():
            stats = job.snapshot().stats
            if stats and label in self.probes:
                seen = self.probes[label]
                found[label] = health.check(stats, seen, n_actions, job.config.n_updates)
        return found


def make(name: str, seed: int, bug: Bug, slots: Slots, lease: Lease, rate: float = 0) -> Twins:
    """The two jobs of a bug, not started; they stop once the lease has expired."""
    config = bug.config.replace(seed=seed)
    runs: dict[str, tuple[Callable[[int], Trainer], dict]] = {
        "healthy": (bug.healthy_run, {}),
        "broken": (bug.broken_run, dict(bug.changes)),
    }
    if bug.metric != "episode_return":
        runs = {"the run": (bug.healthy_run, {})}
    twins = Twins(name, seed, bug, {}, {})

    def probed(label: str, run: Callable[[int], Trainer]) -> Trainer:
        # On a trainer of its own: the one that is watched stays as it is.
        trainer = run(seed)
        _, twins.probes[label] = health.probe(trainer)
        trainer.envs.close()
        return run(seed)

    for label, (run, changes) in runs.items():
        twins.jobs[label] = TrainingJob(
            config.replace(**changes),
            slots,
            lease,
            updates_per_second=rate,
            make_trainer=lambda label=label, run=run: probed(label, run),  # type: ignore[misc]
        )
    return twins


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
