"""Inside an update: the microscope with its walk and downloads, and what the page says of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import predict, update_dots, update_plots, update_walk
from pages.ui.predict import Option
from pages.ui.update_source import KEPT, Picked
from pgcore import recording as recordings
from pgcore.recording import Recording
from pgcore.studies import update, update_film
from pgcore.studies import update_dots as chosen


def predict_range(picked: Picked) -> None:
    """Ask where the ratios are, with the answer from this very update."""
    recording = picked.recording
    low, high = recording.clip_range
    epochs = int(recording.epoch[-1]) + 1
    steps = update.steps(recording)
    worst = steps.loc[steps["pulled_back"].idxmax()]
    told = f"in this update the ratios reached from {steps['low'].min():.2f} to "
    told += f"{steps['high'].max():.2f}"
    share = f"in step {worst.step:.0f}, {worst.clip_fraction:.1%} of the minibatch were outside "
    share += f"and {worst.zero_gradient_fraction:.1%} had no gradient"
    inside, pulled = not steps["clip_fraction"].any(), worst["pulled_back"] > 0
    predict.ask(
        f"range {picked.key}",
        f"This batch was used {epochs} {'time' if epochs == 1 else 'times'}, with ε = "
        f"{recording.config.clip_eps:g}. Is any ratio outside {low:.2f} to {high:.2f}, and has it "
        "a gradient?",
        [
            Option(
                "None is outside: the clip keeps them in",
                f"The clip bounds what the objective pays, not where a step lands: {told}."
                if not inside
                else f"None is, but not because of the clip, which bounds nothing: {told}. The "
                "steps were too small.",
                right=inside,
            ),
            Option(
                "Some are outside, and none of those has a gradient",
                "A gradient is zero only where min took the clipped product: "
                f"{share if pulled else told}.",
                right=not inside and not pulled,
            ),
            Option(
                "Some are outside, and some of those still have a gradient",
                f"Those that went against their advantage: min left them unclipped; {share}."
                if pulled
                else f"That can happen, but not here: {told}.",
                right=pulled,
            ),
        ],
    )


@st.fragment
def microscope(picked: Picked) -> None:
    """The dots, what can be taken along, and the walk of the transition that is chosen."""
    recording = picked.recording
    with st.container(key="microscope"):
        values = update_dots.show(picked)
    st.caption(_drawn(recording))
    _downloads(recording)
    with st.expander("Do the dots add up to what was logged?", icon=":material/functions:"):
        _sums(picked)
    st.subheader("One sample, all the way")
    st.markdown(
        "From what the agent saw to the gradient on the network's output, each with the line of "
        "`pgcore` that makes it. Choose another transition or gradient step above."
    )
    update_walk.show(picked, values["sample"], values["step"])


def _drawn(recording: Recording) -> str:
    rows, used = chosen.drawn(recording), np.unique(recording.row)
    if len(rows) == len(used):
        words = f"Drawn: all {len(used):,} transitions of the batch."
    else:
        furthest = int(chosen.FURTHEST * len(rows))
        words = (
            f"Drawn: {len(rows):,} of {len(used):,} transitions, the {furthest:,} whose ratio went "
            f"furthest and {len(rows) - furthest:,} at random. Every number and every curve over "
            "epochs or steps counts all of them."
        )
    beyond = int((recording.ratio > update_plots.FURTHEST_RATIO).sum())
    if beyond:
        words += (
            f" {beyond:,} samples beyond a ratio of {update_plots.FURTHEST_RATIO:g} stand on the "
            "edge."
        )
    return words + (
        f" The recording holds {recording.row.size:,} samples in {recording.nbytes / 1e6:.1f} MB; "
        f"at most {recordings.MAX_BYTES / 1e6:.0f} MB are recorded, and the server keeps the last "
        f"{KEPT} recordings."
    )


def _downloads(recording: Recording) -> None:
    name = f"update-{recording.after.update}"
    steps = int(recording.step[-1]) + 1
    with st.container(horizontal=True):
        _download(
            f"The batch as CSV: {recording.row.size:,} rows",
            lambda: update.samples(recording).to_csv(index=False),
            f"{name}.csv",
            "text/csv",
        )
        shown = (
            f"{steps} steps"
            if steps <= update_film.MAX_FRAMES
            else (f"{update_film.MAX_FRAMES} of {steps:,} steps")
        )
        _download(
            f"The animation as GIF: {shown}",
            lambda: update_film.film(
                recording,
                chosen.drawn(recording),
                update_dots.axes(recording),
                update_plots.EFFECTS,
            ),
            f"{name}.gif",
            "image/gif",
        )


def _download(label: str, data, name: str, mime: str) -> None:
    # Made when it is asked for; nothing on the page changes.
    st.download_button(
        label, data, name, mime, icon=":material/download:", on_click="ignore", key=f"get_{name}"
    )


def _sums(picked: Picked) -> None:
    logged = picked.logged or picked.recording.stats
    rows = [
        {
            "": name.replace("_", " "),
            "Logged by the run": f"{getattr(logged, name):.7f}",
            "Summed over the samples": f"{value:.7f}",
            "Difference": f"{abs(getattr(logged, name) - value):.0e}",
        }
        for name, value in update.totals(picked.recording).items()
    ]
    when = "while it trained" if picked.logged else "when it was recorded"
    st.table(pd.DataFrame(rows).set_index(""))
    st.caption(
        f"Logged {when}, in float32; summed here in float64 over all samples, drawn or not. The "
        "loss is the mean over gradient steps of minus the mean objective."
    )
