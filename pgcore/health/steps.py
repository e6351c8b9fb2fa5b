"""Tests of an update's gradient steps: which rows, which way, and whom the clip silences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pgcore.agents import Agent, Loss
from pgcore.health.base import Finding
from pgcore.trajectory import Batch

ALIKE = 1e-3
"""Spread of the gradients, as a share of their size, below which they are all the same."""
IN_LINE = 0.5
"""Correlation of pushes with advantages below which they do not belong together; it is 1."""


@dataclass(frozen=True)
class Step:
    """One gradient step, by sample."""

    epoch: int
    rows: Tensor
    """(B,): positions in the flattened rollout."""
    weights: Tensor
    """(B,): the advantage, or the return where there is no value network."""
    gradient: Tensor | None
    """(B,): of the total loss by each log-probability; None where none arrived."""
    ratio: Tensor | None
    """(B,): None for a loss without a ratio."""

    @property
    def off(self) -> float | None:
        """Largest |ratio - 1|."""
        return None if self.ratio is None else float((self.ratio - 1).abs().max())


@torch.no_grad()
def look(
    agent: Agent, epoch: int, rows: Tensor, batch: Batch, log_probs: Tensor, loss: Loss
) -> Step:
    """What a train.Recorder is shown, kept."""
    weights = batch.advantages
    if weights is None:
        weights = batch.returns
        if agent.uses_value:
            weights = weights - agent.predict_values(batch.states)
    gradient = None if log_probs.grad is None else log_probs.grad.clone()
    ratio = None if loss.surrogate is None else loss.surrogate.ratio.detach()
    return Step(epoch, rows, weights, gradient, ratio)


def tests(steps: Sequence[Step], valid: Tensor, clip_eps: float) -> tuple[Finding, ...]:
    """All of them.

    Args:
        steps: of one update, in order.
        valid: (T, N), False on the rows in which an environment only reset itself.
        clip_eps: half width of the clip's range.
    """
    return (_reset_rows(steps, valid), _direction(steps[0]), _way_back(steps, clip_eps))


def _reset_rows(steps: Sequence[Step], valid: Tensor) -> Finding:
    used = torch.cat([step.rows for step in steps if step.epoch == 0])
    resets = int((~valid.flatten()[used]).sum())
    return Finding(
        "Reset rows in the loss",
        resets > 0,
        resets / len(used),
        f"Of {len(used):,} rows in the loss, in {resets:,} an environment only reset itself: their "
        "actions did nothing.",
        is_test=True,
    )


def _direction(first: Step) -> Finding:
    along = None
    if first.gradient is not None and first.gradient.any() and first.weights.std() > 0:
        # Alike but for rounding: no action is pushed by what is its own.
        alike = first.gradient.std() < ALIKE * first.gradient.abs().mean()
        pair = torch.stack([-first.gradient, first.weights])
        along = 0.0 if alike else float(torch.corrcoef(pair)[0, 1])
    return Finding(
        "Pushes do not follow the advantages",
        along is not None and along < IN_LINE,
        along,
        "No action is pushed at all."
        if along is None
        else "Correlation of each action's push with its own advantage, in the first gradient "
        f"step: {along:.2f}. It must be 1; at −1 good actions become less likely.",
        is_test=True,
    )


def _way_back(steps: Sequence[Step], clip_eps: float) -> Finding:
    name = "No way back from outside the range"
    strayed = silent = 0
    for step in steps:
        if step.ratio is None or step.gradient is None:
            continue
        above, below = step.ratio > 1 + clip_eps, step.ratio < 1 - clip_eps
        against = (above & (step.weights < 0)) | (below & (step.weights > 0))
        strayed += int(against.sum())
        silent += int((step.gradient[against] == 0).sum())
    if not strayed:
        sentence = "The loss has no ratio, or no sample left the range on the wrong side."
        return Finding(name, False, None, sentence, is_test=True)
    return Finding(
        name,
        silent > strayed / 2,
        silent / strayed,
        f"Of {strayed:,} samples whose ratio left the range against their advantage, {silent:,} "
        "have no gradient. Such samples must be pulled back.",
        is_test=True,
    )
