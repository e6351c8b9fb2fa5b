"""Is this run well? What a first look at its numbers can tell, without knowing the cause."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pgcore.agents import Loss
from pgcore.losses import approx_kl
from pgcore.stats import UpdateStats
from pgcore.train import Trainer
from pgcore.trajectory import Batch

SAME = 1e-5
"""A ratio this near 1 is 1: two passes over batches of different sizes round differently."""
FAR = 0.1
"""Approximate KL of one update, in nats, above which the rollout no longer describes the policy."""
CERTAIN, UNSURE = 0.15, 0.82
"""Normalised entropy below which a policy hardly explores, and above which it hardly prefers."""
TINY = 0.01
"""Mean gradient by log-probability, times the batch size; with normalised advantages it is 0.8."""
BLIND = 0.3
"""Explained variance that a value network exceeds at times, if it learns at all."""
ENOUGH = 10
"""Updates before entropy and explained variance say anything."""


@dataclass(frozen=True)
class Probe:
    """One update seen from inside: its gradient steps, by way of Trainer.recorder."""

    epochs: int
    """Passes over the rollout."""
    steps: int
    """Gradient steps."""
    first_ratio: float | None
    """Largest |ratio - 1| in the first gradient step; None for a loss without a ratio."""
    later_ratio: float | None
    """The same over all later steps; None also where there are none."""
    gradient: float
    """Mean |d loss / d log_prob| in the first step times its batch size: for a mean over the batch,
    the mean |advantage|. 0 where no gradient reaches the policy."""
    kl: float
    """Approximate KL between the policy that acted and the one after the update, in nats, over the
    rollout: how far the policy really went, whatever the loss compares."""


@dataclass(frozen=True)
class Finding:
    """What one check says of a run."""

    name: str
    fired: bool
    value: float | None
    """What was measured; None where the check does not apply."""
    sentence: str


class _Tape:
    """A train.Recorder that measures what it is shown."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.ratios: list[float] = []
        self.gradient = 0.0

    def __call__(
        self, epoch: int, rows: Tensor, batch: Batch, log_probs: Tensor, loss: Loss
    ) -> None:
        if not self.epochs and log_probs.grad is not None:
            self.gradient = float(log_probs.grad.abs().sum())
        self.epochs.append(epoch)
        if loss.surrogate is not None:
            self.ratios.append(float((loss.surrogate.ratio.detach() - 1).abs().max()))


def probe(trainer: Trainer) -> tuple[UpdateStats, Probe]:
    """The trainer's next rollout and update, and what was seen inside it.

    Args:
        trainer: goes one update further; its recorder is free afterwards.
    Raises:
        TrainingDiverged: if the update does.
    """
    tape = _Tape()
    trainer.recorder = tape
    try:
        traj = trainer.rollout()
        stats = trainer.update()
    finally:
        trainer.recorder = None
    with torch.no_grad():
        after = trainer.agent.distribution(traj.states).log_prob(traj.actions)
        moved = (after - traj.log_probs)[traj.valid]
    return stats, Probe(
        epochs=max(tape.epochs) + 1,
        steps=len(tape.epochs),
        first_ratio=tape.ratios[0] if tape.ratios else None,
        later_ratio=max(tape.ratios[1:], default=None),
        gradient=tape.gradient,
        kl=float(approx_kl(moved)),
    )


def check(stats: Sequence[UpdateStats], seen: Probe, n_actions: int) -> tuple[Finding, ...]:
    """All checks, in the order in which one should look.

    Args:
        stats: the run so far; at least one update.
        seen: its first update from inside.
        n_actions: of the environment; ln n_actions is the largest entropy there is.
    Raises:
        ValueError: without an update.
    """
    if not stats:
        raise ValueError("there is nothing to check before the first update.")
    return (
        _gradient_zero(seen),
        _gradient_tiny(seen),
        _first_ratio(seen),
        _ratio_stuck(seen),
        _epochs_without_ratio(seen),
        _kl_high(stats, seen),
        *_entropy(stats, n_actions),
        _explained_variance(stats),
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


def _entropy(stats: Sequence[UpdateStats], n_actions: int) -> tuple[Finding, Finding]:
    shares = [one.entropy / math.log(n_actions) for one in stats]
    last = _mean(shares[-max(1, len(shares) // 10) :])
    enough = len(shares) >= ENOUGH
    measured = f"Entropy at the end: {last:.0%} of its maximum, ln {n_actions}. "
    return (
        Finding(
            "Entropy collapsed",
            enough and last < CERTAIN,
            last,
            f"{measured}Below {CERTAIN:.0%} the policy hardly tries anything else.",
        ),
        Finding(
            "Entropy stuck near its maximum",
            enough and last > UNSURE,
            last,
            f"{measured}Above {UNSURE:.0%} after a whole run, it hardly came to prefer anything.",
        ),
    )


def _explained_variance(stats: Sequence[UpdateStats]) -> Finding:
    """Low all along: even the best tenth of the updates. At a run's end it may be low in a good
    run, since the returns of an agent that never fails hardly vary."""
    known = sorted(one.explained_variance for one in stats if one.explained_variance is not None)
    value = known[round(0.9 * (len(known) - 1))] if len(known) >= ENOUGH else None
    return Finding(
        "Explained variance low all along",
        value is not None and value < BLIND,
        value,
        f"There is no value network, or there were fewer than {ENOUGH} updates."
        if value is None
        else f"Reached in the best tenth of the updates: {value:.2f}. At 0 the value network is no "
        "better than a constant, below 0 it is worse.",
    )


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)
