"""What is minimised, and the meters beside it.

Each function takes one number per sample, of any one shape: (B,) for a flat batch or (T, N).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pgcore.shapes import require_same_shape


def policy_gradient_loss(log_probs: Tensor, weights: Tensor) -> Tensor:
    """The loss whose negative gradient is the policy gradient.

        L = -mean( log pi(a|s) * weight )

    Its value means nothing; its gradient does. The weight says how good the action was: the
    return for REINFORCE, an advantage for VPG.

    Args:
        log_probs: log-probability of each action taken, with a graph to the policy.
        weights: same shape.
    Returns:
        Scalar.
    Raises:
        ValueError: if the shapes differ.
    Source: Williams (1992), "Simple Statistical Gradient-Following Algorithms"; Sutton & Barto
    (2018), eq. 13.8.
    """
    require_same_shape(log_probs=log_probs, weights=weights)
    return -(log_probs * weights).mean()


def value_loss(values: Tensor, returns: Tensor) -> Tensor:
    """Mean squared error of the value estimates.

        L = mean( (R - V(s))^2 )

    Args:
        values, returns: one shape, in one unit.
    Returns:
        Scalar.
    Raises:
        ValueError: if the shapes differ.
    Source: Sutton & Barto (2018), section 13.4 (REINFORCE with baseline).
    """
    require_same_shape(values=values, returns=returns)
    return (returns - values).square().mean()


class ClippedSurrogate(NamedTuple):
    """Every piece of the PPO objective, one number per sample."""

    ratio: Tensor
    """pi_new(a|s) / pi_old(a|s)."""
    unclipped: Tensor
    """ratio * advantage."""
    clipped: Tensor
    """clamp(ratio, 1 - eps, 1 + eps) * advantage."""
    objective: Tensor
    """min(unclipped, clipped): to be maximised."""
    clip_active: Tensor
    """True where min picked the clipped branch: there the gradient is zero."""


def clipped_surrogate(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip_eps: float
) -> ClippedSurrogate:
    """The PPO clipped objective.

        ratio = exp(log pi_new(a|s) - log pi_old(a|s))
        objective = min( ratio * A, clamp(ratio, 1 - eps, 1 + eps) * A )

    The gradient is zero only where the clipped branch is strictly the smaller one: ratio above
    1 + eps with A > 0, or ratio below 1 - eps with A < 0. Outside the range on the other side it
    is alive and pulls the ratio back. Nothing here bounds the ratio itself.

    Args:
        log_probs: of the actions taken, under the policy that is being trained.
        old_log_probs: of the same actions, under the policy that took them; constants.
        advantages: same shape.
        clip_eps: half width of the range, above 0.
    Returns:
        ClippedSurrogate; the loss is -objective.mean().
    Raises:
        ValueError: if the shapes differ.
    Source: Schulman et al. (2017), "Proximal Policy Optimization Algorithms", eq. 7.
    """
    require_same_shape(log_probs=log_probs, old_log_probs=old_log_probs, advantages=advantages)
    ratio = torch.exp(log_probs - old_log_probs)
    unclipped = ratio * advantages
    clipped = torch.clamp(ratio, 1 - clip_eps, 1 + clip_eps) * advantages
    objective = torch.minimum(unclipped, clipped)
    return ClippedSurrogate(ratio, unclipped, clipped, objective, clipped < unclipped)


def approx_kl(log_ratio: Tensor) -> Tensor:
    """Estimate of KL(pi_old || pi_new) from actions that pi_old took (the "k3" estimator).

        mean( ratio - 1 - log_ratio ),    ratio = exp(log_ratio)

    Unbiased, and never negative, since x - 1 >= log x.

    Args:
        log_ratio: log pi_new(a|s) - log pi_old(a|s), any shape.
    Returns:
        Scalar, in nats.
    Source: Schulman (2020), "Approximating KL Divergence", joschu.net/blog/kl-approx.html.
    """
    return (torch.expm1(log_ratio) - log_ratio).mean()


def clip_fraction(ratio: Tensor, clip_eps: float) -> Tensor:
    """Share of samples whose ratio is outside the range: mean( |ratio - 1| > eps ).

    Not the share without a gradient: see zero_gradient_fraction.

    Args:
        ratio: any shape.
        clip_eps: half width of the range.
    Returns:
        Scalar in [0, 1].
    Source: the diagnostic named clipfrac in openai/baselines, ppo2.
    """
    # The bounds as clamp rounds them: |ratio - 1| rounds differently, and would count a ratio on
    # the bound, or miss one beyond it.
    return ((ratio < 1 - clip_eps) | (ratio > 1 + clip_eps)).float().mean()


def zero_gradient_fraction(clip_active: Tensor) -> Tensor:
    """Share of samples that the clip has silenced: mean( min picked the clipped branch ).

    Never above clip_fraction: a sample outside the range on the side that its advantage dislikes
    still has its gradient, and is pulled back.

    Args:
        clip_active: boolean, any shape, from clipped_surrogate.
    Returns:
        Scalar in [0, 1].
    """
    return clip_active.float().mean()


def explained_variance(values: Tensor, returns: Tensor) -> Tensor:
    """How much of the returns' variance the values predict.

        1 - Var(R - V) / Var(R)

    1 is perfect, 0 is no better than a constant, below 0 is worse than a constant. Where the
    returns do not vary there is nothing to explain, and the result is nan.

    Args:
        values, returns: one shape.
    Returns:
        Scalar, at most 1.
    Raises:
        ValueError: if the shapes differ.
    """
    require_same_shape(values=values, returns=returns)
    variance = returns.var(unbiased=False)
    # Not variance == 0: the mean of equal numbers is rounded, and may differ from them.
    if returns.min() == returns.max():
        return torch.full_like(variance, torch.nan)
    return 1 - (returns - values).var(unbiased=False) / variance
