"""What gives a bug of the loss away: gradients, shapes and ratios of one update."""

from __future__ import annotations

import torch
from torch import Tensor

from pgcore import health
from pgcore.agents import Loss
from pgcore.train import Trainer
from pgcore.trajectory import Batch

Facts = dict[str, str]
"""What was measured -> its value, as text."""
UPDATES = 30
"""Enough for values that are pushed to run away."""


def detached_log_probs(trainer: Trainer) -> Facts:
    """Whether a gradient arrives, and whether a weight moves."""
    before = _weights(trainer)
    _, _, _, gradient = _first_step(trainer)
    moved = float((_weights(trainer) - before).abs().max())
    return {
        "Largest gradient by a log-probability, times B": f"{float(gradient.abs().max()):.3g}",
        "Largest move of a policy weight in one update": f"{moved:.3g}",
    }


def missing_minus(trainer: Trainer) -> Facts:
    """Which way samples with a positive advantage are pushed."""
    batch, _, _, gradient = _first_step(trainer)
    assert batch.advantages is not None
    good = batch.advantages > 0
    # Adam steps against the gradient.
    return {
        "Good actions (A > 0) made more likely": f"{float((gradient[good] < 0).float().mean()):.0%}"
    }


def broadcast(trainer: Trainer) -> Facts:
    """The shape of the product, by the loss's own arithmetic, and what is left of the gradient."""
    batch, log_probs, _, gradient = _first_step(trainer)
    assert batch.advantages is not None
    is_broken = type(trainer.agent).__name__ == "BroadcastingVPG"
    weights = batch.advantages.unsqueeze(-1) if is_broken else batch.advantages
    return {
        "log_probs": _shape(log_probs),
        "advantages": _shape(weights),
        "log_probs * advantages": _shape(log_probs * weights),
        "Mean |gradient| by log-probability, times B": f"{float(gradient.abs().mean()):.2g}",
    }


def advantage_not_detached(trainer: Trainer) -> Facts:
    """The policy loss's gradient by the values, and where it drives them."""
    traj = trainer.rollout()
    trainer.estimate(traj)
    batch = traj.rows(torch.arange(traj.valid.numel()))
    values = trainer.agent.predict_values(batch.states)
    log_probs = trainer.agent.distribution(batch.states).log_prob(batch.actions)
    loss = trainer.agent.loss(log_probs, values, batch).policy
    (gradient,) = torch.autograd.grad(loss, values, allow_unused=True)
    mean = 0.0 if gradient is None else float(gradient.mean()) * len(values)
    for _ in range(UPDATES):
        trainer.update()
        traj = trainer.rollout()
    with torch.no_grad():
        driven = float(trainer.agent.predict_values(traj.states).mean())
    most = 1 / (1 - trainer.config.gamma)
    return {
        "Mean d(policy loss) / dV, times B": f"{mean:.2g}",
        f"Mean V after {UPDATES} updates": f"{driven:.0f}",
        "Most that rewards of 1 can ever return, 1 / (1 − γ)": f"{most:.0f}",
    }


def epochs_without_ratio(trainer: Trainer) -> Facts:
    """How often a rollout is used, and how far the policy goes on it."""
    return _reuse(trainer)


def stale_ratio(trainer: Trainer) -> Facts:
    """What the loss takes for the ratio, beside how far the policy really went."""
    return _reuse(trainer)


def _reuse(trainer: Trainer) -> Facts:
    _, seen = health.probe(trainer)
    ratio = "no ratio" if seen.later_ratio is None else f"{seen.later_ratio:.3g}"
    return {
        "Passes over one rollout": f"{seen.epochs}",
        "Largest |ratio − 1| in the loss": ratio if seen.first_ratio is not None else "no ratio",
        "Approximate KL by the stored log-probabilities": f"{seen.kl:.2g}",
    }


def clip_without_min(trainer: Trainer) -> Facts:
    """Of the samples outside the range, those without a gradient."""
    trainer.rollout()
    stats = trainer.update()
    assert stats.clip_fraction is not None and stats.zero_gradient_fraction is not None
    return {
        "Samples outside the range": f"{stats.clip_fraction:.1%}",
        "Samples without a gradient": f"{stats.zero_gradient_fraction:.1%}",
    }


def _first_step(trainer: Trainer) -> tuple[Batch, Tensor, Loss, Tensor]:
    """The batch, log-probs, loss and sample-wise gradient of the next update's first step."""
    seen: list[tuple[Batch, Tensor, Loss, Tensor]] = []

    def tape(epoch: int, rows: Tensor, batch: Batch, log_probs: Tensor, loss: Loss) -> None:
        gradient = torch.zeros_like(log_probs) if log_probs.grad is None else log_probs.grad.clone()
        seen.append((batch, log_probs.detach(), loss, gradient * len(rows)))

    trainer.recorder = tape
    trainer.rollout()
    trainer.update()
    trainer.recorder = None
    return seen[0]


def _weights(trainer: Trainer) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in trainer.agent.policy.parameters()])


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))}{',' * (tensor.ndim == 1)})"
