"""The numbers of one update, as charts, CSV and TensorBoard read them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Categorical

from pgcore.agents import Loss
from pgcore.losses import approx_kl, clip_fraction, zero_gradient_fraction


@dataclass(frozen=True)
class UpdateStats:
    """One update, in numbers. None: the quantity does not exist for this algorithm."""

    update: int
    """Counts from 1."""
    env_steps: int
    """Rows collected since the start, reset rows included."""
    seconds: float = field(compare=False)
    """Time spent in rollouts and updates since the start; the only field that varies."""
    episode_returns: tuple[float, ...]
    """Undiscounted returns of the episodes that ended in this rollout."""
    episode_lengths: tuple[int, ...]
    """Their lengths in steps."""
    reward_per_step: float
    """Mean reward over all rows: the homework's "Reward", blind on CartPole."""
    policy_loss: float
    """Mean over the update's gradient steps."""
    value_loss: float | None
    """Mean over the gradient steps, in units of (return / value_scale)^2."""
    entropy: float
    """Mean entropy of the policy over all samples of all epochs, in nats."""
    approx_kl: float | None
    """Mean of ratio - 1 - log ratio over all samples of all epochs, in nats."""
    clip_fraction: float | None
    """Share of those samples with |ratio - 1| > eps."""
    zero_gradient_fraction: float | None
    """Share of those samples where min picked the clipped branch."""
    ratio_spread: float | None
    """Standard deviation of those samples' ratios: 0 before the policy moves. At s, a sample is
    worth 1 / (1 + s^2) of a fresh one (Kish's effective sample size, the ratio's mean being 1)."""
    explained_variance: float | None
    """Share of the returns' variance that the values predicted before the update."""
    grad_norm: float
    """Mean norm of the gradient before it is clipped."""
    learning_rate: float
    """Adam's step size in this update."""

    def row(self) -> dict[str, float | None]:
        """One flat row for a table: the episodes as count, mean, least and most."""
        flat = {
            column.name: getattr(self, column.name)
            for column in fields(self)
            if not column.name.startswith("episode_")
        }
        ended = self.episode_returns
        return flat | {
            "episodes": len(ended),
            "return_mean": math.fsum(ended) / len(ended) if ended else None,
            "return_min": min(ended, default=None),
            "return_max": max(ended, default=None),
            "length_mean": sum(self.episode_lengths) / len(ended) if ended else None,
        }


class GradientStep(NamedTuple):
    """What one gradient step leaves for the statistics."""

    loss: Loss
    logits: Tensor
    """(B, n_actions), without a graph."""
    grad_norm: Tensor


@torch.no_grad()
def summarize(steps: list[GradientStep], clip_eps: float) -> dict[str, Any]:
    """The fields of UpdateStats that are means over gradient steps or over their samples."""
    values = [step.loss.value for step in steps if step.loss.value is not None]
    surrogates = [step.loss.surrogate for step in steps if step.loss.surrogate is not None]
    logits = torch.cat([step.logits for step in steps])
    meters: dict[str, Any] = {
        "approx_kl": None,
        "clip_fraction": None,
        "zero_gradient_fraction": None,
        "ratio_spread": None,
    }
    if surrogates:
        ratio = torch.cat([surrogate.ratio for surrogate in surrogates])
        clip_active = torch.cat([surrogate.clip_active for surrogate in surrogates])
        meters = {
            "approx_kl": float(approx_kl(ratio.log())),
            "clip_fraction": float(clip_fraction(ratio, clip_eps)),
            "zero_gradient_fraction": float(zero_gradient_fraction(clip_active)),
            "ratio_spread": float(ratio.std(correction=0)),
        }
    return meters | {
        "policy_loss": _mean([step.loss.policy for step in steps]),
        "value_loss": _mean(values) if values else None,
        # Of all steps in one go: a call for each would take a twentieth of the update's time.
        "entropy": float(Categorical(logits=logits, validate_args=False).entropy().mean()),
        "grad_norm": _mean([step.grad_norm for step in steps]),
    }


def _mean(scalars: list[Tensor]) -> float:
    return float(torch.stack(scalars).mean())
