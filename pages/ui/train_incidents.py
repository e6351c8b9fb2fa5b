"""Why did it collapse? Marks on the return curve, and their sentences below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd
import streamlit as st

from pages.ui.chapter import CHAPTERS
from pgcore.collapse import Incident, diagnose
from pgcore.jobs import JobSnapshot

DATASET = "incidents"
_APART = 0.06
"""Share of a run within which incidents share a mark, or the marks would cover each other."""
_EDGE = 0.05
"""Share of the return axis within which a mark would be cut off."""
EXPLAINED = {
    "ppo_clip": "KL and the ratio spread",
    "log_probs": "entropy",
    "reinforce": "the gradient norm",
    "baselines": "explained variance",
}
"""What a reader who follows the link finds in the chapter."""


@dataclass(frozen=True)
class Mark:
    """A number on the curve, and the incidents behind it: one, or several close together."""

    number: int
    run: str
    incidents: tuple[Incident, ...]

    @property
    def text(self) -> str:
        """What happened, and the likely cause once."""
        return " ".join([*(one.what for one in self.incidents), self.incidents[0].cause])


def marks(shown: dict[str, JobSnapshot]) -> list[Mark]:
    """The marks of all runs, numbered run by run; a run that goes on only adds to them."""
    groups: list[tuple[str, list[Incident]]] = []
    for run, snapshot in shown.items():
        # What a fork's parent went through tells what is usual for it, and is marked at the parent.
        before = snapshot.fork.history if snapshot.fork else ()
        told = diagnose((*before, *snapshot.stats), snapshot.config)
        start = -math.inf
        for incident in [one for one in told if one.update > (before[-1].update if before else 0)]:
            if incident.update - start >= _APART * snapshot.config.n_updates:
                start = incident.update
                groups.append((run, []))
            groups[-1][1].append(incident)
    return [Mark(i, run, tuple(each)) for i, (run, each) in enumerate(groups, start=1)]


def rows(
    found: Sequence[Mark], curve: pd.DataFrame, domain: tuple[float, float] | None
) -> pd.DataFrame:
    """Where each mark is: on its run's curve, or at the curve's start before any episode ended.

    Args:
        found: what marks() found.
        curve: the dataset "curve" of training.returns_chart.
        domain: ends of the return axis; a mark keeps clear of them.
    """
    low, high = domain or (-math.inf, math.inf)
    edge = _EDGE * (high - low) if domain else 0.0
    places = []
    for mark in found:
        first = mark.incidents[0]
        own = curve[curve["run"] == mark.run]
        before = own[own["env_steps"] <= first.env_steps]
        if not own.empty:
            place = own.iloc[0] if before.empty else before.iloc[-1]
            mean = min(max(float(place["mean"]), low + edge), high - edge)
            places.append((mark.run, first.env_steps, mean, str(mark.number), mark.text))
    return pd.DataFrame(places, columns=["run", "env_steps", "mean", "mark", "text"])


def layers(x: alt.X, y_scale: alt.Scale, colour: alt.Color, opacity: dict) -> list[alt.Chart]:
    """A ring with a number in it, in the colour of its run."""
    base = alt.Chart(alt.NamedData(DATASET)).encode(
        x, alt.Y("mean:Q", scale=y_scale), opacity=opacity
    )
    tooltip = [alt.Tooltip("run:N"), alt.Tooltip("text:N", title="what happened")]
    ring = base.mark_point(size=330, fill="white", strokeWidth=2.5, opacity=1)
    number = base.mark_text(fontSize=12, fontWeight="bold", color="#111111", dy=0.5)
    return [ring.encode(color=colour, tooltip=tooltip), number.encode(text="mark:N")]


def listing(found: Sequence[Mark], shown: dict[str, JobSnapshot]) -> None:
    """What each mark means, with the way to its chapter; one line if there is none at the end."""
    # A box that is always there: see 7_train.py.
    with st.container(key="incidents", gap="small"):
        for mark in found:
            _sentences(mark)
        if not found and all(one.state.ended and one.stats for one in shown.values()):
            st.caption(
                "No collapse found: KL, ratio spread, entropy, gradient norm and explained "
                "variance stayed in their range wherever it counts. A return that dips and comes "
                "back is usual: every update learns from one noisy rollout."
            )


def _sentences(mark: Mark) -> None:
    first, last = mark.incidents[0].update, mark.incidents[-1].update
    when = f"update {first:,}" if first == last else f"updates {first:,} to {last:,}"
    badge = f":orange-badge[:material/warning: {mark.number}]"
    st.markdown(f"{badge} **{mark.run}, {when}.** {mark.text}")
    with st.container(horizontal=True):
        for key in dict.fromkeys(one.chapter for one in mark.incidents):
            chapter = next(one for one in CHAPTERS if one.url_path == key)
            st.page_link(
                f"pages/{chapter.file}",
                label=f"{chapter.number} · {chapter.title}: {EXPLAINED[key]}",
                icon=chapter.icon,
            )
