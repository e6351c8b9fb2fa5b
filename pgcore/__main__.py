"""The command line: python -m pgcore train --algorithm ppo --preset fast --seed 1"""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from tqdm import tqdm

from pgcore import checkpoints, runs, sweep_command
from pgcore.checkpoints import Checkpoint, CheckpointError
from pgcore.config import ALGORITHMS, PRESETS, ConfigError, TrainConfig
from pgcore.environments import OFFERED
from pgcore.evaluate import evaluate
from pgcore.forks import Fork
from pgcore.grader import GraderError, check
from pgcore.train import Trainer, TrainingDiverged


@dataclass(frozen=True)
class Train:
    """Train an agent, with a progress bar, and keep the run in a folder."""

    config: TrainConfig
    preset: Literal["fast", "homework"] = "fast"
    """Where the settings below start from."""
    name: str = ""
    """Folder under --root; named after algorithm, preset and seed where left out."""
    root: Path = Path("runs")
    """Where run folders are kept."""
    resume: Path | None = None
    """A run folder to continue from its newest checkpoint; only --n-updates may differ."""
    fork: Path | None = None
    """A run folder to branch off: the settings given differ from its own, the rest stays."""
    at: int | None = None
    """With --fork: the update whose checkpoint the branch begins at; the newest if left out."""


def _flag(arg: str) -> str:
    """--n_updates=9 -> --n-updates, as tyro reads it."""
    return arg.partition("=")[0].replace("_", "-")


def _chosen(args: list[str], flag: str, default: str) -> str:
    """The value of --flag VALUE or --flag=VALUE: it decides the defaults of all the others."""
    for i, arg in enumerate(args):
        if _flag(arg) == flag:
            return arg.partition("=")[2] if "=" in arg else [*args, default][i + 1]
    return default


def train(args: list[str]) -> None:
    """Run `python -m pgcore train`."""
    preset = _chosen(args, "--preset", "fast")
    algorithm = _chosen(args, "--algorithm", "ppo")
    start = TrainConfig.preset(preset, algorithm)
    parent = _parent(args)
    if parent is not None:
        start = parent.config
    command = tyro.cli(
        Train,
        args=args,
        prog="python -m pgcore train",
        default=Train(start, preset),  # type: ignore[arg-type]
        config=(tyro.conf.OmitArgPrefixes,),
        description=f"Algorithms: {', '.join(ALGORITHMS)}. Presets: {', '.join(PRESETS)}. "
        "The defaults shown are those of the chosen algorithm and preset.",
    )
    if command.resume is not None:
        trainer = _resumed(command, {_flag(arg) for arg in args if arg.startswith("--")})
        _train_into(command.resume, trainer, resume_at=trainer.update_count)
    elif parent is not None:
        assert command.fork is not None
        fork = Fork(str(command.fork), parent, command.config)
        name = command.name or fork.folder_name(command.fork.resolve().name)
        _train_into(runs.folder_for(command.root, name), fork.trainer(), None, fork)
    else:
        config = command.config
        name = command.name or f"{config.algorithm}-{preset}-seed{config.seed}"
        _train_into(runs.folder_for(command.root, name), Trainer(config), resume_at=None)


def _parent(args: list[str]) -> Checkpoint | None:
    """The checkpoint that --fork and --at name: its config decides the defaults of the others."""
    folder, at = (_chosen(args, flag, "") for flag in ("--fork", "--at"))
    flags = {_flag(arg) for arg in args}
    if "--fork" not in flags:
        if "--at" in flags:
            raise ConfigError("--at belongs to --fork: it names the update to branch off at.")
        return None
    if not folder:
        raise ConfigError("--fork needs the folder of a run, for example runs/ppo-fast-seed1.")
    others = flags & {"--preset", "--resume"}
    if others:
        raise ConfigError(
            f"--fork goes on with the run's own settings: leave out {', '.join(sorted(others))}."
        )
    if not at:
        return runs.latest_checkpoint(Path(folder))
    return runs.checkpoint_at(Path(folder), at)


def _resumed(command: Train, flags: set[str]) -> Trainer:
    others = flags - {"--resume", "--n-updates"}
    if others:
        raise ConfigError(
            f"--resume goes on with the run's own settings: leave out {', '.join(sorted(others))}."
        )
    assert command.resume is not None
    checkpoint = runs.latest_checkpoint(command.resume)
    n_updates = checkpoint.config.n_updates
    if "--n-updates" in flags:
        n_updates = command.config.n_updates
    if n_updates <= checkpoint.update:
        raise ConfigError(
            f"{command.resume} is already at update {checkpoint.update}: "
            "a larger --n-updates makes the run longer."
        )
    return checkpoints.resume(checkpoint, n_updates=n_updates)


def _train_into(
    path: Path, trainer: Trainer, resume_at: int | None, fork: Fork | None = None
) -> None:
    config = trainer.config
    solved_at = OFFERED[config.env_id].solved_at if config.env_id in OFFERED else None
    done = trainer.update_count
    with (
        runs.RunFolder(path, config, resume_at, fork) as folder,
        closing(folder.record(trainer)) as updates,
        tqdm(total=config.n_updates, initial=done, unit="update", dynamic_ncols=True) as bar,
    ):
        if fork is not None:
            print(f"Fork of {fork.parent} at update {fork.update}: {fork.describe()}")
        try:
            for stats in updates:
                bar.update()
                row = stats.row()
                if row["return_mean"] is not None:
                    bar.set_postfix_str(
                        f"return {row['return_mean']:.0f}, "
                        f"{stats.env_steps / max(stats.seconds, 1e-9):,.0f} steps/s"
                    )
        except KeyboardInterrupt:
            bar.close()
            raise SystemExit(
                f"Stopped. Continue with: python -m pgcore train --resume {path}"
            ) from None
    result = evaluate(trainer.agent, config.env_id, seed=config.seed)
    verdict = ""
    if solved_at is not None:
        verdict = f" ({'solved' if result.mean >= solved_at else 'not solved'}: {solved_at:g})"
    print(f"{len(result.returns)} fresh episodes: mean return {result.mean:.1f}{verdict}")
    print(f"Kept in {path}: config.json, metrics.csv, checkpoints/, TensorBoard events")


@dataclass(frozen=True)
class Check:
    """Check your own agent class, in a process of its own, and name the likely mistake."""

    file: tyro.conf.Positional[Path]
    """A Python file with a class REINFORCE, VPG, PPO or GAE, perhaps its TrajData and train."""
    algorithm: Literal["reinforce", "vpg", "ppo", "gae"] | None = None
    """Which class, where the file defines several."""


def grade(args: list[str]) -> None:
    """Run `python -m pgcore check`; exit code 1 if a check failed."""
    command = tyro.cli(Check, args=args, prog="python -m pgcore check")
    report = check(command.file, command.algorithm)
    print(report)
    raise SystemExit(0 if report.passed else 1)


def main() -> None:
    """Choose the command; a mistake in the input ends in one sentence and exit code 2."""
    commands = {"train": train, "sweep": sweep_command.run, "check": grade}
    name, args = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if name not in commands:
        asked = name in ("-h", "--help")
        usage = f"usage: python -m pgcore {{{','.join(commands)}}} [--help]"
        print(usage, file=sys.stdout if asked else sys.stderr)
        raise SystemExit(0 if asked else 2)
    try:
        commands[name](args)
    except (
        ConfigError,
        CheckpointError,
        GraderError,
        runs.RunFolderError,
        TrainingDiverged,
    ) as error:
        print(f"python -m pgcore {name}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
