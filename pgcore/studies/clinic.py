"""The shapes and values that give a bug away, measured on the bug and on its healthy twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pgcore import health
from pgcore.agents import Loss
from pgcore.bugs import Bug, discover
from pgcore.train import Trainer
from pgcore.trajectory import Batch, TrajData

Facts = dict[str, str]
"""What was measured -> its value, as text."""


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


def _estimated(trainer: Trainer) -> TrajData:
    traj = trainer.rollout()
    trainer.estimate(traj)
    return traj


def _weights(trainer: Trainer) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in trainer.agent.policy.parameters()])


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))}{',' * (tensor.ndim == 1)})"


def detached_log_probs(trainer: Trainer) -> Facts:
    """Whether a gradient arrives, and whether a weight moves."""
    before = _weights(trainer)
    _, _, _, gradient = _first_step(trainer)
    moved = float((_weights(trainer) - before).abs().max())
    return {
        "Largest gradient by a log-probability, times B": f"{float(gradient.abs().max()):.3g}",
        "Largest move of a policy weight in one update": f"{moved:.3g}",
    }


def blind_metric(trainer: Trainer) -> Facts:
    """Both metrics of one untrained rollout."""
    trainer.rollout()
    stats = trainer.update()
    return {
        "Mean reward a step, untrained": f"{stats.reward_per_step:.2f}",
        "Mean episode return, untrained": f"{np.mean(stats.episode_returns):.1f}",
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
    """The policy loss's gradient by the values."""
    traj = _estimated(trainer)
    batch = traj.rows(torch.arange(traj.valid.numel()))
    values = trainer.agent.predict_values(batch.states)
    log_probs = trainer.agent.distribution(batch.states).log_prob(batch.actions)
    loss = trainer.agent.loss(log_probs, values, batch).policy
    (gradient,) = torch.autograd.grad(loss, values, allow_unused=True)
    mean = 0.0 if gradient is None else float(gradient.mean()) * len(values)
    return {"Mean d(policy loss) / dV, times B": f"{mean:.2g}"}


def leaking_returns(trainer: Trainer) -> Facts:
    """The return of the very step on which the pole fell: that step's reward, and no more."""
    traj = trainer.rollout()
    fell = traj.terminated.clone()
    fell[-2:] = False
    trainer.estimate(traj)
    return {
        "Steps on which the pole fell": f"{int(fell.sum())}",
        "Mean reward on them": f"{float(traj.rewards[fell].mean()):.1f}",
        "Mean return from them on": f"{float(traj.returns[fell].mean()):.1f}",
    }


def reset_rows(trainer: Trainer) -> Facts:
    """Rows that only reset an environment, and how many of them are learned from."""
    used: list[Tensor] = []
    trainer.recorder = lambda epoch, rows, *rest: used.append(rows) if epoch == 0 else None
    traj = trainer.rollout()
    trainer.update()
    trainer.recorder = None
    fake = ~traj.valid.flatten()
    return {
        "Rows in the rollout": f"{fake.numel()}",
        "Of these, reset rows": f"{int(fake.sum())}",
        "Reset rows in the loss": f"{int(fake[torch.cat(used)].sum())}",
    }


def truncation_as_termination(trainer: Trainer) -> Facts:
    """The return of a step that we declare cut by the time limit: an untrained pole never is."""
    traj = trainer.rollout()
    traj.truncated[5, 0] = True
    trainer.estimate(traj)
    return {
        "Reward of a step cut by the time limit": f"{float(traj.rewards[5, 0]):.2f}",
        "Its return, with what would follow": f"{float(traj.returns[5, 0]):.2f}",
    }


def last_row(trainer: Trainer) -> Facts:
    """The rollout's last row after some training, where the values have come to mean something."""
    for _ in range(10):
        trainer.rollout()
        trainer.update()
    traj = trainer.rollout()
    alive = ~traj.terminated[-1] & traj.valid[-1]
    values = trainer.estimate(traj)
    assert values is not None
    returns = traj.returns[-1][alive]
    return {
        "Mean return on the last row, after 10 updates": f"{float(returns.mean()):.2f}",
        "Mean V there": f"{float(values[-1][alive].mean()):.2f}",
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


def whole_return(trainer: Trainer) -> Facts:
    """Returns of one episode's first and last step."""
    traj = _estimated(trainer)
    end = int(traj.terminated[:, 0].nonzero()[0])
    return {
        "Steps in the first episode": f"{end + 1}",
        "Return credited to its first step": f"{float(traj.returns[0, 0]):.2f}",
        "Return credited to its last step": f"{float(traj.returns[end, 0]):.2f}",
    }


def softmax_twice(trainer: Trainer) -> Facts:
    """What the network puts out, and the surest that a policy on top of it can be."""
    traj = trainer.rollout()
    with torch.no_grad():
        outputs = trainer.agent.policy(traj.states)
        for weight in list(trainer.agent.policy.parameters())[-2:]:
            weight.mul_(1000)
        surest = trainer.agent.distribution(traj.states).probs.max()
    return {
        "Sum of the network's outputs, over states": (
            f"{float(outputs.sum(-1).min()):.2f} to {float(outputs.sum(-1).max()):.2f}"
        ),
        "Largest probability with last layer × 1000": f"{float(surest):.3f}",
    }


def argmax(trainer: Trainer) -> Facts:
    """How many of the actions taken were the likeliest ones."""
    traj = trainer.rollout()
    likeliest = trainer.agent.policy(traj.states).argmax(-1) == traj.actions
    counts = traj.actions.flatten().bincount(minlength=trainer.n_actions)
    return {
        "Actions that were the policy's likeliest": f"{float(likeliest.float().mean()):.0%}",
        "Share of the rarer action": f"{float(counts.min() / counts.sum()):.1%}",
    }


EVIDENCE: Mapping[str, Callable[[Trainer], Facts]] = {
    each.__name__: each
    for each in (
        advantage_not_detached,
        argmax,
        blind_metric,
        broadcast,
        clip_without_min,
        detached_log_probs,
        epochs_without_ratio,
        last_row,
        leaking_returns,
        missing_minus,
        reset_rows,
        softmax_twice,
        stale_ratio,
        truncation_as_termination,
        whole_return,
    )
}


def evidence(name: str, bug: Bug | None = None, seed: int = 0) -> pd.DataFrame:
    """What gives a bug away: columns what, healthy, broken.

    Args:
        name: of the bug's file.
        bug: the bug, or the one of that name; a smaller run of it will do.
        seed: of both runs.
    Raises:
        KeyError: for a bug without evidence.
    """
    bug = bug or discover()[name]
    columns = []
    for trainer in (bug.healthy_run(seed), bug.broken_run(seed)):
        columns.append(EVIDENCE[name](trainer))
        trainer.envs.close()
    healthy, broken = columns
    return pd.DataFrame(
        {"what": list(healthy), "healthy": list(healthy.values()), "broken": list(broken.values())}
    )
