"""The training form: every field of TrainConfig as a widget, checked by TrainConfig itself."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_args

import streamlit as st

from pages.ui.run_names import ALGORITHM_NAMES
from pgcore.config import ALGORITHMS, PRESETS, ConfigError, TrainConfig, field_help, field_types
from pgcore.environments import OFFERED
from pgcore.plan import value_from_text

_FRONT = ("algorithm", "preset", "env_id", "seed")
_KEY = "train_"
PRESET_NAMES = {"fast": "Fast, corrected", "homework": "As in the homework"}


def training_config() -> TrainConfig | None:
    """Draw the form; the config that it describes, or None after saying what is wrong with it.

    The link in the address bar always describes the form: the four main choices, and each
    further setting that differs from its preset.
    """
    # A box that stays when its notice goes: the form would move up, and lose what is being typed.
    with st.container():
        _read_link()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        algorithm = st.segmented_control(
            "Algorithm",
            algorithms(),
            format_func=lambda name: ALGORITHM_NAMES.get(name, name),
            key=f"{_KEY}algorithm",
            required=True,
            persist_state="session",
        )
        preset = st.segmented_control(
            "Preset",
            PRESETS,
            format_func=PRESET_NAMES.__getitem__,
            key=f"{_KEY}preset",
            required=True,
            persist_state="session",
            help="Fast: the corrected trainer. Homework: the notebook's settings, faults included.",
        )
        env_id = st.selectbox(
            "Environment",
            list(OFFERED),
            format_func=lambda name: OFFERED[name].title,
            key=f"{_KEY}env_id",
            persist_state="session",
            width=380,
        )
        seed = st.number_input(
            "Seed",
            step=1,
            key=f"{_KEY}seed",
            persist_state="session",
            width=130,
            help=field_help()["seed"],
        )
    start = TrainConfig.preset(preset, algorithm, env_id=env_id)
    with st.expander("Every setting", icon=":material/tune:"):
        changes = _other_settings(start, f"{_KEY}{preset}_{algorithm}_")
    _write_link(algorithm, preset, env_id, seed, changes)
    try:
        return start.replace(seed=seed, **changes)
    except ConfigError as problem:
        st.error(str(problem)[0].upper() + str(problem)[1:], icon=":material/error:")
        return None


def algorithms() -> list[str]:
    """All of them, the chapters' first and in their order."""
    first = [name for name in ("reinforce", "vpg", "ppo", "gae") if name in ALGORITHMS]
    return first + [name for name in ALGORITHMS if name not in first]


def _other_settings(start: TrainConfig, prefix: str) -> dict[str, Any]:
    help_of = field_help()
    changes = {}
    fields = [field for field in dataclasses.fields(start) if field.name not in _FRONT]
    # A grid reads in order on a phone too, where columns would come one after the other.
    with st.grid(min_column_width=220):
        for field in fields:
            default = getattr(start, field.name)
            with st.container():
                value = widget(field.name, default, prefix + field.name, help_of[field.name])
            if value is not None and value != default:
                changes[field.name] = value
    return changes


def title(name: str) -> str:
    """What the form calls a setting: "Learning rate"."""
    return name.replace("_", " ").capitalize()


def widget(name: str, default: Any, key: str, help_text: str) -> Any:
    """A setting as the widget of its type, with its help; what the reader chose."""
    label = title(name)
    hint = field_types()[name]
    common: dict[str, Any] = {"key": key, "persist_state": "session"}
    if key not in st.session_state:
        st.session_state[key] = " ".join(map(str, default)) if name == "hidden" else default
    if hint is bool:
        value = st.toggle(label, **common)
    elif name == "hidden":
        value = value_from_text(name, st.text_input(label, **common))
    elif hint in (int, float):
        step = 1 if hint is int else None
        value = st.number_input(label, step=step, format=None if step else "%g", **common)
    else:
        choices = algorithms() if name == "algorithm" else get_args(hint)
        value = st.selectbox(label, choices, **common)
    st.caption(help_text)
    return value


def _read_link() -> None:
    """Once a session, and before any widget exists: what the link asks for becomes the form."""
    if f"{_KEY}algorithm" in st.session_state:
        return
    asked = {name: str(value) for name, value in st.query_params.items()}
    form = {"algorithm": "ppo", "preset": "fast", "env_id": "CartPole-v1", "seed": 0}
    allowed = {"algorithm": ALGORITHMS, "preset": PRESETS, "env_id": tuple(OFFERED)}
    problems = []
    for name, choices in allowed.items():
        if name in asked and asked[name] not in choices:
            problems.append(f"{name} must be one of {', '.join(choices)}")
        elif name in asked:
            form[name] = asked[name]
    start = TrainConfig.preset(form["preset"], form["algorithm"])
    values = {
        field.name: value_from_text(field.name, asked[field.name])
        for field in dataclasses.fields(TrainConfig)
        if field.name in asked and field.name not in allowed
    }
    for name in _invalid(start, values, problems):
        del values[name]
    form["seed"] = values.pop("seed", form["seed"])
    for name, value in values.items():
        key = f"{_KEY}{form['preset']}_{form['algorithm']}_{name}"
        st.session_state[key] = " ".join(map(str, value)) if name == "hidden" else value
    for name, value in form.items():
        st.session_state[_KEY + name] = value
    if problems:
        st.warning(
            f"The link asks for something that does not exist: {'; '.join(problems)}. "
            "The page uses the preset's value instead.",
            icon=":material/link_off:",
        )


def _invalid(start: TrainConfig, values: dict[str, Any], problems: list[str]) -> list[str]:
    """Names of the values to leave out; some are valid only together."""
    try:
        start.replace(**values)
        return []
    except ConfigError:
        pass
    invalid = []
    for name, value in values.items():
        # Alone, so that one bad value does not take the others with it.
        try:
            start.replace(**{name: value})
        except ConfigError as problem:
            problems.append(str(problem).rstrip("."))
            invalid.append(name)
    return invalid


def _write_link(algorithm: str, preset: str, env_id: str, seed: int, changes: dict) -> None:
    state = {"algorithm": algorithm, "preset": preset, "env_id": env_id, "seed": str(seed)}
    for name, value in changes.items():
        is_words = isinstance(value, tuple)
        state[name] = (
            " ".join(map(str, value))
            if is_words
            else (value if isinstance(value, str) else json.dumps(value))
        )
    if dict(st.query_params.items()) != state:
        st.query_params.from_dict(state)
