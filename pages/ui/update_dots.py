"""Inside an update: every transition a dot on the clipped objective, step by step."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import controls, figure
from pages.ui import update_plots as plots
from pages.ui.update_source import Picked
from pgcore.recording import Recording
from pgcore.studies import update, update_dots, update_sample
from pgcore.studies.update_film import Axes

TABLE_ROWS = 8


def axes(recording: Recording) -> Axes:
    """What the dots' plot covers."""
    rows = update_dots.drawn(recording)
    mine = np.isin(recording.row, rows) & (recording.ratio <= plots.FURTHEST_RATIO)
    low, high = recording.clip_range
    left = min(low - 0.1, recording.ratio.min())
    right = max(high + 0.1, recording.ratio.max())
    bottom, top = recording.objective[mine].min(), recording.objective[mine].max()
    room = 0.05 * max(top - bottom, 1e-6)
    ends = max(0.0, np.floor(10 * left) / 10), min(plots.FURTHEST_RATIO, np.ceil(10 * right) / 10)
    return Axes((float(ends[0]), float(ends[1])), (float(bottom - room), float(top + room)))


def show(picked: Picked) -> dict[str, int]:
    """Draw the figure; the gradient step and the transition that are chosen."""
    return figure.show(
        f"update-{picked.key}",
        _figure(picked.key, picked.recording),
        alone=False,
        live=figure.Live(("sample",), partial(_of_one, picked)),
    )


@st.cache_data(max_entries=16, show_spinner="Drawing this update…")
def _figure(key: str, _recording: Recording) -> figure.Figure:
    recording, rows = _recording, update_dots.drawn(_recording)
    dots = update.samples(recording, np.isin(recording.row, rows))
    dots["sample"] = dots["row"]
    frame = axes(recording)
    dots["ratio"] = dots["ratio"].clip(*frame.x)
    dots["objective"] = dots["objective"].clip(*frame.y)
    steps, by_epoch = update.steps(recording), update.epochs(recording)
    step, sample = _controls(steps, rows, dots)
    return figure.build(
        [step, sample],
        {
            "dots": figure.Rows(
                dots[["step", "sample", "ratio", "objective", "effect"]], ("step",)
            ),
            "rings": figure.Rows(
                dots.loc[dots.pulled_back, ["step", "sample", "ratio", "objective"]], ("step",)
            ),
            "pulled": figure.Rows(_pulled(recording, dots), ("step",)),
            "fan": figure.Rows(_fan(recording, frame)),
            "now": figure.Rows(_told(steps), ("step",)),
            "steps": figure.Rows(steps),
            "shares": figure.Rows(plots.share_rows(steps)),
            "epochs": figure.Rows(by_epoch),
            "range": figure.Rows(plots.band(recording, len(by_epoch))),
        },
        [
            plots.dots(frame),
            plots.facts(),
            *plots.picture(recording),
            *plots.over_time(steps, by_epoch),
        ],
        top=f"<p class='where'>{figure.text('now.place')}</p>"
        + figure.meters(
            figure.meter("Smallest ratio", "now.low", ".3f"),
            figure.meter("Largest ratio", "now.high", ".3f"),
            figure.meter("Outside the range", "now.clip_fraction", ".1%"),
            figure.meter("Gradient zero", "now.zero_gradient_fraction", ".1%"),
            figure.meter("Outside, pulled back", "now.pulled_back", ".1%"),
            figure.meter("Approximate KL", "now.approx_kl", ".4f", "nats"),
        ),
        body="<p class='where'>Ratio of all: the line is the median, the bands hold the middle "
        "half and the middle 90%, the dashed lines are the smallest and the largest. Green "
        "between the two shares: outside the range, and pulled back.</p>"
        f"<p class='where'>Outside and pulled back in this step, strongest first (at most "
        f"{TABLE_ROWS} of those drawn):</p>"
        + figure.table(
            "pulled",
            {
                "row": ("Row", ".0f"),
                "action": ("Action", ""),
                "ratio": ("Ratio", ".3f"),
                "advantage": ("Advantage", "+.2f"),
                "push": ("Push", "+.2f"),
            },
        ),
        live=("picked", "curve", "path", "look"),
    )


