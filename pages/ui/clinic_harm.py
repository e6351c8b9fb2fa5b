"""The bug clinic: what a bug costs on CartPole, measured beforehand and in this session's runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import clinic
from pages.ui.clinic import BUGS, Twins
from pgcore.studies.clinic_harm import COMMAND, SEEDS, Harm, harm

_VERDICTS = {
    "harmless": "**Harmless here.**",
    "costs": "**It costs something.**",
    "hurts": "**It hurts.**",
}


def show(name: str) -> None:
    """The verdict over many seeds, and every run of it that this session has watched."""
    if BUGS[name].metric != "episode_return":
        return
    st.subheader("Does it hurt on CartPole?")
    measured = harm(name)
    if measured is not None:
        _verdict(measured)
    pairs = sorted(
        (
            twins
            for (each, _), twins in clinic.kept().items()
            if each == name and twins.complete and len(twins.jobs) == 2
        ),
        key=lambda twins: twins.seed,
    )
    if pairs:
        _here(pairs)


def _verdict(measured: Harm) -> None:
    rows = measured.rows
    words = [
        _VERDICTS[measured.verdict],
        f"Over {len(rows)} seeds, fresh episodes after training return {measured.broken:.0f} on "
        f"average with the bug and {measured.healthy:.0f} without. On {measured.worse} of the "
        f"{len(rows)} seeds the broken run ends with the worse agent.",
    ]
    if measured.verdict == "harmless":
        words.append(
            "It learns more slowly all the same: see the returns on the way."
            if measured.slower
            else "It is a bug all the same: longer episodes or other environments can make it show."
        )
    st.markdown(" ".join(words))
    table = pd.DataFrame(
        {
            label: [
                f"{rows[label].mean():.0f} ({rows[label].min():.0f} to {rows[label].max():.0f})",
                f"{rows[f'{label}_way'].mean():.0f}",
            ]
            for label in ("healthy", "broken")
        },
        index=[
            "Fresh episodes at the end: mean over seeds (worst to best seed)",
            "Episodes on the way: mean over the whole run",
        ],
    )
    st.table(table)
    st.caption(
        f"Whole runs with seeds {SEEDS[0]} to {SEEDS[-1]}, made beforehand by `{COMMAND}`. Run "
        "trains any of these pairs again."
    )


def _here(pairs: list[Twins]) -> None:
    means = pd.DataFrame(
        {
            label: [f"{_score(twins, label):.1f}" for twins in pairs]
            for label in ("healthy", "broken")
        },
        index=[f"seed {twins.seed}" for twins in pairs],
    )
    episodes = len(pairs[0].jobs["healthy"].snapshot().scores[-1].evaluation.returns)
    st.markdown(f"Your own runs: mean return of {episodes} fresh episodes after training.")
    st.table(means)


def _score(twins: Twins, label: str) -> float:
    return float(np.mean(twins.jobs[label].snapshot().scores[-1].evaluation.returns))
