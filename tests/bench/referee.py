"""CPU seconds until CartPole-v1 is solved, by one definition for whoever trains.

Solved: mean return of 100 fresh episodes, sampled policy, at least 475, with a seed that training
does not use. The clock is CPU time of this process, and it stands while the referee evaluates.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pgcore.config import TrainConfig
from pgcore.environments import OFFERED
from pgcore.evaluate import evaluate
from pgcore.train import Trainer

ENV_ID = "CartPole-v1"
SOLVED_AT = OFFERED[ENV_ID].solved_at
EVALUATE_EVERY = 2_048
"""Steps of training between two evaluations, or one update where that is longer."""


class Referee:
    """Keeps the time of one run and judges it."""

    def __init__(self, seed: int = 0, evaluate_every: int = EVALUATE_EVERY) -> None:
        self.seed = 10_000 + seed
        self.evaluate_every = evaluate_every
        self.seconds = 0.0
        self.steps = 0
        self.final_return = 0.0
        self.solved_seconds: float | None = None
        self.solved_steps: int | None = None
        self._judged_at = 0

    def start(self) -> None:
        """The clock runs from here."""
        self._started = time.process_time()

    def stop(self) -> None:
        """The clock stands from here."""
        self.seconds += time.process_time() - self._started

    def judge(self, steps: int, agent: Any, last: bool = False) -> None:
        """Evaluate agent.policy after so many steps of training, if it is time."""
        self.steps = steps
        if not last and steps - self._judged_at < self.evaluate_every:
            return
        self._judged_at = steps
        self.final_return = evaluate(agent, ENV_ID, 100, self.seed).mean
        if self.solved_seconds is None and self.final_return >= SOLVED_AT:
            self.solved_seconds, self.solved_steps = self.seconds, steps


def timed_run(
    config: TrainConfig,
    until_solved: bool = False,
    make_trainer: Callable[[TrainConfig], Trainer] = Trainer,
) -> Referee:
    """Train a config of this project, to its end or until it is solved."""
    referee = Referee(config.seed)
    referee.start()
    trainer = make_trainer(config)
    for stats in trainer.run():
        referee.stop()
        referee.judge(stats.env_steps, trainer.agent, last=stats.update == config.n_updates)
        if until_solved and referee.solved_seconds is not None:
            break
        referee.start()
    return referee
