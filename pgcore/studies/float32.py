"""Chapter 2: what float32, the precision that agents train in, does to small probabilities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch.distributions import Categorical

from pgcore.losses import clipped_surrogate

SMALLEST_FLOAT32 = float(torch.nextafter(torch.tensor(0.0), torch.tensor(1.0)))
"""The smallest float32 above 0, about 1.4e-45: whatever is below half of it becomes 0."""
LARGEST_FLOAT32 = torch.finfo(torch.float32).max
"""About 3.4e38: whatever is above becomes infinite."""


def underflow(step_prob: float, n_steps: int = 500) -> pd.DataFrame:
    """An episode of n_steps actions of one probability each, in float32.

    Returns:
        step (from 1), product of the probabilities so far, its logarithm log_of_product (-inf
        once the product has become 0), and sum_of_logs.
    Raises:
        ValueError: if step_prob is not between 0 and 1.
    """
    if not 0 < step_prob < 1:
        raise ValueError(f"a probability must be between 0 and 1, not {step_prob:g}.")
    pi = Categorical(probs=torch.tensor([step_prob, 1 - step_prob]), validate_args=False)
    product = pi.probs[0].expand(n_steps).cumprod(0)
    sum_of_logs = pi.log_prob(torch.zeros(n_steps, dtype=torch.int64)).cumsum(0)
    return pd.DataFrame(
        {
            "step": np.arange(1, n_steps + 1),
            "product": product.numpy(),
            "log_of_product": product.log().numpy(),
            "sum_of_logs": sum_of_logs.numpy(),
        }
    )


def underflow_gradients(step_prob: float, n_steps: int = 500) -> tuple[float, float]:
    """d/dlogit of log(product of probabilities) and of the sum of logs, by autograd in float32.

    The logit is the taken action's, against one other action at 0; the second value is
    n_steps * (1 - step_prob), and the first should be.
    """
    gradients = []
    for naive in (True, False):
        logit = torch.tensor(step_prob).logit().requires_grad_()
        pi = Categorical(logits=torch.stack([logit, torch.zeros(())]), validate_args=False)
        log_probs = pi.log_prob(torch.zeros(n_steps, dtype=torch.int64))
        total = log_probs.exp().prod().log() if naive else log_probs.sum()
        total.backward()
        assert logit.grad is not None
        gradients.append(float(logit.grad))
    return gradients[0], gradients[1]


def ratios(log_ratio: float) -> pd.DataFrame:
    """A / B two ways in float32, where log A - log B = log_ratio, for ever smaller B.

    Returns:
        log_b, naive = exp(log A) / exp(log B), stable = exp(log A - log B) as PPO computes it,
        and outcome of the naive way: "right" (within 1 %), "imprecise", "zero", "infinite" or
        "not a number" (0 / 0).
    """
    log_b = torch.arange(-75.0, -110.25, -0.25)
    log_a = log_b + log_ratio
    stable = clipped_surrogate(log_a, log_b, torch.zeros_like(log_b), 0.2).ratio
    naive = (log_a.exp() / log_b.exp()).numpy()
    right = np.abs(naive / stable.numpy() - 1) < 0.01
    outcome = np.select(
        [np.isnan(naive), np.isinf(naive), naive == 0, right],
        ["not a number", "infinite", "zero", "right"],
        "imprecise",
    )
    return pd.DataFrame(
        {"log_b": log_b.numpy(), "naive": naive, "stable": stable.numpy(), "outcome": outcome}
    )