def _controls(
    steps: pd.DataFrame, rows: np.ndarray, dots: pd.DataFrame
) -> tuple[controls.Control, controls.Control]:
    last = dots[dots["epoch"] == dots["epoch"].max()]
    silent = last[last["clip_active"] & last["happened"]]
    telling = (silent if len(silent) else last)["ratio"].sub(1).abs().idxmax()
    step = controls.slider(
        "step",
        "Gradient step",
        1,
        len(steps),
        default=len(steps),
        play=len(steps) > 1,
        steps=len(steps) > 1,
    )
    sample = controls.slider(
        "sample",
        "Transition",
        values=[int(row) for row in rows],
        default=int(dots.loc[telling, "row"]),
        steps=True,
        help="Or click a dot. The number is its row in the rollout.",
    )
    return step, sample


def _told(steps: pd.DataFrame) -> pd.DataFrame:
    epochs, batches = steps["epoch"].max(), steps.groupby("epoch")["minibatch"].transform("max")
    place = [
        f"Now: epoch {step.epoch} of {epochs}, minibatch {step.minibatch} of {last}, "
        f"{step.size:,} transitions"
        for step, last in zip(steps.itertuples(), batches, strict=True)
    ]
    return steps.assign(place=place)


def _pulled(recording: Recording, dots: pd.DataFrame) -> pd.DataFrame:
    own = dots[dots.pulled_back]
    strongest = own.sort_values("push", key=abs, ascending=False).groupby("step").head(TABLE_ROWS)
    names = np.array(update.action_names(recording))
    return strongest.assign(action=names[strongest["action"]])[
        ["step", "row", "action", "ratio", "advantage", "push"]
    ]


def _fan(recording: Recording, frame: Axes) -> pd.DataFrame:
    advantages = np.quantile(recording.advantage, [0.01, 0.1, 0.3, 0.7, 0.9, 0.99])
    fan = update_dots.curve(recording, advantages, np.array(frame.x))
    return fan.assign(line=fan["advantage"].map("{:.6g}".format))


def _of_one(picked: Picked, sample: int) -> dict[str, figure.Rows]:
    recording = picked.recording
    history = update_sample.history(recording, sample)
    names = [*update.action_names(recording), "–"]
    acts = history["action"].fillna(-1).astype(int)
    history["action"] = [names[act] for act in acts]
    history["seen"] = [
        "–" if np.isnan(used) else f"epoch {epoch:.0f}, minibatch {batch:.0f}"
        for used, epoch, batch in history[["used", "epoch", "minibatch"]].to_numpy(float)
    ]
    history["row"] = sample
    history["slope"] = ["–" if np.isnan(g) else update.scientific(g) for g in history["gradient"]]
    ends = axes(recording).x
    history["at"] = history["ratio"].clip(*ends)
    history["up"] = history["objective"].clip(*axes(recording).y)
    advantages = history["advantage"].dropna().unique()
    curve = update_dots.curve(recording, advantages, np.array(ends))
    curve = history[["step", "advantage"]].merge(curve, on="advantage")
    tables = {
        "picked": figure.Rows(
            history.drop(columns=["effect", *update.observation_names(recording)]), ("step",)
        ),
        "curve": figure.Rows(curve[["step", "ratio", "objective"]], ("step",)),
        "path": figure.Rows(update_sample.path(recording, sample)),
    }
    png = _picture(picked.key, recording, sample)
    return tables | {"look": figure.Rows(pd.DataFrame({"png": [png or ""]}))}


@st.cache_data(max_entries=256, show_spinner=False)
def _picture(key: str, _recording: Recording, sample: int) -> str | None:
    return update_sample.picture(_recording, sample)
