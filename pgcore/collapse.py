"""Why did it collapse? Rules over the numbers of a run, each a sentence where trouble began.

A rule looks back only, so an incident that was found stays where it is while the run goes on.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pgcore.config import TrainConfig
from pgcore.environments import OFFERED
from pgcore.stats import UpdateStats
from pgcore.symptoms import CERTAIN, RULES, Sign, likely_cause, signs

HALF = 0.5
"""Less than this share of what a run had gained, from an untrained agent's level to its best, is a
fall."""
CALM = 10
"""Updates without it after which trouble is over, and the next one is news."""
LOOKBACK = 15
"""Updates before a fall in which its cause is looked for."""
EPISODES = 20
"""Episodes behind a return, at least."""
AGREE = 2.0
"""Factor within which two measures of the return must be for either to be trusted."""
NORMS = 10
"""Updates behind the median of the gradient norm."""


@dataclass(frozen=True)
class Incident:
    """Where trouble began, what was measured there, and what it means."""

    update: int
    env_steps: int
    rule: str
    """One of symptoms.RULES."""
    value: float
    """What was measured, in the unit of symptoms.Sign; for a fall, the return."""
    threshold: float
    """What it went past."""
    what: str
    """What happened, as a sentence."""
    cause: str
    """What in the settings makes it likely, as a sentence."""
    chapter: str
    """Where it is explained: the chapter's name in the app's addresses."""


def diagnose(stats: Sequence[UpdateStats], config: TrainConfig) -> tuple[Incident, ...]:
    """What went wrong in a run, in the order in which it did; empty for a healthy one.

    Each rule speaks once per episode of trouble, and never takes back what it said: the result for
    a longer run begins with the result for its beginning. Rules about the return need an
    environment of OFFERED, which says what a good return is.

    Args:
        stats: the run's updates so far.
        config: its settings, from which the likely cause is read.
    """
    watch = _Watch(config)
    return tuple(incident for one in stats for incident in watch.see(one))


class _Watch:
    """Reads a run update by update."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.cause = f"Likely cause: {likely_cause(config)}."
        offered = OFFERED.get(config.env_id)
        self.solved_at = offered.solved_at if offered else math.nan
        self.untrained = offered.untrained if offered else math.nan
        self.n_actions = len(offered.actions) if offered else None
        self.window: deque[tuple[float, tuple[float, ...]]] = deque()
        self.ended = 0
        self.best = -math.inf
        self.norms: deque[float] = deque(maxlen=NORMS)
        self.usual_norm = math.inf
        self.signs: deque[Sign] = deque()
        self.last_seen: dict[str, int] = {}

    def see(self, one: UpdateStats) -> list[Incident]:
        """What the next update adds."""
        level = self._level(one)
        found = signs(one, self.n_actions, self.usual_norm)
        self._remember(one.grad_norm)
        new = [sign for sign in found if self._counts(sign, level)]
        self.signs.extend(new)
        while self.signs and self.signs[0].update < one.update - LOOKBACK:
            self.signs.popleft()
        told = [
            self._incident(one, sign, RULES[sign.rule])
            for sign in new
            if self._is_trouble(sign, level) and self._is_news(sign.rule, one.update)
        ]
        # A fall without any sign is a noisy rollout's doing: healthy runs have such falls, and
        # recover.
        if self._has_fallen(level) and self.signs and self._is_news("return", one.update):
            assert level is not None
            told.append(self._fall(one, level, min(self.signs, key=lambda sign: sign.rank)))
        return told

    def _remember(self, grad_norm: float) -> None:
        """The usual norm is the median of NORMS updates where it was largest.

        Not that of the last ones: once a task is solved, the gradient nearly vanishes, and any
        gradient is many times nothing.
        """
        self.norms.append(grad_norm)
        if len(self.norms) == NORMS:
            before = self.usual_norm if self.usual_norm < math.inf else 0.0
            self.usual_norm = max(before, median(self.norms))

    def _level(self, one: UpdateStats) -> float | None:
        """The mean return over the last updates in which EPISODES ended; None if not to be trusted.

        That is where it is far from the rewards by episode that ended: early in a run and where
        every rollout starts afresh, only short episodes end; and many may reach the time limit
        together.
        """
        rewards = one.reward_per_step * self.config.rows_per_update
        self.window.append((rewards, one.episode_returns))
        self.ended += len(one.episode_returns)
        while self.ended - len(self.window[0][1]) >= EPISODES:
            self.ended -= len(self.window.popleft()[1])
        if self.ended < EPISODES or math.isnan(self.solved_at):
            return None
        mean = math.fsum(each for _, returns in self.window for each in returns) / self.ended
        by_rewards = math.fsum(each for each, _ in self.window) / self.ended
        if mean == 0 or not 1 / AGREE < by_rewards / mean < AGREE:
            return None
        self.best = max(self.best, mean)
        return mean

    def _counts(self, sign: Sign, level: float | None) -> bool:
        # While the return is poor for want of learning, or perfect, returns hardly vary, and a
        # healthy value network explains nothing either.
        return sign.rule != "explained_variance" or self._has_fallen(level)

    def _is_trouble(self, sign: Sign, level: float | None) -> bool:
        return sign.rule != "entropy" or (sign.value < CERTAIN and self._is_poor(level))

    def _is_poor(self, level: float | None) -> bool:
        return level is not None and level < self._half_way_to(self.solved_at)

    def _has_fallen(self, level: float | None) -> bool:
        """It was good once, and less than HALF of what it had gained by then is left."""
        if level is None or self._is_poor(self.best):
            return False
        return level < self._half_way_to(self.best)

    def _half_way_to(self, level: float) -> float:
        return self.untrained + HALF * (level - self.untrained)

    def _is_news(self, rule: str, update: int) -> bool:
        before = self.last_seen.get(rule, -math.inf)
        self.last_seen[rule] = update
        return update - before > CALM

    def _fall(self, one: UpdateStats, level: float, cause: Sign) -> Incident:
        text = f"the return fell from {self.best:.0f} to {level:.0f}; before it"
        sign = Sign(
            "return", one.update, level, self._half_way_to(self.best), f"{text}, {cause.phrase}"
        )
        return self._incident(one, sign, RULES[cause.rule])

    def _incident(self, one: UpdateStats, sign: Sign, chapter: str) -> Incident:
        return Incident(
            update=one.update,
            env_steps=one.env_steps,
            rule=sign.rule,
            value=sign.value,
            threshold=sign.threshold,
            what=f"{sign.phrase[0].upper()}{sign.phrase[1:]}.",
            cause=self.cause,
            chapter=chapter,
        )
