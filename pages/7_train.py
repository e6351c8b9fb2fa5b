"""Train an agent in this very process, and watch it; or many, and compare them."""

from __future__ import annotations

import streamlit as st

from pages.ui import live, theme

st.title("Train")
theme.load_torch()

# They import torch.
from pages.ui import (  # noqa: E402
    many_form,
    many_panel,
    settings,
    train_charts,
    train_panels,
    train_replay,
)


def one_run(runs: live.SessionRuns) -> None:
    """One agent, watched update by update."""
    st.markdown(
        "##### Press Start. An agent learns in this process, and you watch its return grow."
    )
    # In a box of its own: a notice that comes or goes must not move what is below, or Streamlit
    # would lose a click there.
    with st.container():
        config = settings.training_config()
    options = train_panels.run_options()
    train_panels.controls_and_charts(runs, config, options)
    train_replay.playback(runs, options)
    train_charts.inside(runs)
    train_replay.downloads(runs, options)


def many_runs(runs: live.SessionRuns) -> None:
    """Groups of runs that differ by the seed alone, compared."""
    st.markdown(
        "##### One lucky seed proves nothing. Train each setting under several, and compare."
    )
    with st.container():
        configs = many_form.configs()
    many_panel.controls_and_results(runs, configs)


show = many_runs if many_form.mode() == many_form.MANY else one_run
show(live.session_runs())
