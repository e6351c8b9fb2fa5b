"""What each bug costs on CartPole: whole runs over several seeds, kept in a table beside this file.

Made anew, in some minutes, by: python -m pgcore.studies.clinic_harm
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from pgcore.bugs import Bug, discover
from pgcore.checkpoints import write_atomically
from pgcore.evaluate import evaluate
from pgcore.train import Trainer

COMMAND = "python -m pgcore.studies.clinic_harm"
TABLE = Path(__file__).with_suffix(".csv")
SEEDS = range(10)
COLUMNS = ["bug", "fingerprint", "seed", "healthy", "broken", "healthy_way", "broken_way"]
HARMLESS, MILD = 0.95, 0.7
"""Share of the healthy mean above which a bug does no harm, or only some."""


@dataclass(frozen=True)
class Outcome:
    """A whole run in two numbers, both in units of return."""

    end: float
    """Mean return of fresh episodes with the weights at the end."""
    way: float
    """Mean over the updates of the mean return of the episodes that ended in each: how soon."""


@dataclass(frozen=True)
class Harm:
    """A bug's runs beside their healthy twins."""

    rows: pd.DataFrame
    """One row a seed: seed, healthy, broken, healthy_way, broken_way."""

    @property
    def healthy(self) -> float:
        """Mean return after training, over the seeds, without the bug."""
        return float(self.rows["healthy"].mean())

    @property
    def broken(self) -> float:
        """The same with it."""
        return float(self.rows["broken"].mean())

    @property
    def worse(self) -> int:
        """Seeds on which the broken run's agent is the worse one at the end."""
        return int((self.rows["broken"] < self.rows["healthy"]).sum())

    @property
    def verdict(self) -> str:
        """harmless, costs or hurts: by the agents at the end."""
        share = self.broken / self.healthy
        return "harmless" if share >= HARMLESS else "costs" if share >= MILD else "hurts"

    @property
    def slower(self) -> bool:
        """Whether the returns on the way were lower by more than a harmless share."""
        return float(self.rows["broken_way"].mean() / self.rows["healthy_way"].mean()) < HARMLESS


def outcome(trainer: Trainer) -> Outcome:
    """Train to the end, as a job does, and look at what came of it."""
    means = [float(np.mean(s.episode_returns)) for s in trainer.run() if s.episode_returns]
    trainer.envs.close()
    config = trainer.config
    end = evaluate(trainer.agent, config.env_id, seed=config.seed).mean
    return Outcome(end, float(np.mean(means)))


def fingerprint(bug: Bug) -> int:
    """A number that changes with a bug's settings or code: the table's rows are of this one."""
    return zlib.crc32(f"{bug.config.to_json()}\n{bug.difference()}".encode())


def harm(name: str) -> Harm | None:
    """What was measured of a bug; None for one that the table does not hold."""
    rows = _table()
    rows = rows[rows["bug"] == name]
    return None if rows.empty else Harm(rows.drop(columns=["bug", "fingerprint"]))


@cache
def _table() -> pd.DataFrame:
    return pd.read_csv(TABLE)


def measure(names: Iterable[str]) -> Iterator[pd.DataFrame]:
    """Run the bugs of these names and their twins over SEEDS: the table's rows, a bug at a time."""
    bugs = discover()
    healthy: dict[tuple[str, int], Outcome] = {}
    for name in names:
        bug = bugs[name]
        rows = []
        for seed in SEEDS:
            # Several bugs share a healthy twin.
            key = bug.config.to_json(), seed
            if key not in healthy:
                healthy[key] = outcome(bug.healthy_run(seed))
            well, ill = healthy[key], outcome(bug.broken_run(seed))
            rows.append((name, fingerprint(bug), seed, well.end, ill.end, well.way, ill.way))
        yield pd.DataFrame(rows, columns=COLUMNS).round(2)


def main() -> None:
    """Measure all bugs, or the named ones only, and write the table."""
    known = [name for name, bug in discover().items() if bug.metric == "episode_return"]
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("names", nargs="*", help="of bugs; all where none is given")
    names = parser.parse_args().names or known
    for name in names:
        if name not in known:
            parser.error(f"{name!r} is none of {', '.join(known)}.")
    table = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=COLUMNS)
    for rows in measure(names):
        others = table[table["bug"].isin(known) & ~table["bug"].isin(rows["bug"])]
        table = pd.concat([others, rows]).sort_values(["bug", "seed"])
        write_atomically(TABLE, table.to_csv(index=False).encode())
        print(rows.drop(columns="fingerprint").to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
