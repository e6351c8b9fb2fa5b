"""Chapter 3's editable trajectory: a table on the page, a word in the URL."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from pages.ui.controls import BadValue
from pgcore.studies import reinforce
from pgcore.studies.reinforce import ACTIONS, MAX_REWARD, Step

KEY = "steps"
_STEP = re.compile(r"([lsr])(-?[0-9]*\.?[0-9]+)(x?)")

_TWO = (Step(0, 0), Step(2, 0), Step(2, 5, True), Step(1, 0), Step(0, -2), Step(1, 1, True))
EXAMPLES: Mapping[str, tuple[Step, ...]] = {
    "Two episodes": _TWO,
    "No end between": (*_TWO[:2], replace(_TWO[2], ends=False), *_TWO[3:]),
    "+1 for every step": tuple(Step(i % 3, 1, ends=i == 8) for i in range(9)),
    "One late reward": tuple(Step(i % 3, 10 * (i == 10), ends=i == 10) for i in range(11)),
}
DEFAULT = next(iter(EXAMPLES.values()))


def encode(steps: Sequence[Step]) -> str:
    """A trajectory as a word for the URL: "l0_r5x" is left, 0; right, 5, and the end."""
    return "_".join(
        f"{ACTIONS[step.action][0]}{_number(step.reward)}{'x' if step.ends else ''}"
        for step in steps
    )


def _number(reward: float) -> str:
    return f"{reward:.6f}".rstrip("0").rstrip(".") or "0"


def decode(text: str) -> tuple[Step, ...]:
    """The inverse of encode.

    Raises:
        BadValue: one sentence, for text that is no trajectory.
    """
    found = [_STEP.fullmatch(word) for word in text.split("_")]
    letters = "".join(name[0] for name in ACTIONS)
    if not all(found):
        raise BadValue(
            f"The link asks for the trajectory “{text[:40]}”, which is not one: "
            "the page uses its own."
        )
    steps = tuple(Step(letters.index(m[1]), float(m[2]), m[3] == "x") for m in found if m)
    try:
        reinforce.check(steps)
    except ValueError as problem:
        raise BadValue(f"The link's trajectory does not fit: {problem}") from None
    return steps


def edit() -> tuple[Step, ...]:
    """The table to edit, and buttons that fill it: the last trajectory in it that made sense.

    What is typed and makes no sense stays in the table, with a sentence that says why.
    """
    state = st.session_state
    key = f"trajectory rows {state.get('trajectory version', 0)}"
    if key not in state:  # just arrived, or a button was pressed
        state["trajectory steps"] = _linked() or state.get("trajectory steps", DEFAULT)
        state["trajectory start"] = _frame(state["trajectory steps"])
    with st.container(horizontal=True):
        for name, steps in EXAMPLES.items():
            st.button(name, on_click=_begin, args=(steps,))
    try:
        state["trajectory steps"] = read(_table(state["trajectory start"], key))
    except ValueError as problem:
        st.warning(f"{problem} The figure shows the last one that fits.", icon=":material/edit:")
    _write_url(state["trajectory steps"])
    return state["trajectory steps"]


def _linked() -> tuple[Step, ...] | None:
    if KEY not in st.query_params:
        return None
    try:
        return decode(st.query_params[KEY])
    except BadValue as problem:
        st.warning(str(problem), icon=":material/link_off:")
        return None


def _begin(steps: tuple[Step, ...]) -> None:
    state = st.session_state
    state["trajectory steps"] = steps
    state["trajectory version"] = state.get("trajectory version", 0) + 1
    _write_url(steps)


def _write_url(steps: tuple[Step, ...]) -> None:
    if steps != DEFAULT:
        if st.query_params.get(KEY) != encode(steps):
            st.query_params[KEY] = encode(steps)
    elif KEY in st.query_params:
        del st.query_params[KEY]


def _frame(steps: Sequence[Step]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "action": [ACTIONS[step.action] for step in steps],
            "reward": [float(step.reward) for step in steps],
            "ends": [step.ends for step in steps],
        }
    )


def _table(start: pd.DataFrame, key: str) -> pd.DataFrame:
    columns = {
        "action": st.column_config.SelectboxColumn(
            "Action", help="What the agent did", options=ACTIONS, default=ACTIONS[0], required=True
        ),
        "reward": st.column_config.NumberColumn(
            "Reward",
            help="What it was paid for this step",
            min_value=-MAX_REWARD,
            max_value=MAX_REWARD,
            default=0.0,
            required=True,
        ),
        "ends": st.column_config.CheckboxColumn(
            "Ends", help="The episode ended after this step", default=False
        ),
    }
    return st.data_editor(
        start,
        key=key,
        num_rows="dynamic",
        column_config=columns,
        hide_index=True,
        alt="One row a step: the action taken, its reward, and whether the episode ended there",
    )


def read(typed: pd.DataFrame) -> tuple[Step, ...]:
    """The table's rows as steps.

    Raises:
        ValueError: one sentence for the person who typed them.
    """
    steps = tuple(
        Step(
            ACTIONS.index(row.action) if row.action in ACTIONS else -1,
            math.nan if pd.isna(row.reward) else float(row.reward),
            row.ends in (True,),  # an empty cell is no end
        )
        for row in typed.itertuples()
    )
    reinforce.check(steps)
    return steps
