"""python -m pgcore sweep --algorithms ppo vpg --vary clip_eps 0.1 0.2 --seeds 10"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from tqdm import tqdm

from pgcore import comparison
from pgcore.checkpoints import write_atomically
from pgcore.config import ALGORITHMS, PRESETS, TrainConfig
from pgcore.plan import grid, seeds_from, settings_from_words
from pgcore.runs import RunFolderError
from pgcore.sweep import Result, sweep


@dataclass(frozen=True)
class Sweep:
    """Train every combination of algorithms, presets, settings and seeds, and compare over seeds.

    Every finished run is a file in --folder. The same command again reads those and runs the
    others, so it goes on where it was interrupted. A run that fails is reported, and the others go
    on; the exit code is then 1. results.csv (a row a run) and summary.csv (a row a group) are
    written at the end.
    """

    algorithms: tuple[str, ...] = ("ppo",)
    """Which agents learn."""
    presets: tuple[str, ...] = ("fast",)
    """Where the settings start from."""
    vary: tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    """A setting and its values: --vary learning_rate 0.001 0.01; one value fixes it. Settings are
    those of train --help; layers are written 64x64."""
    seeds: tuple[int, ...] = (5,)
    """One number: how many, from 0 on. Several: these very seeds."""
    backend: Literal["processes", "serial", "ray"] = "processes"
    """Processes on this machine, this process alone, or a Ray cluster (RAY_ADDRESS, or a local
    one; needs pip install ray). The results are the same, bit for bit."""
    workers: int = -1
    """Runs at the same time; -1: one a core (ray: all that it has)."""
    folder: Path = Path("runs/sweep")
    """Where results are kept."""


def run(args: list[str]) -> None:
    """Run `python -m pgcore sweep`."""
    command = tyro.cli(
        Sweep,
        args=args,
        prog="python -m pgcore sweep",
        description=f"{inspect.getdoc(Sweep)}\n\nAlgorithms: {', '.join(ALGORITHMS)}. "
        f"Presets: {', '.join(PRESETS)}.",
    )
    settings, seeds = settings_from_words(command.vary), seeds_from(command.seeds)
    configs = grid(command.presets, command.algorithms, settings, seeds)
    with _writable(command.folder):
        results = _computed(command, configs)
        compared = comparison.groups(configs, results)
        for name, frame in (
            ("results", comparison.runs(compared)),
            ("summary", comparison.summary(compared)),
        ):
            write_atomically(command.folder / f"{name}.csv", frame.to_csv(index=False).encode())
    print(comparison.summary_lines(compared))
    print(f"Kept in {command.folder}: results.csv, summary.csv, and a file for each finished run")
    if any(group.failed for group in compared):
        print("Failed runs are left out of the IQM and count as not solved.")
        raise SystemExit(1)


def _computed(command: Sweep, configs: list[TrainConfig]) -> list[Result]:
    results: list[Result] = []
    running = sweep(configs, command.folder, command.backend, command.workers)
    with (
        closing(running),
        tqdm(total=len(configs), unit="run", dynamic_ncols=True) as bar,
    ):
        try:
            for result in running:
                results.append(result)
                if result.error is not None:
                    (group,) = comparison.groups([result.config])
                    name = f"{group.name}, seed {result.config.seed}"
                    bar.write(f"Failed: {name}: {result.error}", file=sys.stderr)
                bar.update()
        except KeyboardInterrupt:
            bar.close()
            raise SystemExit(
                f"Stopped. {len(results)} of {len(configs)} runs are kept in {command.folder}: "
                "the same command goes on from there."
            ) from None
    return results


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunFolderError(f"the folder {folder} cannot be written: {error.strerror}.") from None
