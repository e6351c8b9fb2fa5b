"""Inside an update: the dots, step by step, as an animated GIF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import imageio.v3 as iio
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from pgcore.recording import Recording
from pgcore.studies import update

MAX_FRAMES = 120
"""More gradient steps than these are shown evenly spaced, the first and the last one always."""
SIZE = (720, 440)
SECONDS, LAST_SECONDS = 0.15, 1.5
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 700, 70, 390
_PAPER, _INK, _GRID, _BAND = "#FFFFFF", "#111111", "#DDDDDD", "#ECEEF0"
_RING = "#009E73"


@dataclass(frozen=True)
class Axes:
    """From a ratio and an objective to a pixel."""

    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, ratio: float) -> float:
        share = (ratio - self.x[0]) / (self.x[1] - self.x[0])
        return _LEFT + min(max(share, 0), 1) * (_RIGHT - _LEFT)

    def up(self, objective: float) -> float:
        share = (objective - self.y[0]) / (self.y[1] - self.y[0])
        return _BOTTOM - min(max(share, 0), 1) * (_BOTTOM - _TOP)


def film(recording: Recording, rows: np.ndarray, axes: Axes, colours: Mapping[str, str]) -> bytes:
    """The clipped objective with a dot a sample, a frame a gradient step, as a GIF.

    Args:
        recording: of the update.
        rows: which transitions to draw (update_dots.drawn).
        axes: what the frame covers; what lies beyond is drawn on its edge.
        colours: one for each of update.EFFECTS, as "#RRGGBB".
    """
    samples = update.samples(recording, np.isin(recording.row, rows))
    steps = update.steps(recording)
    chosen = np.unique(np.linspace(0, len(steps) - 1, MAX_FRAMES).round().astype(int))
    if len(steps) <= MAX_FRAMES:
        chosen = np.arange(len(steps))
    by_step = dict(list(samples.groupby("step")))
    palette = _palette(colours)
    frames = []
    for _, step in steps.iloc[chosen].iterrows():
        image = _frame(recording, step, axes)
        dots = by_step.get(int(step.step))
        if dots is not None:
            _dots(ImageDraw.Draw(image), dots, axes, colours)
        indexed = image.quantize(palette=palette, dither=Image.Dither.NONE)
        frames.append(np.asarray(indexed))
    pauses = [round(SECONDS * 1000)] * (len(frames) - 1) + [round(LAST_SECONDS * 1000)]
    return iio.imwrite(
        "<bytes>",
        np.stack(frames),
        extension=".gif",
        plugin="pillow",
        mode="P",
        palette=bytes(palette.getpalette() or ()),
        duration=pauses,
        loop=0,
    )


def _palette(colours: Mapping[str, str]) -> Image.Image:
    """Every colour that is drawn, and the shades of grey that smooth letters need."""
    greys = [f"#{level:02X}{level:02X}{level:02X}" for level in range(0, 256, 32)]
    wanted = [_PAPER, _INK, _GRID, _BAND, _RING, *colours.values(), *greys]
    values = [int(colour[i : i + 2], 16) for colour in wanted for i in (1, 3, 5)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(values + values[:3] * (256 - len(wanted)))
    return palette


def _frame(recording: Recording, step: pd.Series, axes: Axes) -> Image.Image:
    image = Image.new("RGB", SIZE, _PAPER)
    draw = ImageDraw.Draw(image)
    small, large = ImageFont.load_default(13), ImageFont.load_default(17)
    low, high = recording.clip_range
    draw.rectangle([axes.across(low), _TOP, axes.across(high), _BOTTOM], _BAND)
    for ratio in _ticks(axes.x):
        x = axes.across(ratio)
        draw.line([x, _TOP, x, _BOTTOM], _GRID)
        draw.text((x, _BOTTOM + 8), f"{ratio:g}", _INK, small, anchor="mt")
    for objective in _ticks(axes.y):
        y = axes.up(objective)
        draw.line([_LEFT, y, _RIGHT, y], _GRID)
        draw.text((_LEFT - 8, y), f"{objective:g}".replace("-", "−"), _INK, small, anchor="rm")
    draw.text((_RIGHT, _BOTTOM + 26), "ratio", _INK, small, anchor="rt")
    draw.text((_LEFT, _TOP - 8), "objective", _INK, small, anchor="lb")
    name = f"{recording.config.env_id}, update {recording.after.update}"
    at = f"epoch {int(step.epoch)}, minibatch {int(step.minibatch)}, step {int(step.step)}"
    draw.text((_LEFT, 12), f"{name}: {at}", _INK, large)
    shares = (
        f"outside {low:.2f} to {high:.2f}: {step.clip_fraction:.1%}, "
        f"gradient zero: {step.zero_gradient_fraction:.1%}"
    )
    draw.text((_RIGHT, _TOP - 8), shares, _INK, small, anchor="rb")
    return image


def _dots(
    draw: ImageDraw.ImageDraw, dots: pd.DataFrame, axes: Axes, colours: Mapping[str, str]
) -> None:
    for dot in dots.itertuples():
        x, y = axes.across(dot.ratio), axes.up(dot.objective)
        draw.ellipse([x - 3, y - 3, x + 3, y + 3], colours[dot.effect])
        if dot.pulled_back:
            draw.ellipse([x - 6, y - 6, x + 6, y + 6], outline=_RING, width=2)


def _ticks(ends: tuple[float, float]) -> list[float]:
    """Round numbers between the ends, four to nine of them."""
    width = ends[1] - ends[0]
    scale = 10.0 ** np.floor(np.log10(width))
    step = next(s * scale for s in (0.1, 0.2, 0.5, 1, 2) if width / (s * scale) < 9)
    first = np.ceil(ends[0] / step - 1e-9)
    count = int(np.floor(ends[1] / step + 1e-9) - first) + 1
    return [float(np.round((first + i) * step, 10)) + 0.0 for i in range(count)]
