"""The form of a sweep on the Train page: what to run, checked, and in the address bar."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import streamlit as st

from pages.ui import settings
from pages.ui.run_names import ALGORITHM_NAMES
from pgcore.config import ALGORITHMS, PRESETS, ConfigError, TrainConfig, field_help
from pgcore.environments import OFFERED
from pgcore.plan import settings_from_words
from pgcore.sweep_jobs import bounded_grid

ONE, MANY = "One run", "Many runs"
MAX_GROUPS = 12
"""That many are told apart on a chart."""
VARIED = 2
_KEY = "many_"
_MODE = "train_mode"
_SETTINGS = tuple(
    field.name
    for field in dataclasses.fields(TrainConfig)
    if field.name not in ("algorithm", "seed", "env_id")
)
_START: dict[str, Any] = {
    "algorithms": ["ppo", "vpg"],
    "presets": ["fast"],
    "env": "CartPole-v1",
    "seeds": 5,
}
_MOST_SEEDS = 1000


def mode() -> str:
    """The choice at the top of the page: ONE or MANY."""
    if _MODE not in st.session_state:
        asked = st.query_params.get("mode")
        st.session_state[_MODE] = MANY if asked == "many" else ONE
    return st.segmented_control(
        "How many",
        (ONE, MANY),
        key=_MODE,
        required=True,
        persist_state="session",
        label_visibility="collapsed",
    )


def configs() -> list[TrainConfig] | None:
    """Draw the form; the runs that it describes, or None after saying what is wrong with it."""
    # A box that stays when its notice goes: the form would move up, and lose what is being typed.
    with st.container():
        _read_link()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        algorithms = st.segmented_control(
            "Algorithms",
            settings.algorithms(),
            format_func=lambda name: ALGORITHM_NAMES.get(name, name),
            selection_mode="multi",
            key=f"{_KEY}algorithms",
            persist_state="session",
        )
        presets = st.segmented_control(
            "Presets",
            PRESETS,
            format_func=settings.PRESET_NAMES.__getitem__,
            selection_mode="multi",
            key=f"{_KEY}presets",
            persist_state="session",
        )
        env_id = st.selectbox(
            "Environment",
            list(OFFERED),
            format_func=lambda name: OFFERED[name].title,
            key=f"{_KEY}env",
            persist_state="session",
            width=380,
        )
        seeds = st.number_input(
            "Seeds",
            step=1,
            key=f"{_KEY}seeds",
            persist_state="session",
            width=130,
            help="Every group runs once with each seed from 0 on. They are the only difference.",
        )
    lines = [_varied(number) for number in range(1, VARIED + 1)]
    _write_link(algorithms, presets, env_id, seeds, lines)
    try:
        return _checked(algorithms, presets, env_id, seeds, [line for line in lines if line[0]])
    except ConfigError as problem:
        st.error(str(problem)[0].upper() + str(problem)[1:], icon=":material/error:")
        return None


def _varied(number: int) -> tuple[str | None, str]:
    """A setting to vary, if any, and the text of its values."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Vary" if number == 1 else "and",
            _SETTINGS,
            format_func=settings.title,
            index=None,
            placeholder="nothing",
            key=f"{_KEY}vary{number}",
            persist_state="session",
            width=260,
            help=field_help().get(st.session_state.get(f"{_KEY}vary{number}") or "")
            or "A setting that differs from group to group.",
        )
        text = st.text_input(
            "over the values",
            key=f"{_KEY}values{number}",
            persist_state="session",
            max_chars=100,
            placeholder="64 64x64" if name == "hidden" else "for example 0.1 0.2",
            disabled=name is None,
            width=260,
        )
    return name, text


def _checked(
    algorithms: list[str],
    presets: list[str],
    env_id: str,
    seeds: int | None,
    lines: list[tuple[str | None, str]],
) -> list[TrainConfig]:
    if seeds is None or not 1 <= seeds <= _MOST_SEEDS:
        raise ConfigError(f"seeds must be from 1 to {_MOST_SEEDS:,}.")
    values = settings_from_words((str(name), *_words(text)) for name, text in lines)
    asked = bounded_grid(presets, algorithms, {"env_id": (env_id,)} | values, seeds)
    groups = len(asked) // seeds
    if groups > MAX_GROUPS:
        raise ConfigError(
            f"these are {groups} groups; a chart tells at most {MAX_GROUPS} apart: "
            "take fewer values."
        )
    steps = sum(config.total_steps for config in asked)
    st.caption(
        f"{_counted(groups, 'group')} × {_counted(seeds, 'seed')} = {_counted(len(asked), 'run')}, "
        f"{_millions(steps)} environment steps in all."
    )
    return asked


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def _millions(steps: int) -> str:
    if steps < 1_000_000:
        return f"{steps:,}"
    return f"{steps / 1e6:,.{1 if math.log10(steps) < 7 else 0}f} million"


def _read_link() -> None:
    """Once a session, and before any widget exists: what the link asks for becomes the form."""
    if f"{_KEY}algorithms" in st.session_state:
        return
    asked = {name: str(value) for name, value in st.query_params.items()}
    form = dict(_START)
    problems = []
    for name, known in (("algorithms", ALGORITHMS), ("presets", PRESETS)):
        words = _words(asked.get(name, ""))
        if set(words) <= set(known):
            form[name] = words or form[name]
        else:
            problems.append(f"{name} must be some of {', '.join(known)}")
    if asked.get("env", form["env"]) in OFFERED:
        form["env"] = asked.get("env", form["env"])
    else:
        problems.append(f"env must be one of {', '.join(OFFERED)}")
    if "seeds" in asked:
        if asked["seeds"].isdecimal() and 1 <= len(asked["seeds"]) <= 4:
            form["seeds"] = int(asked["seeds"])
        else:
            problems.append(f"seeds must be a number from 1 to {_MOST_SEEDS:,}")
    for number in range(1, VARIED + 1):
        name = asked.get(f"vary{number}")
        if name is not None and name not in _SETTINGS:
            problems.append(f"vary{number} must be a setting, not “{name[:40]}”")
            name = None
        form[f"vary{number}"] = name
        form[f"values{number}"] = asked.get(f"values{number}", "")[:100] if name else ""
    for name, value in form.items():
        st.session_state[_KEY + name] = value
    if problems:
        st.warning(
            f"The link asks for something that does not exist: {'; '.join(problems)}. "
            "The page uses its own start instead.",
            icon=":material/link_off:",
        )


def _write_link(
    algorithms: list[str],
    presets: list[str],
    env_id: str,
    seeds: int | None,
    lines: list[tuple[str | None, str]],
) -> None:
    state = {
        "mode": "many",
        "algorithms": ",".join(algorithms),
        "presets": ",".join(presets),
        "env": env_id,
        "seeds": str(seeds or 0),
    }
    for number, (name, text) in enumerate(lines, start=1):
        if name is not None:
            state |= {f"vary{number}": name, f"values{number}": text}
    if dict(st.query_params.items()) != state:
        st.query_params.from_dict(state)
