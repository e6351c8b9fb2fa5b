"""How hard a learner's loss pulls at each single sample, read off by autograd."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pgcore.grading.subject import Subject, scalar_loss
from pgcore.networks import mlp
from pgcore.trajectory import TrajData

N_ACTIONS = 3
SHAPE = (8, 5)
B = SHAPE[0] * SHAPE[1]
RATIOS = (0.5, 0.95, 1.05, 1.5)
"""Far below and far above any usual clip range, and near 1 on both sides."""


class Pull(NamedTuple):
    """Gradient of the loss for each of B samples."""

    policy: Tensor
    """(B,): for the log-probability of the sample's action."""
    value: Tensor
    """(B,): for the value of the sample's state."""
    fresh: bool
    """Whether get_loss computes log-probabilities itself, so that stored ones need no graph."""
    loss: float
    """The loss itself."""


def sample_weights() -> tuple[Tensor, Tensor]:
    """Returns and ratios (T, N): every sign of return with every one of RATIOS."""
    i = torch.arange(B)
    # Not of mean 0: a loss that crosses samples would then pull nowhere, like a detached one.
    returns = (1 - 2 * (i % 2)) * (0.5 + 0.25 * (i // 8)) + 0.25
    ratios = torch.tensor(RATIOS)[(i // 2) % len(RATIOS)]
    return returns.reshape(SHAPE), ratios.reshape(SHAPE)


def pull(subject: Subject, ratios: Tensor, decided: float = 1.0) -> Pull:
    """How get_loss pulls at each sample: networks are tables, so no sample touches another.

    Args:
        ratios: (T, N), pi_new(a|s) / pi_old(a|s) of the rollout.
        decided: logits are so many times larger; the ratios stay.
    """
    fresh = subject.algorithm in ("ppo", "gae")
    result = _pull(subject, ratios, fresh, decided)
    if subject.algorithm == "gae" and not result.policy.any():
        return _pull(subject, ratios, False, decided)
    return result


def _pull(subject: Subject, ratios: Tensor, fresh: bool, decided: float) -> Pull:
    g = torch.Generator().manual_seed(2)
    agent: Any = subject.make(B, N_ACTIONS)
    policy, value = mlp((B, N_ACTIONS), generator=g), mlp((B, 1), generator=g)
    for parameter in value.parameters():
        nn.init.zeros_(parameter)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(decided)
    agent.policy, agent.value = policy, value
    traj = TrajData(*SHAPE, B, N_ACTIONS)
    traj.states = torch.eye(B).reshape(*SHAPE, B)
    traj.actions = torch.randint(0, N_ACTIONS, SHAPE, generator=g)
    # Every step is an episode of its own: rewards, returns and advantages are one and the same.
    traj.returns, _ = sample_weights()
    traj.rewards, traj.advantages = traj.returns.clone(), traj.returns.clone()
    traj.not_dones = torch.zeros(SHAPE)
    rows = [agent.get_action(states)[1] for states in traj.states]
    log_probs = torch.stack([row.log_prob(a) for row, a in zip(rows, traj.actions, strict=True)])
    traj.log_probs = log_probs.detach() - ratios.log() if fresh else log_probs
    loss = scalar_loss(agent, traj)
    tables = [next(policy.parameters()), next(value.parameters())]
    grads: list[Tensor | None] = [None, None]
    if loss.requires_grad:
        grads = list(torch.autograd.grad(loss, tables, allow_unused=True))
    by_logit, by_value = (
        torch.zeros_like(table) if grad is None else grad
        for table, grad in zip(tables, grads, strict=True)
    )
    # d log pi(a|s) / d logits = onehot(a) - pi, so this is the part along it.
    with torch.no_grad():
        probs = policy(torch.eye(B)).softmax(-1)
        direction = torch.eye(N_ACTIONS)[traj.actions.flatten()] - probs
    along = (by_logit.T * direction).sum(-1) / direction.square().sum(-1)
    return Pull(along, by_value[0], fresh, loss.item())
