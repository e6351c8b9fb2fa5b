"""Colours by meaning, and the one-time warm-up of a server process."""

from __future__ import annotations

import gc
import sys
import threading

import streamlit as st

# Okabe & Ito's palette (.streamlit/config.toml has the same, for charts that name no colour).
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
)
GREY = "#8A8F98"


@st.cache_resource(show_spinner=False)
def warm_up() -> None:
    """Once a process: import what charts need, build one, and freeze.

    Streamlit collects garbage after every run, and a collection walks every object that is not
    frozen: 50 ms with altair imported, next to nothing after gc.freeze().
    """
    import altair as alt
    import pandas as pd

    alt.Chart(pd.DataFrame({"x": [0.0], "y": [0.0]})).mark_line().encode(
        alt.X("x:Q"), alt.Y("y:Q")
    ).to_dict()
    freeze()


def freeze() -> None:
    """Move everything alive out of the collector's way; again after each heavy import."""
    gc.collect()
    gc.freeze()


@st.cache_resource(show_spinner="Loading PyTorch, once…")
def load_torch() -> None:
    """Import the training code (2.9 s, once a process) and freeze it. Home does not call this."""
    import pgcore.jobs
    import pgcore.playback  # noqa: F401

    # A thread that computes keeps the others waiting for so long, 5 ms by default, and an answer
    # changes threads many times.
    sys.setswitchinterval(0.0005)
    freeze()
    threading.Thread(target=_warm_optimizer, daemon=True).start()


def _warm_optimizer() -> None:
    # The first optimizer of a process imports torch's compiler, for 2.3 s: while the reader reads,
    # not between Start and the first update.
    import torch

    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    freeze()
