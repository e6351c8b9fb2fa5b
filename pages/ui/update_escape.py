"""Inside an update: the same batch learned from again, and what leaves the range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages.ui import controls, update_link, update_outcome
from pages.ui.update_source import MAX_STEPS, Picked
from pgcore.config import ConfigError, TrainConfig, field_help
from pgcore.recording import Recording
from pgcore.studies import update_again
from pgcore.train import TrainingDiverged

NAMES = ("eps", "rate", "epochs", "batch", "momentum", "kl")
"""Of the controls, which are keys of the URL."""
FIELDS = dict(
    zip(
        NAMES,
        ("clip_eps", "learning_rate", "n_epochs", "minibatch_size", "momentum", "target_kl"),
        strict=True,
    )
)


def settings(config: TrainConfig) -> tuple[controls.Control, ...]:
    """The controls of a run, each with the run's own value as its default."""
    rows = config.rows_per_update
    sizes = [size for size in (16, 64, 256, 1024, 4096) if rows / 64 <= size < rows]
    own_size = min(config.minibatch_size or rows, rows)
    return (
        _control("eps", "Clip range ε", (0.05, 0.1, 0.2, 0.3, 0.5), config.clip_eps),
        _control("rate", "Learning rate", _RATES, config.learning_rate),
        _control("epochs", "Epochs", (1, 2, 3, 5, 10, 20), config.n_epochs),
        _control("batch", "Minibatch size", (*sizes, rows), own_size),
        _control("momentum", "Momentum (Adam's β₁)", (0, 0.5, 0.9, 0.99), config.momentum),
        _control("kl", "KL stop (0: never)", (0, 0.005, 0.01, 0.02, 0.05), config.target_kl),
    )


_RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)


def _control(name: str, label: str, values: Sequence[float], own: float) -> controls.Control:
    told = field_help()[FIELDS[name]]
    return controls.slider(name, label, values=sorted({*values, own}), default=own, help=told)


@st.fragment
def show(picked: Picked) -> None:
    """Controls, then the outcome of four updates on one batch."""
    each = settings(picked.recording.config)
    columns = st.columns(3)
    chosen = {}
    for i, control in enumerate(each):
        with columns[i % 3]:
            chosen[control.name] = update_link.widget(control, picked.run)
    changed = {
        FIELDS[control.name]: chosen[control.name]
        for control in each
        if chosen[control.name] != control.default
    }
    tried = {update_outcome.AS_IT_HAPPENED: _as_it_happened(picked.key, picked.recording)}
    for objective in update_again.OBJECTIVES:
        try:
            with st.spinner(f"Learning from the same batch again: {objective}…"):
                tried[objective] = _try(
                    picked.key, picked.recording, objective, tuple(sorted(changed.items()))
                )
        except (ConfigError, TrainingDiverged) as problem:
            text = str(problem)
            st.warning(f"{objective}: {text}", icon=":material/error:")
    own = "your settings" if changed else "the run's own settings"
    st.markdown(update_outcome.words(tried, chosen["eps"], own))
    update_outcome.table(tried)
    update_outcome.charts(tried, chosen["eps"])
    update_outcome.maps(picked, tried)


@st.cache_data(max_entries=64, show_spinner=False)
def _as_it_happened(key: str, _recording: Recording) -> update_outcome.Tried:
    return update_outcome.summed_up(_recording)


@st.cache_data(max_entries=256, show_spinner=False)
def _try(
    key: str, _recording: Recording, objective: str, changes: tuple[tuple[str, Any], ...]
) -> update_outcome.Tried:
    settings = _recording.config.replace(**dict(changes))
    steps = settings.n_epochs * -(-settings.rows_per_update // (settings.minibatch_size or 10**9))
    if steps > 4 * MAX_STEPS:
        raise ConfigError(
            f"these settings take {steps:,} gradient steps, more than this page waits for."
        )
    return update_outcome.summed_up(update_again.again(_recording, objective, **dict(changes)))
