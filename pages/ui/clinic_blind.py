"""The bug clinic's blind mode: symptoms, a diagnosis, then the file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from pages.ui import clinic, clinic_file, clinic_harm, clinic_live
from pages.ui.clinic import BUGS, SEED

CHOICES = 5
_RNG, _PATIENT, _TALLY = "clinic_rng", "clinic_patient", "clinic_tally"


@dataclass(frozen=True)
class Patient:
    """Drawn by the session's own generator: the bug, the seed, and the causes to choose from."""

    number: int
    name: str
    seed: int
    causes: tuple[str, ...]


def draw(rng: np.random.Generator, number: int, last: str = "") -> Patient:
    """A patient that is not the last one again."""
    others = [name for name in BUGS if name != last]
    name = str(rng.choice(others))
    wrong = rng.choice([each for each in BUGS if each != name], CHOICES - 1, replace=False)
    causes = rng.permutation([name, *wrong])
    return Patient(number, name, int(rng.choice(SEED.values)), tuple(map(str, causes)))


def patient() -> Patient:
    """The session's present patient."""
    if _PATIENT not in st.session_state:
        rng = st.session_state.setdefault(_RNG, np.random.default_rng())
        st.session_state[_PATIENT] = draw(rng, 1)
    return st.session_state[_PATIENT]


def _next() -> None:
    for twins in clinic.kept().values():
        twins.stop()
    before = patient()
    st.session_state[_PATIENT] = draw(st.session_state[_RNG], before.number + 1, before.name)


def show() -> None:
    """A round: run, look, diagnose, reveal."""
    now = patient()
    st.subheader(f"Patient {now.number}")
    revealed = bool(st.session_state.get(_revealed(now)))
    twins = clinic_live.watch(now.name, now.seed, blind=not revealed)
    if twins is None:
        return
    if _diagnose(now):
        clinic_file.difference(now.name)
        clinic_file.evidence(now.name, now.seed)
        clinic_file.cause_and_fix(now.name)
        clinic_harm.show(now.name)


def _revealed(now: Patient) -> str:
    return f"clinic_revealed_{now.number}"


def _diagnose(now: Patient) -> bool:
    """Whether the reader has answered or given up."""
    shown = _revealed(now)
    st.subheader("Your diagnosis")
    answered = st.session_state.get(shown, False)
    picked = st.radio(
        "What is wrong in the broken run?"
        if BUGS[now.name].metric == "episode_return"
        else "What is wrong here?",
        now.causes,
        index=None,
        format_func=lambda name: BUGS[name].title,
        key=f"clinic_guess_{now.number}",
        disabled=answered,
    )
    with st.container(horizontal=True):
        checked = st.button("Check", key="clinic_check", disabled=picked is None or answered)
        gave_up = st.button("Show me", key="clinic_reveal", disabled=answered)
        st.button("Next patient", key="clinic_next", icon=":material/skip_next:", on_click=_next)
    if (checked or gave_up) and not answered:
        right, tried = st.session_state.get(_TALLY, (0, 0))
        if checked:
            st.session_state[_TALLY] = (right + (picked == now.name), tried + 1)
        st.session_state[shown] = True
        st.rerun()
    if not answered:
        return False
    bug = BUGS[now.name]
    if picked == now.name:
        st.success(f"Right: **{bug.title}.** {bug.symptom}", icon=":material/check:")
    elif picked is None:
        st.info(f"It is **{bug.title}.** {bug.symptom}", icon=":material/visibility:")
    else:
        st.warning(
            f"Not “{BUGS[picked].title}”: then one would see this: {BUGS[picked].symptom}\n\n"
            f"It is **{bug.title}.** {bug.symptom}",
            icon=":material/close:",
        )
    right, tried = st.session_state.get(_TALLY, (0, 0))
    if tried:
        st.caption(f"Right so far: {right} of {tried}.")
    return True
