"""CPU seconds of training, this project beside its peers, from one run on one machine:

    .venv/bin/pip install -r tests/bench/requirements.txt    (stable-baselines3, for the peer's row)
    .venv/bin/python -m tests.bench.train

Two tables. The homework preset races the notebook's own loop (notebook.py), iteration by iteration
in turns, so that both see the same machine. Then time to solved (referee.py says what that is): the
fast presets, stable-baselines3's tuned PPO, and the notebook's runs from the first table. --parts,
--algorithms, --seeds, --peer-seeds and --iterations run less of it.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable
from importlib.util import find_spec

from pgcore.config import ALGORITHMS, TrainConfig
from pgcore.train import Trainer
from tests.bench import notebook
from tests.bench.referee import ENV_ID, SOLVED_AT, Referee, timed_run

AIMS = {"reinforce": 5.0, "vpg": 4.0, "ppo": 2.0}
"""How many times as fast as the notebook the homework preset should be."""
HEADLINE = "ppo"
ROWS_PER_ITERATION = notebook.N_ENVS * notebook.N_STEPS


def race(algorithm: str, iterations: int) -> tuple[Referee, Referee]:
    """The notebook's loop and the homework preset, a turn each; evaluated every 5 iterations."""
    theirs, ours = (Referee(evaluate_every=5 * ROWS_PER_ITERATION) for _ in range(2))
    theirs.start()
    loop = notebook.Notebook(algorithm)
    turns = loop.run()
    theirs.stop()
    ours.start()
    trainer = Trainer(TrainConfig.homework(algorithm, n_updates=iterations))
    updates = trainer.run()
    ours.stop()
    for i in range(1, iterations + 1):
        for referee, turn, agent in ((theirs, turns, loop.agent), (ours, updates, trainer.agent)):
            referee.start()
            next(turn)
            referee.stop()
            referee.judge(i * ROWS_PER_ITERATION, agent, last=i == iterations)
    return theirs, ours


def homework(algorithms: Iterable[str], iterations: int) -> dict[str, list[Referee]]:
    """Print the homework's table; every run by its name."""
    print(
        f"| homework, {iterations} iterations | notebook CPU s | TrainConfig.homework CPU s "
        "| times as fast | aim |\n| --- | --- | --- | --- | --- |",
        flush=True,
    )
    runs = {}
    for algorithm in algorithms:
        race(algorithm, 1)  # pays for lazy imports and allocator warm-up
        theirs, ours = race(algorithm, iterations)
        print(
            f"| {algorithm} | {theirs.seconds:.1f} | {ours.seconds:.1f} "
            f"| {theirs.seconds / ours.seconds:.1f} | {AIMS[algorithm]:.0f} |",
            flush=True,
        )
        runs[f"the notebook's loop, {algorithm}"] = [theirs]
        runs[f"homework preset, {algorithm}"] = [ours]
    print(flush=True)
    return runs


def solved_row(name: str, runs: list[Referee], headline: float | None) -> float | None:
    """Print one line of the table; the median of the seconds to solved, where there is one."""
    seconds = sorted(run.solved_seconds for run in runs if run.solved_seconds is not None)
    steps = [run.solved_steps for run in runs if run.solved_steps is not None]
    median = statistics.median(seconds) if seconds else None
    spread = ratio = "never"
    if median is not None:
        spread = f"{median:.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f})"
        ratio = f"{median / headline:.1f}" if headline else ""
    print(
        f"| {name} | {len(seconds)} of {len(runs)} "
        f"| {sum(run.final_return >= SOLVED_AT for run in runs)} of {len(runs)} "
        f"| {spread} | {ratio} | {f'{statistics.median(steps):,.0f}' if steps else 'never'} "
        f"| {statistics.median(run.steps / run.seconds for run in runs):,.0f} |",
        flush=True,
    )
    return median


def solved(algorithms: list[str], seeds: int, peer_seeds: int, raced: dict) -> None:
    """Print the table of times to solved, the headline first: the others are multiples of it."""
    print(
        f"| {ENV_ID} | solved once | solved at the end | CPU s to solved: median (least to most) "
        f"| times fast {HEADLINE} | steps to solved | steps a CPU second |\n"
        "| --- | --- | --- | --- | --- | --- | --- |"
    )
    headline = None
    for algorithm in sorted(algorithms, key=lambda name: name != HEADLINE):
        # The first run pays for lazy imports and allocator warm-up that no later one does.
        timed_run(TrainConfig.fast(algorithm, n_updates=2))
        runs = [timed_run(TrainConfig.fast(algorithm, seed=seed)) for seed in range(seeds)]
        median = solved_row(f"fast preset, {algorithm}", runs, headline)
        headline = median if algorithm == HEADLINE else headline
    if peer_seeds and find_spec("stable_baselines3"):
        from tests.bench import peers

        peers.timed_run(0, total_steps=1_000)
        runs = [peers.timed_run(seed) for seed in range(peer_seeds)]
        solved_row("stable-baselines3, tuned PPO", runs, headline)
    elif peer_seeds:
        print(
            "stable-baselines3 is not installed, so its row is missing: "
            ".venv/bin/pip install -r tests/bench/requirements.txt"
        )
    for name, runs in raced.items():
        solved_row(name, runs, headline)


def main(arguments: list[str] | None = None) -> None:
    """Print the tables that the options ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--algorithms", nargs="+", choices=ALGORITHMS, default=ALGORITHMS)
    parser.add_argument("--seeds", type=int, default=10, help="runs of each fast preset")
    parser.add_argument("--peer-seeds", type=int, default=5, help="runs of stable-baselines3")
    parser.add_argument("--iterations", type=int, default=notebook.N_ITERATIONS)
    options = parser.parse_args(arguments)
    for name, least in (("seeds", 1), ("peer_seeds", 0), ("iterations", 1)):
        if getattr(options, name) < least:
            parser.error(f"--{name.replace('_', '-')} must be at least {least}.")
    raced = {}
    if "homework" in options.parts:
        compared = [name for name in options.algorithms if name in notebook.AGENTS]
        raced = homework(compared, options.iterations)
    if "solved" in options.parts:
        solved(options.algorithms, options.seeds, options.peer_seeds, raced)


PARTS = ("homework", "solved")

if __name__ == "__main__":
    main()
