"""CPU seconds until CartPole-v1 is solved, by preset. Run by hand on a quiet machine:

    .venv/bin/python -m tests.bench.train [--seeds 10] [--algorithms ppo gae vpg reinforce]

Solved: mean return of 100 fresh episodes, sampled policy, at least 475. The policy is evaluated
after every second update with a seed that training does not use; evaluation is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass

from pgcore.config import ALGORITHMS, TrainConfig
from pgcore.environments import OFFERED
from pgcore.evaluate import evaluate
from pgcore.train import Trainer

SOLVED_AT = OFFERED["CartPole-v1"].solved_at


@dataclass(frozen=True)
class Timing:
    """One run: CPU seconds and rows until solved (None: never), and of the whole run."""

    solved_seconds: float | None
    solved_steps: int | None
    seconds: float
    steps: int
    final_return: float


def time_to_solved(config: TrainConfig, evaluate_every: int = 2) -> Timing:
    """Train the whole run; CPU time of this process, training only."""
    started = time.process_time()
    trainer = Trainer(config)
    seconds = time.process_time() - started
    solved: tuple[float, int] | None = None
    mean_return = 0.0
    updates = trainer.run()
    while True:
        started = time.process_time()
        stats = next(updates, None)
        seconds += time.process_time() - started
        if stats is None:
            break
        if stats.update % evaluate_every == 0 or stats.update == config.n_updates:
            mean_return = evaluate(trainer.agent, config.env_id, 100, config.seed + 10_000).mean
            if solved is None and mean_return >= SOLVED_AT:
                solved = (seconds, stats.env_steps)
    solved_seconds, solved_steps = solved or (None, None)
    return Timing(solved_seconds, solved_steps, seconds, config.total_steps, mean_return)


def main() -> None:
    """Print one line an algorithm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--algorithms", nargs="+", choices=ALGORITHMS, default=["ppo"])
    options = parser.parse_args()
    # The first run pays for lazy imports and allocator warm-up that no later one does.
    time_to_solved(TrainConfig.fast("ppo", n_updates=4))
    print(
        "| fast preset | solved once | solved at the end | CPU s to solved: median (least to most)"
        " | steps to solved | steps a CPU second |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for algorithm in options.algorithms:
        runs = [
            time_to_solved(TrainConfig.fast(algorithm, seed=seed)) for seed in range(options.seeds)
        ]
        seconds = sorted(run.solved_seconds for run in runs if run.solved_seconds is not None)
        steps = [run.solved_steps for run in runs if run.solved_steps is not None]
        spread = (
            f"{statistics.median(seconds):.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f})"
            if seconds
            else "never"
        )
        print(
            f"| {algorithm} | {len(seconds)} of {len(runs)} "
            f"| {sum(run.final_return >= SOLVED_AT for run in runs)} of {len(runs)} | {spread} "
            f"| {statistics.median(steps) if steps else 0:,.0f} "
            f"| {statistics.median(run.steps / run.seconds for run in runs):,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
