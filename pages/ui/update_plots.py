"""Inside an update: the plots and the panel around the dots."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pages.ui import charts, figure
from pages.ui.charts import Axis, Color, cells, layers, line, points, rules
from pages.ui.theme import BLUE, GREEN, GREY, ORANGE, VERMILION
from pgcore.recording import Recording
from pgcore.studies import update, update_sample
from pgcore.studies.update_film import Axes

EFFECTS = dict(zip(update.EFFECTS, (BLUE, VERMILION, GREY), strict=True))
FURTHEST_RATIO = 4.0
"""Dots beyond it stand on the plot's edge."""
SHARES = {"outside": VERMILION, "gradient zero": GREY}
_RING = {"size": 150, "filled": False, "strokeWidth": 2}
_FACTS = (
    ("Action taken", "picked.action", ""),
    ("Old probability", "picked.old_prob", ".4f"),
    ("New probability", "picked.prob", ".4f"),
    ("Advantage A", "picked.advantage", "+.3f"),
    ("ratio × A", "picked.unclipped", "+.4f"),
    ("clip(ratio) × A", "picked.clipped", "+.4f"),
    ("min took", "picked.took", ""),
    ("Gradient of the loss by log π", "picked.slope", ""),
    ("Seen in", "picked.seen", ""),
)


def band(recording: Recording, last: int) -> pd.DataFrame:
    """The clip's range, from the first epoch to the last: low, high, start, end."""
    low, high = recording.clip_range
    return pd.DataFrame({"low": [low], "high": [high], "start": 0.8, "end": last + 0.2})


def dots(frame: Axes) -> figure.Plot:
    """The clipped objective with a dot a transition; a press on one chooses it."""
    x = Axis("ratio", "Ratio: new / old probability", frame.x)
    y = Axis("objective", "Objective of the sample", frame.y)
    colors = Color("effect", EFFECTS, shapes=("triangle-up", "triangle-down", "circle"))
    chart = layers(
        cells("range", x.of("low"), x2=x.of("high"), color=GREY, opacity=0.15),
        line("fan", x, y, GREY, split="line", strokeWidth=1, opacity=0.5),
        line("curve", x, y, ORANGE, strokeWidth=2),
        points("dots", x, y, colors, size=55, opacity=0.9, name="dots"),
        points("rings", x, y, GREEN, **_RING),
        points("picked", x.of("at"), y.of("up"), ORANGE, name="marker", **_RING | {"size": 260}),
        height=400,
    )
    return figure.Plot(
        chart,
        "Every drawn transition of this gradient step: its objective against its ratio, coloured "
        "by what its gradient does. Rings: outside the range, and pulled back.",
        pick={"sample": "sample"},
        width=440,
    )


def facts() -> figure.Panel:
    """All about the chosen transition."""
    rows = "".join(
        f"<tr><td>{name}</td><td class='number'>{figure.text(source, form)}</td></tr>"
        for name, source, form in _FACTS
    )
    heading = f"<p class='where'>Transition {figure.text('picked.row', '.0f')}, ratio "
    heading += f"{figure.text('picked.ratio', '.4f')}</p>"
    sentence = figure.sentence("picked.words", "picked.tone")
    facts = f"<div class='scroll wraps'><table><tbody>{rows}</tbody></table></div>"
    return figure.Panel(heading + sentence + facts, width=290)


def picture(recording: Recording) -> list[figure.Plot]:
    """The chosen transition's state, where it can be drawn."""
    aspect = update_sample.picture_aspect(recording.config.env_id)
    if not aspect:
        return []
    chart = layers(charts.pictures("look", "png"))
    alt = "The chosen transition's state, as the environment draws it."
    return [figure.Plot(chart, alt, width=300, aspect=aspect)]


def over_time(steps: pd.DataFrame, by_epoch: pd.DataFrame) -> list[figure.Plot]:
    """The ratio of one and of all by epoch, the two shares and the KL by step."""
    last = len(by_epoch)
    ends = (
        max(0.0, float(np.floor(10 * by_epoch["low"].min() - 0.5)) / 10),
        min(FURTHEST_RATIO, float(np.ceil(10 * by_epoch["high"].max())) / 10),
    )
    ticks = np.unique(np.linspace(1, last, min(last, 6)).astype(int))
    title = "Epoch (the last: after the update)"
    epoch = Axis("epoch", title, (0.8, last + 0.2), ticks=ticks, format="d")
    own = Axis("ratio", "Ratio of the chosen one", ends)
    points_of = Color(
        "effect",
        EFFECTS | {update_sample.AFTER: ORANGE},
        legend=False,
        shapes=("triangle-up", "triangle-down", "circle", "square"),
    )
    path = layers(
        _edge(epoch, own),
        line("path", epoch, own, ORANGE, strokeWidth=2),
        points("path", epoch, own, points_of, size=120),
        height=220,
    )
    every = Axis("median", "Ratio of all", ends)
    dashed = {"strokeWidth": 1.5, "strokeDash": [4, 3]}
    spread = layers(
        _edge(epoch, every),
        charts.area("epochs", epoch, every.of("q05"), every.of("q95"), BLUE),
        charts.area("epochs", epoch, every.of("q25"), every.of("q75"), BLUE, opacity=0.35),
        line("epochs", epoch, every, BLUE, strokeWidth=2),
        line("epochs", epoch, every.of("low"), BLUE, **dashed),
        line("epochs", epoch, every.of("high"), BLUE, **dashed),
        height=220,
    )
    step = Axis("step", "Gradient step", (1, max(len(steps), 2)), format="d")
    share = Axis("share", "Share of the minibatch", (0, 1), format="%")
    here = rules("now", step, color=GREY, strokeDash=[2, 3])
    area = {"y": share.of("zero_gradient_fraction"), "y2": share.of("clip_fraction")}
    shares = layers(
        here,
        charts.area("steps", step, color=GREEN, opacity=0.45, **area),
        line("shares", step, share, Color("name", SHARES, dashes=([], [5, 3])), strokeWidth=2),
        height=190,
    )
    most = float(steps["approx_kl"].replace(np.inf, np.nan).max())
    kl = Axis("approx_kl", "Approximate KL (nats)", (0, max(1.1 * most, 1e-4)))
    divergence = layers(here, line("steps", step, kl, BLUE, strokeWidth=2), height=220)
    drag = {"x": "step"}
    return [
        figure.Plot(path, "The chosen transition's ratio over the epochs.", width=300),
        figure.Plot(
            spread,
            "The ratios of all transitions by epoch: median, middle half, middle 90%, smallest "
            "and largest.",
            width=240,
        ),
        figure.Plot(
            shares,
            "Share outside the range, and share with zero gradient, by gradient step; the area "
            "between them is pulled back.",
            drag,
            width=240,
        ),
        figure.Plot(divergence, "Approximate KL by gradient step.", drag, width=200),
    ]


def share_rows(steps: pd.DataFrame) -> pd.DataFrame:
    """The two shares one below the other: step, name, share."""
    columns = dict(zip(("clip_fraction", "zero_gradient_fraction"), SHARES, strict=True))
    frame = steps[["step", *columns]].melt("step", var_name="name", value_name="share")
    return frame.assign(name=frame["name"].map(columns))


def _edge(epoch: Axis, ratio: Axis) -> charts.Chart:
    x, y = epoch.of("start"), ratio.of("low")
    return cells("range", x, y, x2=epoch.of("end"), y2=ratio.of("high"), color=GREY, opacity=0.15)
