"""Train an agent in this very process, and watch it."""

from __future__ import annotations

import streamlit as st

from pages.ui import live, theme

st.title("Train")
st.markdown("##### Press Start. An agent learns in this process, and you watch its return grow.")
theme.load_torch()

# They import torch.
from pages.ui import settings, train_charts, train_panels, train_replay  # noqa: E402

runs = live.session_runs()
# In a box of its own: a notice that comes or goes must not move what is below, or Streamlit would
# lose a click there.
with st.container():
    config = settings.training_config()
options = train_panels.run_options()
train_panels.controls_and_charts(runs, config, options)
train_replay.playback(runs, options)
train_charts.inside(runs)
train_replay.downloads(runs, options)
