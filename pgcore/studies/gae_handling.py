"""Chapter 6: what each way to treat an episode's end and its reset row does to the advantages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch

from pgcore.returns import gae, td_errors
from pgcore.studies.gae_windows import ENDINGS, Window

TERMINATION = ("stops everything", "ignored")
TRUNCATION = ("bootstraps, then stops", "treated as termination", "ignored")
RESET_ROWS = ("left out", "kept")
END_HANDLINGS = ("right", "as a termination", "ignored")


_FALL, _LIMIT = ENDINGS
_WORDS = {
    (
        _FALL,
        "right",
    ): "Right: nothing follows a fall, so nothing is bootstrapped, and the sum stops.",
    (_FALL, "as a termination"): "It is a termination: right as well, nothing changes.",
    (_FALL, "ignored"): "The fall goes unnoticed: what the next episode is worth is credited to "
    "the steps that led to it.",
    (_LIMIT, "right"): "Right: the pole still stands, so V of the final observation stands for "
    "what would have followed; the sum stops.",
    (_LIMIT, "as a termination"): "The last step is told that nothing follows and loses all that "
    "its state is worth; the steps before it get their share. Balancing to the end is punished.",
    (_LIMIT, "ignored"): "The bootstrap is right, but the sum runs on into the reset row and the "
    "next episode. Little harm here, where both are worth alike; still nonsense.",
}


@dataclass(frozen=True)
class Handling:
    """How three kinds of rows are treated; the first choice of each is the right one."""

    termination: str = TERMINATION[0]
    truncation: str = TRUNCATION[0]
    reset_rows: str = RESET_ROWS[0]


def handled(window: Window, handling: Handling) -> Window:
    """The window as the chosen handling sees it: only the flags change, never a number."""
    terminated, truncated, valid = window.terminated, window.truncated, window.valid
    if handling.termination == "ignored":
        terminated = torch.zeros_like(terminated)
    if handling.truncation == "treated as termination":
        terminated = terminated | truncated
    elif handling.truncation == "ignored":
        truncated = torch.zeros_like(truncated)
    if handling.reset_rows == "kept":
        valid = torch.ones_like(valid)
    return replace(window, terminated=terminated, truncated=truncated, valid=valid)


def rows(
    window: Window, gamma: float, lam: float, handling: Handling | None = None
) -> pd.DataFrame:
    """Everything about each row of a window, one row a step.

    Returns:
        Columns t, reward, value, next_value, terminated, truncated (as they happened), delta,
        advantage (under the handling; nan where the row is left out) and correct (the advantage
        under the right one; nan on reset rows).
    """
    seen = handled(window, handling or Handling())
    right = handled(window, Handling())
    advantage, correct = (
        torch.where(
            each.valid,
            gae(
                each.rewards,
                each.values,
                each.next_values,
                each.terminated,
                each.truncated,
                gamma,
                lam,
            ),
            torch.nan,
        )
        for each in (seen, right)
    )
    delta = td_errors(seen.rewards, seen.values, seen.next_values, seen.terminated, gamma)
    columns = {
        "t": torch.arange(len(delta))[:, None],
        "reward": window.rewards,
        "value": window.values,
        "next_value": window.next_values,
        "terminated": window.terminated,
        "truncated": window.truncated,
        "valid": window.valid,
        "delta": delta,
        "advantage": advantage,
        "correct": correct,
    }
    return pd.DataFrame({name: column[:, 0].numpy() for name, column in columns.items()})


def handling(ending: str, end: str, reset_row: str) -> Handling:
    """What the three switches of the page mean for the code."""
    fell = ENDINGS[ending] == "terminated"
    ignored = end == "ignored"
    as_termination = end == "as a termination" and not fell
    return Handling(
        termination=TERMINATION[fell and ignored],
        truncation=TRUNCATION[2 if ignored and not fell else int(as_termination)],
        reset_rows=reset_row,
    )


def mishandled(windows: dict[str, Window], gamma: float, lambdas: Sequence[float]) -> pd.DataFrame:
    """Each row's advantage with its end and its reset row handled rightly and wrongly.

    Returns:
        Columns ending, end, reset_row, lam, t, advantage, correct (both nan where left out) and
        off (advantage minus correct).
    """
    frames = []
    for ending, flag in ENDINGS.items():
        for end in END_HANDLINGS:
            for reset_row in RESET_ROWS:
                for lam in lambdas:
                    chosen = handling(ending, end, reset_row)
                    frame = rows(windows[flag], gamma, lam, chosen)
                    frame = frame[["t", "advantage", "correct"]]
                    frames.append(
                        frame.assign(ending=ending, end=end, reset_row=reset_row, lam=lam)
                    )
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(off=frame["advantage"] - frame["correct"])


def verdicts(frame: pd.DataFrame) -> pd.DataFrame:
    """mishandled() in one row a setting.

    Returns:
        Columns ending, end, reset_row, lam; rows_off (advantages that are off by more than 0.01),
        worst (the largest of those errors, with its sign), extra (advantage of a reset row that
        was kept, nan if left out), words and tone (good or bad).
    """
    keys = ["ending", "end", "reset_row", "lam"]
    found = []
    for key, part in frame.groupby(keys, sort=False):
        ending, end, reset_row, _ = key
        off = part["off"].abs() > 0.01
        worst = part["off"][part["off"].abs().idxmax()] if off.any() else 0.0
        kept = part["advantage"][part["correct"].isna()]
        wrong = off.any() or reset_row == "kept"
        words = _WORDS[ending, end]
        if reset_row == "kept":
            words += (
                " The reset row trains as well: an action that nobody took gets the difference of "
                "two episodes' values."
            )
        found.append(
            (*key, int(off.sum()), worst, float(kept.iloc[0]), words, "bad" if wrong else "good")
        )
    return pd.DataFrame(found, columns=[*keys, "rows_off", "worst", "extra", "words", "tone"])
