"""Many runs at once: algorithms x settings x seeds, over processes or a Ray cluster."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from pgcore.checkpoints import write_atomically
from pgcore.config import ConfigError, TrainConfig
from pgcore.environments import OFFERED
from pgcore.evaluate import evaluate
from pgcore.train import Trainer, TrainingDiverged

BACKENDS = ("processes", "serial", "ray")
_KILLED = "its process was killed, perhaps for lack of memory."


@dataclass(frozen=True)
class Point:
    """Fresh episodes of the policy after some update."""

    update: int
    env_steps: int
    mean_return: float


@dataclass(frozen=True)
class Result:
    """One run of a sweep. Equal for every backend, but for the time it took."""

    config: TrainConfig
    curve: tuple[Point, ...] = ()
    """From the untrained policy on, every config.checkpoint_every updates and at the end."""
    error: str | None = None
    """One sentence, where the run failed."""
    seconds: float = field(default=0.0, compare=False)

    @property
    def final_return(self) -> float | None:
        """Mean return of the last evaluation; None for a run that failed."""
        return self.curve[-1].mean_return if self.curve and self.error is None else None

    @property
    def solved_at(self) -> int | None:
        """Environment steps at the first evaluation that counts as solved."""
        if self.config.env_id not in OFFERED:
            return None
        bar = OFFERED[self.config.env_id].solved_at
        return next((point.env_steps for point in self.curve if point.mean_return >= bar), None)


def grid(
    presets: Sequence[str],
    algorithms: Sequence[str],
    settings: Mapping[str, Sequence[Any]],
    seeds: Iterable[int],
) -> list[TrainConfig]:
    """Every combination, seeds innermost.

    Args:
        settings: name -> values; none leaves the presets as they are.
    Raises:
        ConfigError: for a setting that does not exist or a value that is not valid.
    """
    names = list(settings)
    configs = [
        TrainConfig.preset(preset, algorithm, **dict(zip(names, values, strict=True)), seed=seed)
        for preset, algorithm, values, seed in itertools.product(
            presets, algorithms, list(itertools.product(*settings.values())), list(seeds)
        )
    ]
    return list(dict.fromkeys(configs))


def run_one(config: TrainConfig) -> Result:
    """Train one config from start to end, evaluating on the way; a failure is a result too."""
    points: list[Point] = []
    try:
        trainer = Trainer(config)
        points.append(_evaluated(trainer))
        for stats in trainer.run():
            if stats.update % config.checkpoint_every == 0 or stats.update == config.n_updates:
                points.append(_evaluated(trainer))
        trainer.envs.close()
        return Result(config, tuple(points), seconds=trainer.seconds)
    except (ConfigError, TrainingDiverged) as error:
        return Result(config, tuple(points), error=str(error))
    except Exception as error:
        # One broken run must not take the others of the sweep with it.
        return Result(config, tuple(points), error=f"{type(error).__name__}: {error}")


def _evaluated(trainer: Trainer) -> Point:
    config = trainer.config
    steps = trainer.update_count * config.rows_per_update
    mean = evaluate(trainer.agent, config.env_id, seed=config.seed).mean
    return Point(trainer.update_count, steps, mean)


def sweep(
    configs: Sequence[TrainConfig],
    folder: Path,
    backend: str = "processes",
    workers: int = -1,
) -> Iterator[Result]:
    """Run all configs, yielding each result as it is there; finished ones are read, not run again.

    Every result is a file of its own in `folder`, so an interrupted sweep goes on where it was,
    and a worker that is killed costs its own run alone.

    Args:
        configs: from grid.
        folder: where the results are kept; made if missing.
        backend: "processes" on this machine, "serial" in this process, or "ray", a Ray cluster
            (RAY_ADDRESS, or a local one), which needs `pip install ray`.
        workers: how many at the same time; -1: one a core.
    Raises:
        ConfigError: for an unknown backend, or if ray is not installed.
        OSError: if the folder cannot be written.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"backend must be one of {', '.join(BACKENDS)}, not {backend!r}.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pending = []
    for config in configs:
        known = _read(folder, config)
        if known is None:
            pending.append(config)
        else:
            yield known
    for result in _computed(pending, backend, workers):
        write_atomically(_file(folder, result.config), _to_json(result).encode())
        yield result


def _computed(configs: list[TrainConfig], backend: str, workers: int) -> Iterator[Result]:
    if backend == "serial":
        yield from map(run_one, configs)
    elif backend == "ray":
        yield from _on_ray(configs)
    else:
        yield from _in_processes(configs, workers)


def _in_processes(configs: list[TrainConfig], workers: int) -> Iterator[Result]:
    waiting = dict.fromkeys(configs)
    try:
        for result in _pool(configs, workers):
            del waiting[result.config]
            yield result
    except TerminatedWorkerError:
        # A process was killed, and joblib gives the whole pool up. Each remaining run gets a pool
        # to itself, so that the one that dies again is known by name.
        for config in list(waiting):
            try:
                # Two workers for one run: with one, joblib would run it in this process.
                yield from _pool([config], 2)
            except TerminatedWorkerError:
                yield Result(config, error=_KILLED)


def _pool(configs: list[TrainConfig], workers: int) -> Iterator[Result]:
    pool = joblib.Parallel(
        n_jobs=workers, backend="loky", return_as="generator_unordered", batch_size=1
    )
    yield from pool(joblib.delayed(run_one)(config) for config in configs)


def _on_ray(configs: list[TrainConfig]) -> Iterator[Result]:
    # Not through joblib's Ray backend: it hands out results only when all are there.
    try:
        import ray
    except ImportError:
        raise ConfigError("the ray backend needs a package: pip install ray.") from None
    if not ray.is_initialized():
        # The workers import this very checkout, wherever the sweep was started from.
        root = str(Path(__file__).resolve().parent.parent)
        ray.init(log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": root}})
    task = ray.remote(num_cpus=1, max_retries=0)(run_one)
    running = {task.remote(config): config for config in configs}
    while running:
        (ready, *_), _ = ray.wait(list(running))
        config = running.pop(ready)
        try:
            yield ray.get(ready)
        except ray.exceptions.RayError:
            yield Result(config, error=_KILLED)


def _file(folder: Path, config: TrainConfig) -> Path:
    digest = hashlib.sha256(config.to_json().encode()).hexdigest()[:16]
    return folder / f"{config.algorithm}-seed{config.seed}-{digest}.json"


def _to_json(result: Result) -> str:
    return json.dumps(dataclasses.asdict(result), indent=1)


def _read(folder: Path, config: TrainConfig) -> Result | None:
    """A finished result; None if there is none, or if it failed or is damaged: then run again."""
    try:
        stored = json.loads(_file(folder, config).read_text())
        curve = tuple(Point(**point) for point in stored["curve"])
        if stored["error"] is None and curve:
            return Result(config, curve, seconds=float(stored["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None
