"""Tests of one rollout: change one thing in it, estimate again, and see what follows from that."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from pgcore.health.base import Finding
from pgcore.train import Trainer
from pgcore.trajectory import TrajData

NONE = 1e-4
"""A return that changed by less did not change, and a bootstrap this small is none."""
CHANCE = 6.0
"""Standard deviations that sampling does not reach by chance."""


def tests(trainer: Trainer, traj: TrajData) -> tuple[Finding, ...]:
    """All of them; trainer and rollout stay as they are.

    Args:
        traj: fresh from trainer.rollout(), not learned from yet.
    """
    ended = traj.terminated | traj.truncated
    return (
        _leak(trainer, traj, ended),
        _past(trainer, traj),
        _time_limit(trainer, traj, ended),
        _last_row(trainer, traj, ended),
        _attached(trainer, traj),
        _sampling(trainer, traj),
        _outputs(trainer, traj),
    )


def _estimated(trainer: Trainer, traj: TrajData, **changed: Tensor) -> TrajData:
    """What the trainer makes of the rollout with some fields replaced."""
    other = copy.copy(traj)
    for name, field in changed.items():
        setattr(other, name, field)
    trainer.estimate(other)
    return other


def _moved(trainer: Trainer, traj: TrajData, where: Tensor) -> Tensor:
    """How much each return changes if the rewards there are higher by 1."""
    before = _estimated(trainer, traj).returns
    return (_estimated(trainer, traj, rewards=traj.rewards + where).returns - before).abs()


def _leak(trainer: Trainer, traj: TrajData, ended: Tensor) -> Finding:
    later = (ended.cumsum(0) - ended.long()) > 0
    most = float(_moved(trainer, traj, later)[~later].max()) if later.any() else None
    return Finding(
        "Returns leak across episodes",
        most is not None and most > NONE,
        most,
        "No episode ended in the rollout."
        if most is None
        else f"With 1 more reward a step in later episodes, the first episode's returns change by "
        f"up to {most:.2g}. They must not.",
        is_test=True,
    )


def _past(trainer: Trainer, traj: TrajData) -> Finding:
    first = torch.zeros_like(traj.valid)
    first[0] = True
    most = float(_moved(trainer, traj, first)[1:].max())
    return Finding(
        "Returns count what came before",
        most > NONE,
        most,
        f"With 1 more reward on the first step, the returns of later steps change by up to "
        f"{most:.2g}. No action can cause what came before it.",
        is_test=True,
    )


def _time_limit(trainer: Trainer, traj: TrajData, ended: Tensor) -> Finding:
    t = traj.n_steps // 2
    going_on = traj.valid[t] & ~ended[t]
    follows = None
    if trainer.agent.uses_value and going_on.any():
        truncated = traj.truncated.clone()
        truncated[t] |= going_on
        returns = _estimated(trainer, traj, truncated=truncated).returns
        follows = (returns[t] - traj.rewards[t])[going_on]
    return _bootstrap(
        "Time limit taken for an end",
        f"Step {t + 1}, declared cut by a time limit",
        follows,
    )


def _last_row(trainer: Trainer, traj: TrajData, ended: Tensor) -> Finding:
    going_on = traj.valid[-1] & ~ended[-1]
    follows = None
    if trainer.agent.uses_value and going_on.any():
        follows = (_estimated(trainer, traj).returns[-1] - traj.rewards[-1])[going_on]
    return _bootstrap("Last row taken for an end", "The rollout's last row", follows)


def _bootstrap(name: str, what: str, follows: Tensor | None) -> Finding:
    """Of what a return adds to the step's own reward, where the episode would have gone on."""
    most = None if follows is None else float(follows.abs().max())
    if most is not None and most < NONE:
        most = 0.0  # but for rounding
    return Finding(
        name,
        most == 0,
        most,
        "There is no value network to say what would follow."
        if most is None
        else f"{what}: returns add up to {most:.2g} for what would follow. 0 would say that "
        "nothing does.",
        is_test=True,
    )


def _attached(trainer: Trainer, traj: TrajData) -> Finding:
    name = "Policy loss pushes the values"
    if not trainer.agent.uses_value:
        return Finding(name, False, None, "There is no value network.", is_test=True)
    batch = _estimated(trainer, traj).rows(traj.valid.flatten().nonzero().squeeze(-1))
    values = trainer.agent.predict_values(batch.states)
    log_probs = trainer.agent.distribution(batch.states).log_prob(batch.actions)
    loss = trainer.agent.loss(log_probs, values, batch).policy
    gradient = None
    if loss.requires_grad:
        (gradient,) = torch.autograd.grad(loss, values, allow_unused=True)
    push = 0.0 if gradient is None else float(gradient.abs().sum())
    return Finding(
        name,
        push > 0,
        push,
        f"Mean |gradient| of the policy loss by V(s), times the batch size: {push:.2g}. It must "
        "be 0: for the policy, an advantage is a constant.",
        is_test=True,
    )


@torch.no_grad()
def _sampling(trainer: Trainer, traj: TrajData) -> Finding:
    probs = trainer.agent.distribution(traj.states).probs
    likeliest, best = probs.max(-1)
    taken = (traj.actions == best).float()
    off = float((taken - likeliest).sum() / (likeliest * (1 - likeliest)).sum().sqrt())
    return Finding(
        "Actions not sampled from the policy",
        abs(off) > CHANCE,
        off,
        f"The likeliest action was taken in {float(taken.mean()):.0%} of the rows; its mean "
        f"probability is {float(likeliest.mean()):.0%}. Apart by {off:.1f} standard deviations.",
        is_test=True,
    )


@torch.no_grad()
def _outputs(trainer: Trainer, traj: TrajData) -> Finding:
    outputs = trainer.agent.policy(traj.states)
    off = float((outputs.sum(-1) - 1).abs().max())
    return Finding(
        "Network puts out probabilities",
        off < NONE and float(outputs.min()) >= 0,
        off,
        "Largest distance from 1 of the outputs' sum: "
        f"{off:.2g}. At 0 they are probabilities already, and are taken for logits.",
        is_test=True,
    )
