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

    steps: tuple[Step, ...]
    gamma: float
    logits: Tensor  # (A,)
    returns: Tensor  # (T,)
    log_probs: Tensor  # (T,), of the actions taken
    loss: float
    pushes: Tensor  # (T, A): what each step adds to the descent direction of the logits

    @property
    def push(self) -> Tensor:
        """Descent direction of the logits, minus the gradient of the loss, (A,)."""
        return self.pushes.sum(0)


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
    return Update(
        tuple(steps),
        gamma,
        copies[0].detach(),
        returns,
        log_probs.detach(),
        float(loss.detach()),
        -copies.grad,
    )


def step_table(updates: Sequence[Update]) -> pd.DataFrame:
    """The loss, row by row, for updates from one trajectory.

    Returns:
        gamma, step (from 0), episode (from 1), action (name), reward, ends, log_prob, return,
        loss_term = -log_prob * return, and loss, their mean.
    """
    steps, n_updates, n_steps = updates[0].steps, len(updates), len(updates[0].steps)
    ends = np.array([step.ends for step in steps])
    log_probs = torch.cat([each.log_probs for each in updates])
    returns = torch.cat([each.returns for each in updates])
    return pd.DataFrame(
        {
            "gamma": np.repeat([each.gamma for each in updates], n_steps),
            "step": np.tile(np.arange(n_steps), n_updates),
            "episode": np.tile(1 + np.append(0, ends[:-1].cumsum()), n_updates),
            "action": [ACTIONS[step.action] for step in steps] * n_updates,
            "reward": [step.reward for step in steps] * n_updates,
            "ends": np.tile(ends, n_updates),
            "log_prob": log_probs.numpy(),
            "return": returns.numpy(),
            "loss_term": (-log_probs * returns).numpy(),
            "loss": np.repeat([each.loss for each in updates], n_steps),
        }
    )


def pushes(updates: Sequence[Update]) -> pd.DataFrame:
    """gamma, step, taken (name of the action taken), action (name), push on its logit."""
    steps, n_updates, n_actions = updates[0].steps, len(updates), len(ACTIONS)
    taken = np.repeat([ACTIONS[step.action] for step in steps], n_actions)
    return pd.DataFrame(
        {
            "gamma": np.repeat([each.gamma for each in updates], len(taken)),
            "step": np.tile(np.arange(len(steps)).repeat(n_actions), n_updates),
            "taken": np.tile(taken, n_updates),
            "action": ACTIONS * (len(steps) * n_updates),
            "push": torch.stack([each.pushes for each in updates]).flatten().numpy(),
        }
    )


def gradient_steps(updates: Sequence[Update], learning_rates: Sequence[float]) -> pd.DataFrame:
    """One step of plain gradient descent, logits - learning_rate * gradient, for each rate.

    Returns:
        gamma, learning_rate, action (name), push = -gradient, logit_after, before, after: the
        action's probability.
    """
    rates = torch.tensor(list(learning_rates), dtype=torch.float64)[:, None]
    push = torch.stack([each.push for each in updates])[:, None].expand(-1, len(rates), -1)
    logits = torch.stack([each.logits for each in updates])[:, None].expand_as(push)
    after = logits + rates * push
    n_rows = len(rates) * len(ACTIONS)
    return pd.DataFrame(
        {
            "gamma": np.repeat([each.gamma for each in updates], n_rows),
            "learning_rate": np.tile(np.repeat(learning_rates, len(ACTIONS)), len(updates)),
            "action": ACTIONS * (len(rates) * len(updates)),
            "push": push.flatten().numpy(),
            "logit_after": after.flatten().numpy(),
            "before": Categorical(logits=logits, validate_args=False).probs.flatten().numpy(),
            "after": Categorical(logits=after, validate_args=False).probs.flatten().numpy(),
        }
    )
