"""Meters out of their range: what an update shows when a run is about to collapse.

Each threshold stands between what healthy runs reached (275: the fast presets on CartPole, 50 seeds
each and 100 of PPO, and on Acrobot where they learn it; 10 of the homework presets) and what runs
made to collapse reached (88: fast presets, learning rate times 10 or 30, or a clip of 0.99 with 10
or 30 epochs):

    meter                                healthy         made to collapse
    approximate KL of an update          at most 0.17    1.4 or more, all 40 of PPO
    ratio spread                         at most 0.59    0.73 to 638; above 1 in 30 of 40
    normalised entropy, return poor      at least 0.29   at most 0.22; below 0.1 in 75 of 88
    normalised entropy, return fallen    at least 0.58   at most 0.23
    gradient norm / its usual one        at most 9.3     up to 308; above 20 in 11 of 88
    explained variance, return fallen    at least -0.24  down to -18; below -1 in 18 of 37
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from pgcore.config import PRESETS, TrainConfig
from pgcore.stats import UpdateStats

RULES = {
    "kl": "ppo_clip",
    "ratio_spread": "ppo_clip",
    "entropy": "log_probs",
    "grad_norm": "reinforce",
    "explained_variance": "baselines",
    "return": "",
}
"""Every rule and the chapter that explains it, the likeliest cause of a fall first. A fall of the
return is explained where its cause is."""
KL_JUMP = 0.3
"""Approximate KL of an update, in nats."""
WIDE = 1.0
"""Ratio spread at which two old samples are worth one fresh one."""
CERTAIN = 0.1
"""Normalised entropy below which a policy hardly explores; trouble while its return is poor."""
NARROW = 0.5
"""Normalised entropy that explains a fall of the return; a good policy may be as certain."""
BURST = 20.0
"""Gradient norm, as a multiple of the largest median that ten updates before had."""
WORSE = -1.0
"""Explained variance: the errors vary twice as much as the returns do."""

_MUCH = 3.0
"""A setting this many times its preset's is named as the likely cause."""
_LOOSE = 0.5
"""A clip range of this half width hardly ever holds a ratio back."""


@dataclass(frozen=True)
class Sign:
    """A meter out of its range, at one update."""

    rule: str
    """One of RULES."""
    update: int
    value: float
    """What was measured; infinite where 32-bit numbers could not hold it."""
    threshold: float
    """What it went past."""
    phrase: str
    """What happened, to go on with: no capital, no full stop."""

    @property
    def rank(self) -> tuple[int, int]:
        """The likeliest cause of a fall first, the latest among equals."""
        return list(RULES).index(self.rule), -self.update


def signs(one: UpdateStats, n_actions: int | None, usual_norm: float) -> list[Sign]:
    """The meters of an update that are out of their range.

    Args:
        one: the update.
        n_actions: of the environment: ln n_actions is the largest entropy. None: not known.
        usual_norm: largest median gradient norm of the updates before; infinite: not known.
    """
    found = []

    def sign(rule: str, value: float, threshold: float, phrase: str) -> None:
        found.append(Sign(rule, one.update, value, threshold, phrase))

    kl, spread = _number(one.approx_kl), _number(one.ratio_spread)
    if kl > KL_JUMP:
        text = f"approximate KL {_shown(kl, ' nats')}, above {KL_JUMP:g}"
        sign("kl", kl, KL_JUMP, f"one update threw the policy far from its rollout ({text})")
    if spread > WIDE:
        text = f"standard deviation {_shown(spread)}, above {WIDE:g}"
        phrase = f"the ratios spread so wide within one update ({text}) that an old sample"
        sign("ratio_spread", spread, WIDE, f"{phrase} was worth {_worth(spread)} of a fresh one")
    share = one.entropy / math.log(n_actions) if n_actions else 1.0
    if share < CERTAIN:
        text = f"entropy {share:.0%} of its maximum, below {CERTAIN:.0%}"
        sign("entropy", share, CERTAIN, f"the policy hardly tried anything else any more ({text})")
    elif share < NARROW:
        sign("entropy", share, NARROW, f"the entropy sank to {share:.0%} of its maximum")
    # Nothing is a multiple of the 0 that a dead network's gradient is.
    times = one.grad_norm / usual_norm if usual_norm else 0.0
    if times > BURST:
        text = f"{times:.0f} times what was usual before, above {BURST:g} times"
        sign("grad_norm", times, BURST, f"the gradient norm burst ({text})")
    explained = one.explained_variance
    if explained is not None and explained < WORSE:
        text = f"explained variance {explained:.1f}, below {WORSE:g}"
        phrase = f"the value network was far worse than a constant ({text})"
        sign("explained_variance", explained, WORSE, phrase)
    return found


def likely_cause(config: TrainConfig) -> str:
    """What in the settings makes steps too large, compared with the preset that is nearest."""
    presets = {name: TrainConfig.preset(name, config.algorithm) for name in PRESETS}
    name = min(presets, key=lambda each: _differences(presets[each], config))
    times = config.learning_rate / presets[name].learning_rate
    steps, usual = _gradient_steps(config), _gradient_steps(presets[name])
    if times >= _MUCH:
        rate = f"the learning rate, {config.learning_rate:g},"
        return f"{rate} is {times:.3g} times the {name} preset's"
    if config.algorithm == "ppo" and config.clip_eps >= _LOOSE:
        return f"with ε = {config.clip_eps:g}, the clip holds almost nothing back"
    if steps >= _MUCH * usual:
        return f"{steps} gradient steps on one rollout, where the {name} preset takes {usual}"
    return "steps too large for these data; a lower learning rate makes them smaller"


def _differences(one: TrainConfig, other: TrainConfig) -> int:
    return sum(getattr(one, each.name) != getattr(other, each.name) for each in fields(one))


def _gradient_steps(config: TrainConfig) -> int:
    """In one update."""
    size = config.minibatch_size or config.rows_per_update
    return config.n_epochs * math.ceil(config.rows_per_update / size)


def _number(meter: float | None) -> float:
    """0 where the meter does not exist; infinite where 32-bit numbers could not hold it."""
    if meter is None:
        return 0.0
    return meter if math.isfinite(meter) else math.inf


def _shown(value: float, unit: str = "") -> str:
    return f"{value:.2g}{unit}" if value < math.inf else "beyond what 32-bit numbers hold"


def _worth(spread: float) -> str:
    """Kish's effective sample size, as a share."""
    share = 1 / (1 + spread**2)
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"
