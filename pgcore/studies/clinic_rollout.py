"""What gives a bug of the loop away: rows, returns and actions of a rollout."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pgcore.train import Trainer

Facts = dict[str, str]
"""What was measured -> its value, as text."""


def blind_metric(trainer: Trainer) -> Facts:
    """Both metrics of one untrained rollout."""
    trainer.rollout()
    stats = trainer.update()
    return {
        "Mean reward a step, untrained": f"{stats.reward_per_step:.2f}",
        "Mean episode return, untrained": f"{np.mean(stats.episode_returns):.1f}",
    }


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


def whole_return(trainer: Trainer) -> Facts:
    """Returns of one episode's first and last step."""
    traj = trainer.rollout()
    trainer.estimate(traj)
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
