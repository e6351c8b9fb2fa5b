"""What an agent saw, thought and did along the episode it played, under a cursor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pages.ui import charts, figure
from pages.ui.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION
from pgcore.environments import OFFERED, Plane, Quantity
from pgcore.playback import Episode
from pgcore.studies import policy_picture

CHECKPOINT, STEP = "checkpoint", "step"
TAIL = 20
"""Steps up to the cursor that stand out on the map."""
_LANE = 0.08  # height of an action's lane under the probabilities, on their axis


@dataclass(frozen=True)
class Played:
    """An episode of one of the checkpoints, and its frames as data URIs, one every `stride`."""

    update: int
    episode: Episode
    stills: Sequence[str]
    stride: int

    @property
    def actions(self) -> tuple[str, ...]:
        n_actions = self.episode.probabilities.shape[1]
        return policy_picture.action_names(self.episode.env_id, n_actions)

    @property
    def seen(self) -> tuple[Quantity, ...]:
        n_obs = self.episode.observations.shape[1]
        return policy_picture.quantities(self.episode.env_id, n_obs)

    @property
    def plane(self) -> Plane | None:
        offered = OFFERED.get(self.episode.env_id)
        return offered.plane if offered else None


def shown(quantity: Quantity) -> tuple[float, str]:
    """What to multiply a quantity by, and its name with the unit it then has: degrees for rad."""
    factor, unit = (math.degrees(1), "°") if quantity.unit == "rad" else (1.0, quantity.unit)
    name = quantity.name[:1].upper() + quantity.name[1:]
    return factor, f"{name} ({unit})" if unit else name


def chance(actions: Sequence[str]) -> str:
    """What the probabilities are called: of two actions, the second one's says both."""
    return f"P({actions[1]})" if len(actions) == 2 else "Probability of each action"


def tables(played: Played) -> dict[str, figure.Rows]:
    """Rows of the played checkpoint alone: on any other, the figure has nothing of it."""
    steps = _moments(played)
    both = (CHECKPOINT, STEP)
    made = {
        "now": figure.Rows(steps, both),
        "episode": figure.Rows(steps.drop(columns=["frame", "took"]), (CHECKPOINT,)),
        "chances": figure.Rows(_chances(steps, played.actions), (CHECKPOINT,)),
        "taken": figure.Rows(_taken(steps, played.actions), (CHECKPOINT,)),
    }
    if played.plane is not None:
        made["tail"] = figure.Rows(_tail(steps), both)
    return made


def _moments(played: Played) -> pd.DataFrame:
    rows = policy_picture.along(played.episode)
    for i, quantity in enumerate(played.seen):
        rows[f"o{i}"] *= shown(quantity)[0]
    if played.plane is not None:
        rows["x"], rows["y"] = rows[f"o{played.plane.x}"], rows[f"o{played.plane.y}"]
    end = "none: " + _ending(played.episode)
    rows["took"] = [end if math.isnan(a) else played.actions[int(a)] for a in rows.action]
    rows["frame"] = [played.stills[t // played.stride] for t in rows.step]
    return rows.assign(checkpoint=played.update)


def _ending(episode: Episode) -> str:
    if episode.terminated:
        return "the episode is over"
    return "time limit" if episode.truncated else "played no further"


def _chances(steps: pd.DataFrame, actions: Sequence[str]) -> pd.DataFrame:
    rows = [
        steps[[CHECKPOINT, STEP]].assign(action=actions[a], chance=steps[f"p{a}"])
        for a in _told(actions)
    ]
    return pd.concat(rows).dropna()


def _told(actions: Sequence[str]) -> range:
    return range(1, 2) if len(actions) == 2 else range(len(actions))


def _taken(steps: pd.DataFrame, actions: Sequence[str]) -> pd.DataFrame:
    """A mark a step in its action's lane, below the probabilities; the last action on top."""
    rows = steps.loc[steps.action.notna(), [CHECKPOINT, STEP, "action"]]
    top = -0.04 - _LANE * (len(actions) - 1 - rows.action)
    names = [actions[int(a)] for a in rows.action]
    return rows.assign(action=names, high=top, low=top - 0.75 * _LANE)


def _tail(steps: pd.DataFrame) -> pd.DataFrame:
    """For each step the way that led to it: at, x, y."""
    back = np.arange(TAIL, -1, -1)
    at = steps.step.to_numpy()[:, None] - back
    rows = steps.iloc[at[at >= 0]][[CHECKPOINT, "x", "y"]]
    return rows.assign(at=at[at >= 0], step=np.repeat(steps.step, (at >= 0).sum(1)).to_numpy())


def plots(played: Played, value_domain: tuple[float, float] | None) -> list[figure.Plot]:
    """The frame, the probabilities with the actions taken, and V where the agent trains it."""
    tall, wide = played.episode.frame_shape[:2]
    actions, two = played.actions, len(played.actions) == 2
    step = charts.Axis("step", "Step")
    floor = -0.06 - _LANE * len(actions)
    y = charts.Axis("chance", chance(actions), (floor, 1.03), ticks=(0, 0.5, 1), format="%")
    palette = (BLUE, VERMILION) if two else (BLUE, GREY, VERMILION, GREEN, PURPLE, ORANGE)
    colours = charts.Color(
        "action",
        {name: palette[i % len(palette)] for i, name in enumerate(actions)},
        "Action taken" if two else "Action",
        dashes=() if two else [[], [2, 2], [6, 3], [8, 2, 2, 2]],
    )
    cursor = charts.rules("now", step, name="cursor", strokeWidth=2)
    curve = charts.line("chances", step, y, None if two else colours, strokeWidth=2)
    taken = charts.rules("taken", step, y.of("low"), colours, y2=y.of("high"), strokeWidth=2)
    made = [
        figure.Plot(
            charts.layers(charts.pictures("now", "frame", name="frame")),
            "The frame at the current step.",
            width=300,
            aspect=wide / tall,
        ),
        figure.Plot(
            charts.layers(curve, taken, cursor),
            f"{chance(actions)} at each step of the episode, and below it the action taken. "
            "Drag to move the cursor.",
            drag={"x": STEP},
            width=400,
        ),
    ]
    if played.episode.values is not None:
        value = charts.Axis("value", "V, units of return", value_domain)
        line = charts.line("episode", step, value, strokeWidth=2)
        made.append(
            figure.Plot(
                charts.layers(line, cursor, height=160),
                "The value V at each step of the episode. Drag to move the cursor.",
                drag={"x": STEP},
                width=400,
            )
        )
    return made


def meters(played: Played) -> str:
    """The numbers at the cursor."""
    each = [
        figure.meter(f"P({played.actions[a]})", f"now.p{a}", ".1%") for a in _told(played.actions)
    ]
    each.append(figure.meter("Action taken", "now.took", ""))
    each.append(figure.meter("Entropy", "now.entropy", ".3f", "nats"))
    if played.episode.values is not None:
        each.append(figure.meter("V", "now.value", ".1f"))
    for i, quantity in enumerate(played.seen):
        each.append(figure.meter(shown(quantity)[1], f"now.o{i}", "+.2f"))
    return figure.meters(*each)
