"""Inside an update: which run, which update, and its recording."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from pages.ui import controls, live, run_names, update_link
from pgcore import checkpoints
from pgcore.agents import REGISTRY
from pgcore.checkpoints import Checkpoint, CheckpointError
from pgcore.config import ConfigError, TrainConfig
from pgcore.jobs import JobSnapshot
from pgcore.recording import Recording, record
from pgcore.stats import UpdateStats
from pgcore.train import Trainer, TrainingDiverged

READY: Mapping[str, tuple[TrainConfig, int]] = {
    "PPO fast, 10 epochs": (TrainConfig.fast("ppo", n_epochs=10), 60),
    "PPO fast": (TrainConfig.fast("ppo"), 60),
    "PPO homework": (TrainConfig.homework("ppo"), 5),
}
"""Runs that this page makes itself: settings, and how many of their updates are offered."""
FIRST = 3
"""The update that a ready-made run opens with."""
STRIDE = 5
KEPT = 6
"""Recordings that a server keeps for all its sessions."""
MAX_STEPS = 1_000
"""Most gradient steps that the page plays."""


@dataclass(frozen=True)
class Picked:
    """An update, recorded.

    Args:
        run: its label.
        key: of this run and update, for caches.
        logged: what the run itself logged when it trained; None for a ready-made run, whose
            recording is the training.
    """

    run: str
    key: str
    recording: Recording
    logged: UpdateStats | None


def pick(forget: tuple[str, ...]) -> Picked | None:
    """Draw the choice of run and update, and record it; None after saying why it cannot be.

    Args:
        forget: names of the controls that belong to one run, to drop when another is chosen.
    """
    own = _session_runs()
    run = update_link.widget(controls.choice("run", "Run", [*READY, *own]))
    update_link.forget_on_change("run", run, ("update", "step", "sample", *forget))
    if run in READY:
        first, last, default = 1, READY[run][1], FIRST
    else:
        first, last = own[run].checkpoints[0].update + 1, own[run].stats[-1].update
        default = own[run].checkpoints[(len(own[run].checkpoints) - 1) // 2].update + 1
    update = first
    if last > first:
        control = controls.slider("update", "Update", first, last, default=default)
        update = update_link.widget(control, run)
    update_link.forget_on_change("update", (run, update), ("step", "sample"))
    try:
        return _record(run, update, own.get(run))
    except (ConfigError, CheckpointError, TrainingDiverged) as problem:
        text = str(problem)
        st.error(text[:1].upper() + text[1:], icon=":material/error:")
        return None


def _session_runs() -> dict[str, JobSnapshot]:
    """This session's runs that have a ratio to look at, by label."""
    found, others = {}, 0
    for run in live.session_runs().runs:
        snapshot = run.job.snapshot()
        if not REGISTRY[snapshot.config.algorithm].uses_ratio:
            others += 1
        elif snapshot.stats and snapshot.checkpoints:
            found[run_names.label(run.number, snapshot.config, snapshot.fork)] = snapshot
    if others:
        st.caption(
            f"{others} of this session's runs cannot be chosen: without a ratio there is no clip."
        )
    return found


def _record(run: str, update: int, snapshot: JobSnapshot | None) -> Picked:
    if snapshot is None:
        key = f"{run} {update}"
        start = _ready_checkpoint(run, (update - 1) // STRIDE * STRIDE)
        logged = None
    else:
        start = max(
            (one for one in snapshot.checkpoints if one.update < update),
            key=lambda one: one.update,
            default=snapshot.checkpoints[0],
        )
        first = hashlib.sha256(snapshot.checkpoints[0].data).hexdigest()
        key = f"{first} {snapshot.config.to_json()} {update}"
        logged = next((one for one in snapshot.stats if one.update == update), None)
    with st.spinner(_waiting(update, start.update)):
        recording = _recorded(key, update, start)
    return Picked(run, hashlib.sha256(key.encode()).hexdigest()[:12], recording, logged)


def _waiting(update: int, start: int) -> str:
    if update == start + 1:
        return f"Taking update {update} again…"
    return f"Taking updates {start + 1} to {update} again, from the last checkpoint before…"


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _recorded(key: str, update: int, _start: Checkpoint) -> Recording:
    recording = record(_start, update)
    steps = int(recording.step[-1]) + 1
    if steps > MAX_STEPS:
        raise ConfigError(
            f"this update takes {steps:,} gradient steps; the page plays at most {MAX_STEPS:,}. "
            "A larger minibatch or fewer epochs would fit."
        )
    return recording


@st.cache_resource(show_spinner="Training up to this update…")
def _ready_checkpoint(run: str, update: int) -> Checkpoint:
    config, _ = READY[run]
    if update == 0:
        trainer = Trainer(config)
    else:
        trainer = checkpoints.resume(_ready_checkpoint(run, update - STRIDE))
        for _ in range(STRIDE):
            trainer.rollout()
            trainer.update()
    try:
        return checkpoints.take(trainer)
    finally:
        trainer.envs.close()
