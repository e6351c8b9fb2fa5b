"""Fork from here: a run that goes on from a checkpoint with one setting changed."""

from __future__ import annotations

import streamlit as st

from pages.ui import live, run_names, settings, train_panels
from pgcore.checkpoints import Checkpoint
from pgcore.config import ConfigError, TrainConfig, field_help
from pgcore.forks import Fork, changeable

_MORE = 20
"""Updates that a fork of a run's last checkpoint trains, unless it is told otherwise."""


@st.fragment
def show(runs: live.SessionRuns, run: live.Run, checkpoint: Checkpoint, options: dict) -> None:
    """Choose a setting and its new value; Fork starts the branch."""
    config, update = checkpoint.config, checkpoint.update
    settings_of, mine = changeable(config), f"fork_{run.job.number}"
    with st.container(border=True):
        st.markdown(f"**Fork from here**: #{run.number} after update {update:,}")
        with st.container(horizontal=True, vertical_alignment="top"):
            with st.container(width=225):
                name = st.selectbox(
                    "Setting",
                    settings_of,
                    index=settings_of.index("learning_rate"),
                    format_func=settings.title,
                    key=f"{mine}_setting",
                )
            with st.container(width=225):
                default, help_text = getattr(config, name), field_help()[name]
                value = settings.widget(name, default, f"{mine}_{name}", help_text)
            with st.container(width=200):
                until = st.number_input(
                    "Train up to update",
                    value=max(config.n_updates, update + _MORE),
                    step=1,
                    key=f"{mine}_{update}_until",
                )
        fork, problem = _fork(run, checkpoint, config, {name: value, "n_updates": until})
        if runs.active is not None:
            problem = "A run is going on: fork when it has ended."
        with st.container(horizontal=True, vertical_alignment="center"):
            pressed = st.button(
                "Fork", icon=":material/fork_right:", key="fork", disabled=bool(problem)
            )
            st.markdown(problem or fork.describe())
        st.caption(_kept(config, name, until))
        # A box that is always there: see 7_train.py.
        with st.container():
            if pressed and fork is not None:
                train_panels.start(runs, fork.config, options, fork=fork)


def _fork(
    run: live.Run, checkpoint: Checkpoint, config: TrainConfig, changes: dict
) -> tuple[Fork | None, str]:
    """The fork, or one sentence saying why there is none."""
    snapshot = run.job.snapshot()
    earlier = snapshot.fork.history if snapshot.fork else ()
    history = [one for one in (*earlier, *snapshot.stats) if one.update <= checkpoint.update]
    name = run_names.label(run.number, snapshot.config, snapshot.fork)
    try:
        fork = Fork(name, checkpoint, config.replace(**changes), tuple(history))
    except ConfigError as problem:
        text = str(problem)
        return None, text[:1].upper() + text[1:]
    if not fork.changes.keys() - {"n_updates"}:
        return None, "This is the run's own value: the branch would repeat it number by number."
    return fork, ""


def _kept(config: TrainConfig, name: str, until: int) -> str:
    text = (
        "Kept: the weights, Adam's moments, the random state, the episodes under way. So whatever "
        "differs after the fork comes from this one setting. "
    )
    if config.anneal_learning_rate and until != config.n_updates:
        text += (
            "But for one thing: the learning rate falls to zero over the run, so another length "
            "changes it too. "
        )
    if name == "reset_each_rollout":
        text += "The first rollout already differs, since it starts fresh episodes."
    else:
        text += (
            "The first rollout is the parent's to the last step. After its update the random "
            "numbers are still the same, but they meet another policy: from there on a single "
            "branch shows luck as well, so compare several seeds before you believe it."
        )
    return text
