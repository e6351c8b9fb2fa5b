"""The meters: what a run's own numbers and its first update say of its health."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pgcore.health.base import Finding
from pgcore.health.probe import Probe
from pgcore.stats import UpdateStats

SAME = 1e-5
"""A ratio this near 1 is 1: two passes over batches of different sizes round differently."""
FAR = 0.1
"""Approximate KL of one update, in nats, above which the rollout no longer describes the policy."""
CERTAIN, UNSURE = 0.15, 0.82
"""Normalised entropy below which a policy hardly explores, and above which it hardly prefers."""
TINY = 0.01
"""Mean gradient by log-probability, times the batch size; with normalised advantages it is 0.8."""
BLIND = 0.2
"""Explained variance that a value network exceeds at times, if it learns at all."""
ENOUGH = 10
"""Updates before entropy and explained variance say anything."""


def check(
    stats: Sequence[UpdateStats], seen: Probe, n_actions: int, n_updates: int
) -> tuple[Finding, ...]:
    """All meters; arguments as in health.check."""
    if not stats:
        raise ValueError("there is nothing to check before the first update.")
    return (
        _gradient_zero(seen),
        _gradient_tiny(seen),
        _first_ratio(seen),
        _ratio_stuck(seen),
        _epochs_without_ratio(seen),
        _kl_high(stats, seen),
        *_entropy(stats, n_actions, n_updates),
        _explained_variance(stats, n_updates),
    )


def _gradient_zero(seen: Probe) -> Finding:
    fired = seen.gradient == 0
    return Finding(
        "No gradient reaches the policy",
        fired,
        seen.gradient,
        "The gradient of the loss by every log-probability is zero or missing: the policy cannot "
        "move."
        if fired
        else "The loss has a gradient for the log-probabilities.",
    )


def _gradient_tiny(seen: Probe) -> Finding:
    return Finding(
        "Tiny gradient on the policy",
        0 < seen.gradient < TINY,
        seen.gradient,
        f"Mean |gradient| by log-probability, times the batch size: {seen.gradient:.2g}. With "
        f"normalised advantages it is near 0.8; below {TINY:g} they cancelled.",
    )


def _first_ratio(seen: Probe) -> Finding:
    off = seen.first_ratio
    return Finding(
        "Ratio not 1 on the first minibatch",
        off is not None and off > SAME,
        off,
        "The loss has no ratio."
        if off is None
        else f"Largest |ratio − 1| before anything moved: {off:.2g}. It must be 0.",
    )


def _ratio_stuck(seen: Probe) -> Finding:
    moved = seen.later_ratio
    return Finding(
        "Ratio stuck at 1",
        moved is not None and moved <= SAME,
        moved,
        "The loss has no ratio, or there is only one gradient step."
        if moved is None
        else f"Largest |ratio − 1| after the first of {seen.steps} gradient steps: {moved:.2g}. "
        "A policy that moves takes its ratio along.",
    )


def _epochs_without_ratio(seen: Probe) -> Finding:
    return Finding(
        "Rows reused without a ratio",
        seen.first_ratio is None and seen.epochs > 1,
        float(seen.epochs) if seen.first_ratio is None else None,
        f"{seen.epochs} pass(es) over each rollout, and "
        + ("no ratio in the loss." if seen.first_ratio is None else "a ratio in the loss."),
    )


def _kl_high(stats: Sequence[UpdateStats], seen: Probe) -> Finding:
    logged = [one.approx_kl for one in stats if one.approx_kl is not None]
    most = max([seen.kl, *logged])
    return Finding(
        "Approximate KL too high",
        most > FAR,
        most,
        f"Largest approximate KL of an update: {most:.2g} nats; above {FAR:g} the rollout no "
        "longer describes the policy."
        + ("" if logged else " The loss logs none: this is the first update's, measured apart."),
    )


def _entropy(
    stats: Sequence[UpdateStats], n_actions: int, n_updates: int
) -> tuple[Finding, Finding]:
    shares = [one.entropy / math.log(n_actions) for one in stats]
    last = _mean(shares[-max(1, len(shares) // 10) :])
    enough = len(shares) >= ENOUGH
    # A beginner is undecided, and rightly so.
    waits = len(stats) < n_updates
    measured = f"Entropy over the latest updates: {last:.0%} of its maximum, ln {n_actions}. "
    return (
        Finding(
            "Entropy collapsed",
            enough and last < CERTAIN,
            last,
            f"{measured}Below {CERTAIN:.0%} the policy hardly tries anything else.",
        ),
        Finding(
            "Entropy stuck near its maximum",
            enough and last > UNSURE and not waits,
            last,
            f"{measured}Above {UNSURE:.0%} after a whole run, it hardly came to prefer anything.",
            waits,
        ),
    )


def _explained_variance(stats: Sequence[UpdateStats], n_updates: int) -> Finding:
    """Low all along: even the best tenth of the updates. At a run's end it may be low in a good
    run, since the returns of an agent that never fails hardly vary."""
    known = sorted(one.explained_variance for one in stats if one.explained_variance is not None)
    waits = len(stats) < n_updates
    value = known[round(0.9 * (len(known) - 1))] if len(known) >= ENOUGH else None
    return Finding(
        "Explained variance low all along",
        value is not None and value < BLIND and not waits,
        value,
        f"There is no value network, or there were fewer than {ENOUGH} updates."
        if value is None
        else f"Reached in the best tenth of the updates: {value:.2f}. At 0 the value network is no "
        "better than a constant, below 0 it is worse.",
        waits and bool(known),
    )


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)
