"""Chapter 3: one trajectory, written by hand, through REINFORCE's loss and one gradient step.

The policy is as small as a policy can be: one softmax over ACTIONS, the same in every state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.distributions import Categorical

from pgcore.losses import policy_gradient_loss
from pgcore.returns import discounted_returns

ACTIONS = ("left", "stay", "right")
MAX_STEPS = 20
MAX_REWARD = 100.0


@dataclass(frozen=True)
class Step:
    """One row of a trajectory."""

    action: int
    """Index into ACTIONS."""
    reward: float
    ends: bool = False
    """True where the episode ends after this step; the next row starts another."""


@dataclass(frozen=True)
class Update:
    """What a trajectory asks of the policy; T steps, A actions."""

    returns: Tensor  # (T,)
    log_probs: Tensor  # (T,), of the actions taken
    loss: float
    pushes: Tensor  # (T, A): what each step adds to the descent direction of the logits

    @property
    def gradient(self) -> Tensor:
        """Of the loss by the logits, (A,)."""
        return -self.pushes.sum(0)


def check(steps: Sequence[Step]) -> None:
    """Raise unless this is a trajectory that the page can work with.

    Raises:
        ValueError: one sentence for the person who typed it.
    """
    if not 1 <= len(steps) <= MAX_STEPS:
        raise ValueError(f"A trajectory needs 1 to {MAX_STEPS} steps; this one has {len(steps)}.")
    for number, step in enumerate(steps):
        if not 0 <= step.action < len(ACTIONS):
            raise ValueError(f"Step {number} needs an action: {', '.join(ACTIONS)}.")
        if not math.isfinite(step.reward) or abs(step.reward) > MAX_REWARD:
            raise ValueError(
                f"Step {number} needs a reward from {-MAX_REWARD:g} to {MAX_REWARD:g}."
            )


def update(steps: Sequence[Step], gamma: float, logits: Sequence[float]) -> Update:
    """Returns, log-probabilities, loss, and, by autograd, each step's push on each logit.

        L = -mean_t( log pi(a_t) * R_t ),    push_t = -dL_t / dlogits

    Raises:
        ValueError: as in check.
    Source: Williams (1992), "Simple Statistical Gradient-Following Algorithms".
    """
    check(steps)
    rewards = torch.tensor([[step.reward] for step in steps], dtype=torch.float64)
    not_dones = torch.tensor([[1.0 - step.ends] for step in steps], dtype=torch.float64)
    returns = discounted_returns(rewards, not_dones, gamma).squeeze(-1)
    # One copy of the logits a step: each copy's gradient is that step's share.
    copies = torch.tensor(list(logits), dtype=torch.float64).repeat(len(steps), 1)
    copies.requires_grad_()
    pi = Categorical(logits=copies, validate_args=False)
    log_probs = pi.log_prob(torch.tensor([step.action for step in steps]))
    loss = policy_gradient_loss(log_probs, returns)
    loss.backward()
    assert copies.grad is not None
    return Update(returns, log_probs.detach(), float(loss.detach()), -copies.grad)


def step_table(steps: Sequence[Step], gamma: float, logits: Sequence[float]) -> pd.DataFrame:
    """The loss, row by row.

    Returns:
        step (from 0), episode (from 1), action (name), reward, ends, log_prob, return, and
        loss_term = -log_prob * return, whose mean is the loss.
    """
    result = update(steps, gamma, logits)
    ends = np.array([step.ends for step in steps])
    return pd.DataFrame(
        {
            "step": np.arange(len(steps)),
            "episode": 1 + np.concatenate([[0], ends[:-1].cumsum()]),
            "action": [ACTIONS[step.action] for step in steps],
            "reward": [step.reward for step in steps],
            "ends": ends,
            "log_prob": result.log_probs.numpy(),
            "return": result.returns.numpy(),
            "loss_term": (-result.log_probs * result.returns).numpy(),
        }
    )


def pushes(steps: Sequence[Step], gamma: float, logits: Sequence[float]) -> pd.DataFrame:
    """step, taken (name of the action taken), action (name), push on that action's logit."""
    result = update(steps, gamma, logits)
    return pd.DataFrame(
        {
            "step": np.arange(len(steps)).repeat(len(ACTIONS)),
            "taken": np.repeat([ACTIONS[step.action] for step in steps], len(ACTIONS)),
            "action": ACTIONS * len(steps),
            "push": result.pushes.flatten().numpy(),
        }
    )


def returns_by_gamma(
    steps: Sequence[Step], logits: Sequence[float], gammas: Sequence[float]
) -> pd.DataFrame:
    """step_table for every discount, with columns gamma and loss added."""
    frames = []
    for gamma in gammas:
        table = step_table(steps, gamma, logits)
        frames.append(table.assign(gamma=gamma, loss=table.loss_term.mean()))
    return pd.concat(frames, ignore_index=True)


def _probs(logits: Tensor) -> Tensor:
    return Categorical(logits=logits, validate_args=False).probs


def gradient_step(
    steps: Sequence[Step], gamma: float, logits: Sequence[float], learning_rate: float
) -> pd.DataFrame:
    """One step of plain gradient descent, logits - learning_rate * gradient.

    Returns:
        action (name), push = -gradient, logit_before, logit_after, before, after: probabilities.
    Raises:
        ValueError: as in check.
    """
    push = update(steps, gamma, logits).pushes.sum(0)
    before = torch.tensor(list(logits), dtype=torch.float64)
    after = before + learning_rate * push
    return pd.DataFrame(
        {
            "action": ACTIONS,
            "push": push.numpy(),
            "logit_before": before.numpy(),
            "logit_after": after.numpy(),
            "before": _probs(before).numpy(),
            "after": _probs(after).numpy(),
        }
    )


def gradient_steps(
    steps: Sequence[Step],
    logits: Sequence[float],
    gammas: Sequence[float],
    learning_rates: Sequence[float],
) -> pd.DataFrame:
    """gradient_step for every discount and learning rate, with columns gamma and learning_rate."""
    before = torch.tensor(list(logits), dtype=torch.float64)
    rates = torch.tensor(list(learning_rates), dtype=torch.float64)
    frames = []
    for gamma in gammas:
        push = update(steps, gamma, logits).pushes.sum(0)
        after = before + rates[:, None] * push
        frames.append(
            pd.DataFrame(
                {
                    "gamma": gamma,
                    "learning_rate": np.repeat(learning_rates, len(ACTIONS)),
                    "action": ACTIONS * len(rates),
                    "push": push.repeat(len(rates)).numpy(),
                    "before": _probs(before.expand_as(after)).flatten().numpy(),
                    "after": _probs(after).flatten().numpy(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
