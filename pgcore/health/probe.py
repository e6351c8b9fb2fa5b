"""One update seen from inside, by way of Trainer.recorder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pgcore.agents import Loss
from pgcore.health import rollout, steps
from pgcore.health.base import Finding
from pgcore.losses import approx_kl
from pgcore.stats import UpdateStats
from pgcore.train import Trainer
from pgcore.trajectory import Batch


@dataclass(frozen=True)
class Probe:
    """What was seen in one update."""

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
    tests: tuple[Finding, ...]
    """What the rollout and the gradient steps answered."""


def probe(trainer: Trainer) -> tuple[UpdateStats, Probe]:
    """The trainer's next rollout and update, and what was seen inside it.

    Args:
        trainer: goes one update further, as it would have without this; its recorder is free
            afterwards.
    Raises:
        TrainingDiverged: if the update does.
    """
    seen: list[steps.Step] = []

    def tape(epoch: int, rows: Tensor, batch: Batch, log_probs: Tensor, loss: Loss) -> None:
        seen.append(steps.look(trainer.agent, epoch, rows, batch, log_probs, loss))

    traj = trainer.rollout()
    # The trainer may lose sight of these when it estimates: a bug of its own.
    valid = traj.valid.clone()
    asked = rollout.tests(trainer, traj)
    trainer.recorder = tape
    try:
        stats = trainer.update()
    finally:
        trainer.recorder = None
    with torch.no_grad():
        after = trainer.agent.distribution(traj.states).log_prob(traj.actions)
        moved = (after - traj.log_probs)[valid]
    ratios = [step.off for step in seen if step.off is not None]
    first = seen[0].gradient
    return stats, Probe(
        epochs=seen[-1].epoch + 1,
        steps=len(seen),
        first_ratio=ratios[0] if ratios else None,
        later_ratio=max(ratios[1:], default=None),
        gradient=0.0 if first is None else float(first.abs().sum()),
        kl=float(approx_kl(moved)),
        tests=(*steps.tests(seen, valid, trainer.config.clip_eps), *asked),
    )
