"""Charts of training runs. Their specs depend on which runs there are, never on how far they got:
new data must not rebuild a chart, or zoom and legend would be lost at every update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from pages.ui import theme, train_incidents
from pgcore.environments import OFFERED

_WHOLE, _BROKEN = [1, 0], [7, 3]


@dataclass(frozen=True)
class Meter:
    """A small chart: one or more columns of learning_curve.meters over the same axes."""

    title: str
    columns: tuple[str, ...]
    unit: str
    caption: str


METERS = (
    Meter(
        "Clip fraction and zero-gradient fraction",
        ("clip_fraction", "zero_gradient_fraction"),
        "share of samples",
        "Solid: the ratio is outside 1 ± ε. Dashed: the gradient is zero. They differ.",
    ),
    Meter(
        "Ratio spread",
        ("ratio_spread",),
        "standard deviation",
        "Of the ratio, over an update. At 1, two old samples are worth one fresh one.",
    ),
    Meter("Approximate KL", ("approx_kl",), "nats", "How far the update moved the policy."),
    Meter("Entropy", ("entropy",), "nats", "ln 2 ≈ 0.69 is a coin toss between two actions."),
    Meter(
        "Explained variance",
        ("explained_variance",),
        "share",
        "1: the value network predicts the returns. 0: no better than a constant.",
    ),
    Meter("Policy loss", ("policy_loss",), "loss", "Only its gradient has a meaning."),
    Meter("Value loss", ("value_loss",), "loss", "Squared error of the value network."),
    Meter("Gradient norm", ("grad_norm",), "norm", "Before it is clipped."),
    Meter(
        "Mean reward a step",
        ("reward_per_step",),
        "reward",
        "The homework's metric. On CartPole a beginner and an expert look alike in it.",
    ),
)


def _x(total_steps: int, title: str | None = "environment steps") -> alt.X:
    return (
        alt.X("env_steps:Q")
        # A little room at both ends, or the first and the last dot would be cut in half.
        .scale(domain=[-0.01 * total_steps, 1.01 * total_steps], nice=False)
        .axis(title=title, format="~s", grid=False, tickCount=6)
    )


def _run_colour(runs: Sequence[str], legend: alt.Legend | None) -> alt.Color:
    colours = [theme.BLUE, theme.VERMILION, theme.GREEN, theme.PURPLE, theme.ORANGE, theme.SKY]
    scale = alt.Scale(domain=list(runs), range=colours[: len(runs)])
    return alt.Color("run:N", scale=scale, legend=legend)


def _run_dash(
    runs: Sequence[str], forks: Sequence[str], legend: alt.Legend | None
) -> alt.StrokeDash:
    """Forks are broken lines, in the legend too."""
    dashes = [_BROKEN if run in forks else _WHOLE for run in runs]
    scale = alt.Scale(domain=list(runs), range=dashes)
    return alt.StrokeDash("run:N", scale=scale, legend=legend)


def _legend(forks: Sequence[str]) -> alt.Legend:
    return alt.Legend(
        orient="top",
        title=None,
        # A fork's long name takes two lines, or a phone would cut it off.
        columns=1 if forks else 2,
        labelExpr="split(datum.label, ': ')",
        labelLimit=400,
        # A piece of the line, whole or broken; it would be as faint as the band.
        symbolType="stroke",
        symbolSize=400,
        symbolStrokeWidth=2.5,
        symbolOpacity=1,
    )


def returns_chart(
    runs: Sequence[str],
    env_id: str,
    total_steps: int,
    domain: tuple[float, float] | None,
    forks: Sequence[str] = (),
) -> alt.LayerChart:
    """Episode return by environment steps: mean, spread, evaluations, marks, the solved line.

    Data: the named datasets "curve" (run, env_steps, mean, low, high), "scores" (run, env_steps,
    score) and that of train_incidents.rows.
    """
    shown = alt.selection_point(fields=["run"], bind="legend", name="shown")
    zoom = alt.selection_interval(
        bind="scales",
        encodings=["x"],
        name="zoom",
        # Not Shift: browsers turn the wheel sideways with it, and Vega would read no movement.
        # Ctrl is also what a pinch on a touchpad sends.
        zoom="wheel![event.ctrlKey || event.metaKey]",
        translate="[pointerdown[event.shiftKey], pointerup] > pointermove!",
    )
    y_scale = alt.Scale(domain=list(domain), nice=False) if domain else alt.Scale()
    legend = _legend(forks)
    colour = _run_colour(runs, legend)
    visible = alt.condition(shown, alt.value(1.0), alt.value(0.08))
    faint = alt.condition(shown, alt.value(0.18), alt.value(0.02))
    x = _x(total_steps)
    curve = alt.Chart(alt.NamedData("curve"))
    band = curve.mark_area(clip=True).encode(
        x,
        alt.Y("low:Q", scale=y_scale, title="episode return"),
        alt.Y2("high:Q"),
        color=colour,
        opacity=faint,
    )
    line = curve.mark_line(clip=True, strokeWidth=2.5).encode(
        x,
        alt.Y("mean:Q", scale=y_scale),
        color=colour,
        strokeDash=_run_dash(runs, forks, legend),
        opacity=visible,
        tooltip=[
            alt.Tooltip("run:N"),
            alt.Tooltip("env_steps:Q", format=","),
            alt.Tooltip("mean:Q", format=".1f"),
            alt.Tooltip("episodes:Q", title="episodes behind it"),
        ],
    )
    dots = (
        alt.Chart(alt.NamedData("scores"))
        .mark_point(clip=True, filled=True, size=55, stroke="white", strokeWidth=1)
        .encode(
            x,
            alt.Y("score:Q", scale=y_scale),
            color=colour,
            opacity=visible,
            tooltip=[
                alt.Tooltip("run:N"),
                alt.Tooltip("update:Q"),
                alt.Tooltip("score:Q", format=".1f", title="mean of fresh episodes"),
                alt.Tooltip("episodes:Q", title="fresh episodes"),
            ],
        )
    )
    layers = [band, line, dots]
    if env_id in OFFERED:
        solved = alt.Chart(
            pd.DataFrame({"solved": [OFFERED[env_id].solved_at], "text": ["solved"]})
        )
        y = alt.Y("solved:Q", scale=y_scale)
        layers += [
            solved.mark_rule(strokeDash=[6, 4], color=theme.GREY, strokeWidth=1.5).encode(y),
            solved.mark_text(align="left", dx=6, dy=11, color=theme.GREY, fontSize=12).encode(
                y, alt.XValue(0), text="text:N"
            ),
        ]
    layers += train_incidents.layers(x, y_scale, colour, visible)
    return alt.layer(*layers).add_params(shown, zoom).properties(height=360)


def meter_chart(
    meter: Meter, runs: Sequence[str], total_steps: int, forks: Sequence[str] = ()
) -> alt.Chart:
    """One meter over all runs; a second column is dashed, or else the forks are."""
    chart = (
        alt.Chart(alt.NamedData("meter"))
        .mark_line(clip=True, strokeWidth=2)
        .encode(
            _x(total_steps, title=None),
            alt.Y("value:Q", title=meter.unit).scale(zero=meter.unit.startswith("share")),
            color=_run_colour(runs, legend=None),
        )
    )
    if len(meter.columns) > 1:
        chart = chart.encode(
            strokeDash=alt.StrokeDash("meter:N", legend=None).scale(
                domain=list(meter.columns), range=[_WHOLE, [5, 4]]
            )
        )
    else:
        chart = chart.encode(strokeDash=_run_dash(runs, forks, legend=None))
    return chart.properties(height=150)
