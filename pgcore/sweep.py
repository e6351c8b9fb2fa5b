"""Many runs at once, over processes or a Ray cluster, each finished one in a file of its own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pgcore.agents import Agent
from pgcore.checkpoints import write_atomically
from pgcore.config import ConfigError, TrainConfig
from pgcore.environments import OFFERED
from pgcore.evaluate import evaluate
from pgcore.train import Trainer, TrainingDiverged
from pgcore.workers import spread

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
    weights: str = ""
    """SHA-256 of the last weights: runs that are equal bit for bit have the same."""
    error: str | None = None
    """One sentence, where the run failed."""
    seconds: float = field(default=0.0, compare=False)

    @property
    def final_return(self) -> float | None:
        """Mean return of the last evaluation; None for a run that failed."""
        return self.curve[-1].mean_return if self.curve and self.error is None else None

    @property
    def solved_at(self) -> int | None:
        """Environment steps at the first evaluation that counts as solved; none if it failed."""
        if self.config.env_id not in OFFERED or self.error is not None:
            return None
        bar = OFFERED[self.config.env_id].solved_at
        return next((point.env_steps for point in self.curve if point.mean_return >= bar), None)


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
        return Result(config, tuple(points), _hash(trainer.agent), seconds=trainer.seconds)
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


def _hash(agent: Agent) -> str:
    weights = agent.state_dict().items()
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for _, tensor in weights)).hexdigest()


def sweep(
    configs: Sequence[TrainConfig],
    folder: Path,
    backend: str = "processes",
    workers: int = -1,
    wanted: Callable[[], bool] = lambda: True,
) -> Generator[Result, None, None]:
    """Run all configs, yielding each result as it is there; finished ones are read, not run again.

    Every result is a file of its own in `folder`, so an interrupted sweep goes on where it was,
    and a worker that is killed costs its own run alone.

    Args:
        configs: from plan.grid.
        folder: where the results are kept; made if missing.
        backend, workers, wanted: as in workers.spread.
    Raises:
        ConfigError: for an unknown backend, a bad number of workers, or if ray is not installed.
        OSError: if the folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pending = []
    for config in configs:
        known = _read(folder, config)
        if known is None:
            pending.append(config)
        else:
            yield known
    for config, result in spread(run_one, pending, backend, workers, wanted):
        result = result or Result(config, error=_KILLED)
        write_atomically(_file(folder, config), _to_json(result).encode())
        yield result


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
            weights = str(stored["weights"])
            return Result(config, curve, weights, seconds=float(stored["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None
