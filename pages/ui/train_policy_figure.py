"""Maps of the policy that follow the checkpoint, and the episode that one of them played."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from pages.ui import charts, controls, figure, train_policy_episode
from pages.ui.train_policy_episode import CHECKPOINT, STEP, Played, chance, shown
from pgcore.environments import Plane, Quantity
from pgcore.studies import policy_picture

Maps = Mapping[int, pd.DataFrame]
_VIRIDIS = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")


def build(updates: Sequence[int], maps: Maps, played: Played) -> figure.Figure:
    """The figure, for the browser.

    Args:
        updates: the checkpoints of the slider.
        maps: of each of them, from policy_picture.plane; empty where the environment has no plane.
        played: of one of them: where the slider is on another, nothing of it is shown.
    """
    slider = controls.slider(
        CHECKPOINT,
        "Checkpoint: after update",
        values=updates,
        default=updates[-1],
        play=True,
        told="server",
    )
    cursor = controls.slider(
        STEP,
        "Step of the episode",
        values=range(played.episode.length + 1),
        default=0,
        # A browser draws no faster.
        play=max(0.02, played.episode.step_seconds),
        steps=True,
        told="nobody",
    )
    domain = _value_domain(maps, played)
    about = figure.Rows(_about(updates, maps, played), (CHECKPOINT,))
    return figure.build(
        [slider, cursor],
        train_policy_episode.tables(played) | {"about": about} | _map_tables(maps, played),
        [
            *_map_plots(maps, played, domain),
            figure.Panel(figure.place(STEP), width=2000),
            *train_policy_episode.plots(played, domain),
        ],
        top=figure.sentence("about.words"),
        body=train_policy_episode.meters(played),
    )


def _about(updates: Sequence[int], maps: Maps, played: Played) -> pd.DataFrame:
    episode = played.episode
    rows = []
    for update in updates:
        words = f"After update {update:,}. " if update else "Untrained. "
        if update in maps:
            p = maps[update].p1
            words += f"On the map, {chance(played.actions)} is {p.min():.0%} to {p.max():.0%}"
            if "value" in maps[update]:
                value = maps[update].value
                words += f" and V is {value.min():.0f} to {value.max():.0f}"
            words += ". "
        words += (
            f"Its episode: return {episode.total_return:g} in {episode.length} steps."
            if update == played.update
            else "Let the slider go, and this agent plays an episode."
        )
        rows.append({CHECKPOINT: update, "words": words.replace(" -", " −")})
    return pd.DataFrame(rows)


def _value_domain(maps: Maps, played: Played) -> tuple[float, float] | None:
    """One scale for V on all maps and along the episode, in whole tens so that it seldom moves."""
    if played.episode.values is None or not maps:
        return None
    values = np.concatenate([played.episode.values, *(one.value for one in maps.values())])
    low, high = float(np.min(values)), float(np.max(values))
    return math.floor(low / 10) * 10.0, math.ceil(high / 10) * 10.0


def _map_tables(maps: Maps, played: Played) -> dict[str, figure.Rows]:
    if played.plane is None:
        return {}
    (x, _), (y, _) = (shown(played.seen[i]) for i in (played.plane.x, played.plane.y))
    cells, undecided = [], []
    for update, lattice in maps.items():
        rows = lattice.assign(x=lattice.x * x, y=lattice.y * y, checkpoint=update)
        cells.append(rows.drop(columns="p0"))
        undecided.append(policy_picture.boundary(rows).assign(checkpoint=update))
    return {
        "cells": figure.Rows(pd.concat(cells), (CHECKPOINT,)),
        "undecided": figure.Rows(pd.concat(undecided), (CHECKPOINT,)),
    }


def _map_plots(maps: Maps, played: Played, domain: tuple[float, float] | None) -> list[figure.Plot]:
    if played.plane is None:
        return []
    x, y = _axes(played.plane, played.seen)
    axes = f"{x.title} and {y.title}"
    route = "the played episode as a pale line, its last steps in white, a dot at the cursor."
    # Vega mixes hues on the way from one colour to the next: each side fades within its own.
    shade = charts.Shade(
        "p1",
        (0, 0.499, 0.501, 1),
        ("rgba(0,114,178,0.9)", "rgba(0,114,178,0)", "rgba(213,94,0,0)", "rgba(213,94,0,0.9)"),
        title=chance(played.actions),
        format="%",
        ticks=(0, 0.5, 1),
    )
    ends = {"x2": x.of("x2"), "y2": y.of("y2")}
    undecided = charts.rules("undecided", x, y, strokeDash=[5, 3], strokeWidth=2, **ends)
    made = [
        figure.Plot(
            _map(x, y, shade, undecided),
            f"Map of {chance(played.actions)} over {axes}: blue below 50%, orange above, a dashed "
            f"line at 50%; {route}",
            width=360,
        )
    ]
    if domain is not None:
        stops = tuple(np.linspace(*domain, len(_VIRIDIS)).tolist())
        shade = charts.Shade("value", stops, _VIRIDIS, title="V, units of return")
        words = f"Map of the value V over {axes}: dark is low, yellow is high; {route}"
        made.append(figure.Plot(_map(x, y, shade), words, width=360))
    return made


def _axes(plane: Plane, seen: Sequence[Quantity]) -> tuple[charts.Axis, charts.Axis]:
    axes = []
    for field, i, limit in (("x", plane.x, plane.x_limit), ("y", plane.y, plane.y_limit)):
        factor, title = shown(seen[i])
        end = round(factor * limit, 6)
        ticks = (-end, -end / 2, 0.0, end / 2, end)
        axes.append(charts.Axis(field, title, (-end, end), ticks=ticks))
    return axes[0], axes[1]


def _map(x: charts.Axis, y: charts.Axis, shade: charts.Shade, *over: alt.Chart) -> alt.LayerChart:
    """Cells around the lattice's points, and the episode on them."""
    edges = {"x2": x.of("right"), "y2": y.of("high")}
    cells = charts.cells("cells", x.of("left"), y.of("low"), shade, name="cells", **edges)
    half_x, half_y = (axis.domain[1] / (policy_picture.CELLS - 1) for axis in (x, y))  # type: ignore[index]
    cells = cells.transform_calculate(
        left=f"datum.x - {half_x}",
        right=f"datum.x + {half_x}",
        low=f"datum.y - {half_y}",
        high=f"datum.y + {half_y}",
    )
    # White on black shows on any colour, in both themes.
    route = [
        charts.line(rows, x, y, colour, order=order, strokeWidth=width, opacity=opacity)
        for rows, order, opacity in (("episode", "step", 0.25), ("tail", "at", 1))
        for colour, width in (("#000000", 4), ("#FFFFFF", 2))
    ]
    dot = {"size": 130, "stroke": "#000000", "strokeWidth": 2}
    return charts.layers(
        cells, *over, *route, charts.points("now", x, y, "#FFFFFF", name="dot", **dot), height=300
    )
