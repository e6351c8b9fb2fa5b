"""What the results of a sweep say: groups of runs, their curves and scores over seeds.

A group is what differs by the seed alone. A run that failed has no final return: it is left out of
curves, IQM and probability of improvement, and counts as not solved.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgcore.config import PRESETS, TrainConfig
from pgcore.estimates import CONFIDENCE, Estimate, iqm_estimate
from pgcore.plan import value_to_text
from pgcore.sweep import Result

BAND = (0.25, 0.75)
"""Quantiles over seeds between which the band of a curve lies."""


@dataclass(frozen=True)
class Group:
    """The runs of one config under several seeds."""

    name: str
    """ "PPO fast · clip_eps 0.1": algorithm, nearest preset, and what differs from it."""
    planned: int
    """Seeds asked for."""
    results: tuple[Result, ...]
    """Those that are there, by seed."""

    @property
    def finished(self) -> tuple[Result, ...]:
        return tuple(one for one in self.results if one.error is None)

    @property
    def failed(self) -> tuple[Result, ...]:
        return tuple(one for one in self.results if one.error is not None)

    @property
    def scores(self) -> np.ndarray:
        """(seeds,) final returns of the runs that finished."""
        return np.array([one.final_return for one in self.finished], dtype=float)


def groups(configs: Iterable[TrainConfig], results: Iterable[Result] = ()) -> list[Group]:
    """One group a config but for its seed, in the order of the configs.

    Args:
        configs: all that the sweep is to run: names and order do not change as results come in.
        results: those of them that are there, in any order.
    """
    planned: dict[TrainConfig, int] = {}
    for config in dict.fromkeys(configs):
        same = config.replace(seed=0)
        planned[same] = planned.get(same, 0) + 1
    there: dict[TrainConfig, list[Result]] = {config: [] for config in planned}
    for result in results:
        there[result.config.replace(seed=0)].append(result)
    names = _names(list(planned))
    return [
        Group(name, number, tuple(sorted(there[config], key=lambda one: one.config.seed)))
        for name, (config, number) in zip(names, planned.items(), strict=True)
    ]


def _names(configs: Sequence[TrainConfig]) -> list[str]:
    nearest = [_nearest_preset(config) for config in configs]
    # What differs from its preset in one group is told of all.
    told = {name for _, changed in nearest for name in changed}
    names = []
    for config, (preset, _) in zip(configs, nearest, strict=True):
        values = [
            f"{field.name} {value_to_text(getattr(config, field.name))}"
            for field in dataclasses.fields(config)
            if field.name in told
        ]
        names.append(" · ".join([f"{config.algorithm.upper()} {preset}", *values]))
    return names


def _nearest_preset(config: TrainConfig) -> tuple[str, list[str]]:
    """The preset with the fewest settings that differ, and these."""
    changed = {}
    for preset in PRESETS:
        start = TrainConfig.preset(preset, config.algorithm, seed=config.seed)
        changed[preset] = [
            field.name
            for field in dataclasses.fields(config)
            if getattr(config, field.name) != getattr(start, field.name)
        ]
    return min(changed.items(), key=lambda item: len(item[1]))


def curves(compared: Sequence[Group]) -> pd.DataFrame:
    """Median and interquartile band over seeds at each evaluation.

    Returns:
        Columns group, env_steps, median, low, high, seeds.
    """
    rows = [
        (group.name, points[0].env_steps, *_spread([one.mean_return for one in points]))
        for group in compared
        for points in zip(*(one.curve for one in group.finished), strict=True)
    ]
    return pd.DataFrame(rows, columns=["group", "env_steps", "median", "low", "high", "seeds"])


def _spread(returns: Sequence[float]) -> tuple[float, float, float, int]:
    low, high = np.quantile(returns, BAND)
    return float(np.median(returns)), float(low), float(high), len(returns)


def seed_curves(compared: Sequence[Group]) -> pd.DataFrame:
    """Every seed's own curve: columns group, seed, env_steps, mean_return."""
    rows = [
        (group.name, one.config.seed, point.env_steps, point.mean_return)
        for group in compared
        for one in group.finished
        for point in one.curve
    ]
    return pd.DataFrame(rows, columns=["group", "seed", "env_steps", "mean_return"])


def summary(compared: Sequence[Group]) -> pd.DataFrame:
    """One row a group.

    Returns:
        group; seeds that finished; failed; solved, how many, at any evaluation; solved_share of all
        that ended; iqm, iqm_low, iqm_high of the final returns; steps_to_solved, the median among
        those that solved. NaN where there is none.
    """
    rows = []
    for group in compared:
        solved = [one.solved_at for one in group.results if one.solved_at is not None]
        rows.append(
            {
                "group": group.name,
                "seeds": len(group.finished),
                "failed": len(group.failed),
                "solved": len(solved),
                "solved_share": len(solved) / len(group.results) if group.results else np.nan,
                **dict(
                    zip(("iqm", "iqm_low", "iqm_high"), iqm_estimate(group.scores), strict=True)
                ),
                "steps_to_solved": float(np.median(solved)) if solved else np.nan,
            }
        )
    return pd.DataFrame(rows)


def runs(compared: Sequence[Group]) -> pd.DataFrame:
    """One row a run: group, every setting, and what came out. The same for every backend."""
    rows = [
        {
            "group": group.name,
            **{name: value_to_text(value) for name, value in vars(one.config).items()},
            "final_return": one.final_return,
            "steps_to_solved": one.solved_at,
            "weights": one.weights,
            "error": one.error,
        }
        for group in compared
        for one in group.results
    ]
    return pd.DataFrame(rows)


def summary_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame of summary in words, for people to read."""
    rows = list(frame.itertuples())
    return pd.DataFrame(
        {
            "group": frame["group"],
            "seeds": [str(row.seeds) for row in rows],
            "failed": [str(row.failed) for row in rows],
            "solved": [f"{row.solved} of {row.seeds + row.failed}" for row in rows],
            f"IQM [{CONFIDENCE:.0%} interval]": [
                _with_interval(Estimate(row.iqm, row.iqm_low, row.iqm_high)) for row in rows
            ],
            "median steps to solved": [
                "-" if np.isnan(row.steps_to_solved) else f"{row.steps_to_solved:,.0f}"
                for row in rows
            ],
        }
    )


def summary_lines(compared: Sequence[Group]) -> str:
    """summary_text as lines of a terminal."""
    shown = summary_text(summary(compared))
    shown["group"] = shown["group"].str.ljust(shown["group"].str.len().max())
    return shown.to_string(index=False)


def _with_interval(estimate: Estimate) -> str:
    if np.isnan(estimate.value):
        return "-"
    if np.isnan(estimate.low):
        return f"{estimate.value:.1f}"
    return f"{estimate.value:.1f} [{estimate.low:.1f}, {estimate.high:.1f}]"
