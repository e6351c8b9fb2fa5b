"""Chapter 6's second figure: ends and reset rows, handled rightly and wrongly."""

from __future__ import annotations

import streamlit as st

from pages.ui import controls
from pages.ui.charts import Axis, Color, cells, layers, points
from pages.ui.figure import Figure, Plot, Rows, build, meter, meters, sentence
from pages.ui.gae_steps import LAM, rollouts
from pages.ui.theme import BLUE, GREY, ORANGE, VERMILION
from pgcore.studies import gae_handling, gae_windows

ENDING = controls.choice("ending", "What ends the episode", list(gae_windows.ENDINGS))
END = controls.choice("end", "That end is handled", list(gae_handling.END_HANDLINGS))
RESET = controls.choice("reset_row", "The reset row is", list(gae_handling.RESET_ROWS))
LAM_ENDS = controls.slider("lam_ends", "GAE λ", values=LAM.values, default=LAM.default)
GAMMA = 0.99
"""What V was trained with."""


@st.cache_data(show_spinner=False)
def ends() -> Figure:
    """The same rows with their end and their reset row handled rightly and wrongly."""
    played = rollouts()
    windows = gae_windows.windows(played)
    table = gae_handling.mishandled(windows, GAMMA, LAM.values)
    verdicts = gae_handling.verdicts(table)
    names = {"correct": "right", "advantage": "as handled"}
    keys = ["ending", "end", "reset_row", "lam"]
    long = table.melt([*keys, "t"], list(names), "what", "value").dropna()
    long["what"] = long["what"].map(names)
    frames = [frame.rename(columns={"lam": LAM_ENDS.name}) for frame in (long, verdicts)]
    last = gae_windows.ROWS_BEFORE - 1
    where = gae_windows.ends(played)
    shown = gae_windows.frames_of(windows)
    shown["low"], shown["high"] = shown["env"] - 0.5, shown["env"] + 0.5

    x = Axis("t", "Row of the window", (-1, gae_windows.WINDOW))
    low, high = long["value"].min(), long["value"].max()
    y = Axis("value", "Advantage", (1.05 * low, 1.1 * high))
    color = Color(
        "what",
        dict(zip(names.values(), (GREY, VERMILION), strict=True)),
        shapes=("circle", "triangle-up"),
    )
    marks = layers(
        cells("reset", x.of("low"), x2=x.of("high"), color=GREY, opacity=0.3),
        points("rows", x, y, color, size=60),
        height=280,
    )
    t = Axis("t", "Row of the rollout", (0, int(where["t"].max()) + 15))
    env = Axis("env", "Environment", (-1, int(where["env"].max()) + 1))
    kinds = Color(
        "kind",
        {"reset row": GREY, "termination": VERMILION, "time limit": BLUE},
        shapes=("square", "triangle-up", "circle"),
    )
    everywhere = layers(
        cells(
            "shown", t.of("first"), env.of("low"), ORANGE,
            x2=t.of("last"), y2=env.of("high"), opacity=0.4,
        ),
        points("resets", t, env, kinds, size=110),
        points("ends", t, env, kinds, size=36),
        height=280,
    )  # fmt: skip
    by = ("ending", "end", "reset_row", "lam_ends")
    return build(
        [ENDING, END, RESET, LAM_ENDS],
        {
            "rows": Rows(frames[0], by),
            "verdict": Rows(frames[1], by),
            "reset": Rows(shown.iloc[:1].assign(low=last + 0.5, high=last + 1.5)[["low", "high"]]),
            "resets": Rows(where[where["kind"] == "reset row"], ("ending",)),
            "ends": Rows(where[where["kind"] != "reset row"], ("ending",)),
            "shown": Rows(shown, ("ending",)),
        },
        [
            Plot(
                marks,
                "Advantages of the rows around an episode's end, under the right handling and "
                "under the chosen one. The reset row is shaded.",
                width=420,
            ),
            Plot(
                everywhere,
                "Where episodes end in the whole rollout: environment against row. A band marks "
                "the window on the left.",
            ),
        ],
        top=sentence("verdict.words", "verdict.tone"),
        body=meters(
            meter("Advantages that are off", "verdict.rows_off", ".0f"),
            meter("Largest error", "verdict.worst", "+.2f"),
            meter("Advantage of the reset row", "verdict.extra", "+.2f"),
        ),
    )
