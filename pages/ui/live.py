"""Training jobs and the browser session that they belong to."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from pgcore.checkpoints import Checkpoint
    from pgcore.jobs import Lease, Slots, TrainingJob
    from pgcore.sweep_jobs import SweepJob

_KEY = "session_runs"
_BEAT_SECONDS = 4.0
MAX_RUNS = 6
"""Runs that stay on the chart; the oldest one leaves when a further one starts."""
_MAX_EPISODES = 12


@dataclass(eq=False)
class Run:
    """A job and its number in this session."""

    number: int
    job: TrainingJob


@dataclass(eq=False)
class SessionRuns:
    """What one browser session has trained. Lives in st.session_state, and in no global."""

    lease: Lease
    runs: list[Run] = field(default_factory=list)
    started: int = 0
    sweep: SweepJob | None = None
    """The latest sweep."""
    episodes: OrderedDict[Any, Any] = field(default_factory=OrderedDict)
    """Played episodes, the latest ones, so that a rerun does not play them again."""

    def add(self, job: TrainingJob) -> None:
        """Start a job and put it on the chart."""
        self.started += 1
        self.runs.append(Run(self.started, job))
        del self.runs[:-MAX_RUNS]
        job.start()

    def reset(self) -> None:
        """Stop what runs and forget everything."""
        for run in self.runs:
            run.job.stop()
        self.runs.clear()
        self.episodes.clear()
        self.started = 0

    @property
    def active(self) -> TrainingJob | None:
        """The newest job, if it has not ended."""
        if self.runs and not self.runs[-1].job.snapshot().state.ended:
            return self.runs[-1].job
        return None

    @property
    def active_sweep(self) -> SweepJob | None:
        """The latest sweep, if it has not ended."""
        if self.sweep is not None and not self.sweep.snapshot().state.ended:
            return self.sweep
        return None


@st.cache_resource(
    scope="session", on_release=lambda runs: runs.lease.release(), show_spinner=False
)
def _held(_runs: SessionRuns) -> SessionRuns:
    """Streamlit drops this entry when the tab closes, and also at a network blip."""
    return _runs


def session_runs() -> SessionRuns:
    """This session's runs. Imports torch."""
    if _KEY not in st.session_state:
        from pgcore.jobs import Lease

        st.session_state[_KEY] = SessionRuns(Lease())
        renew_lease()
    return st.session_state[_KEY]


def keep_lease() -> None:
    """Called by every run of the app: the session is there, so its jobs may go on.

    While one is alive the browser asks again every few seconds, whatever page it shows: after a
    network blip Streamlit runs nothing by itself.
    """
    runs = st.session_state.get(_KEY)
    alive = runs is not None and (runs.active is not None or runs.active_sweep is not None)
    beat = _BEAT_SECONDS if alive else None
    # Drawn in any case: a fragment that came and went would move all that is below it, and what
    # was clicked there meanwhile would be lost.
    st.fragment(renew_lease, run_every=beat, key="lease")()


def renew_lease() -> None:
    """Take the lease again, and the hook that a closed tab pulls."""
    runs = st.session_state.get(_KEY)
    if runs is not None:
        _held(runs)
        runs.lease.renew()


@st.cache_resource(show_spinner=False)
def slots() -> Slots:
    """The process's places for running jobs: MAX_TRAINING_JOBS in the environment, or 2."""
    from pgcore.jobs import MAX_RUNNING, Slots

    text = os.environ.get("MAX_TRAINING_JOBS", "")
    count = int(text) if text.isdigit() and int(text) > 0 else MAX_RUNNING
    return Slots(count, somebody_waits)


def somebody_waits() -> bool:
    """Whether a page is being computed for anybody now: Streamlit has a thread for each answer."""
    return any(thread.name == "ScriptRunner.scriptThread" for thread in threading.enumerate())


def episode(checkpoint: Checkpoint, seed: int) -> tuple[Any, bytes]:
    """A played episode of a checkpoint and its GIF; the latest few are kept for the session."""
    from pgcore import playback

    kept = session_runs().episodes
    # The bytes decide: two runs may share their number of updates, and even their weights.
    key = (hash(checkpoint.data), seed)
    if key not in kept:
        played = playback.play(checkpoint.agent(), checkpoint.config.env_id, seed)
        kept[key] = (played, playback.to_gif(played))
        while len(kept) > _MAX_EPISODES:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]
