"""Chapter 2: from logits to probabilities, their logarithms, and the gradient of a log-probability.

Logarithms are natural: log-probabilities and entropies are in nats. Frames are tidy, one row a
mark to draw. Float64; float32.py looks at what the agents' own precision does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.distributions import Categorical

LOGIT_GRID = np.round(np.arange(-50, 51) / 10, 1)
TEMPERATURE_GRID = np.round(np.arange(1, 51) / 10, 1)
SAMPLE_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


def policy(logits: Tensor | Sequence[float], temperature: float = 1.0) -> Categorical:
    """The distribution that agents sample actions from, with a temperature.

        pi(a) = exp(z_a / T) / sum_b exp(z_b / T)

    Agents use T = 1: then this is Agent.distribution for a state with these logits.

    Args:
        logits: (..., A), any finite numbers.
        temperature: T, above 0. Small: the largest logit takes all; large: all actions alike.
    Returns:
        Categorical of batch shape (...).
    Raises:
        ValueError: if the temperature is not above 0, or a logit is not finite.
    Source: Sutton & Barto (2018), eq. 13.2.
    """
    logits = torch.as_tensor(logits, dtype=torch.float64)
    if not temperature > 0:
        raise ValueError(f"the temperature must be above 0, not {temperature:g}.")
    if not torch.isfinite(logits).all():
        raise ValueError("every logit must be a finite number.")
    return Categorical(logits=logits / temperature, validate_args=False)


def softmax_table(logits: Sequence[float], temperature: float = 1.0) -> pd.DataFrame:
    """Softmax step by step, one row an action: action, logit, exp = e^(z/T), prob, log_prob."""
    pi = policy(logits, temperature)
    return pd.DataFrame(
        {
            "action": np.arange(len(logits)),
            "logit": np.asarray(logits, dtype=float),
            "exp": np.exp(np.asarray(logits, dtype=float) / temperature),
            "prob": pi.probs.numpy(),
            "log_prob": pi.logits.numpy(),
        }
    )


def entropy(logits: Sequence[float], temperature: float = 1.0) -> float:
    """H = -sum_a pi(a) log pi(a), in nats: 0 for a certain action, log A for A equal ones."""
    return float(policy(logits, temperature).entropy())


def coin() -> pd.DataFrame:
    """A coin that shows heads with prob 0.01 to 0.99, fair in the middle.

    Returns:
        prob, log_prob (of heads), log_prob_tails, logit = log_prob - log_prob_tails, entropy.
    """
    heads = torch.arange(1, 100, dtype=torch.float64) / 100
    pi = Categorical(probs=torch.stack([heads, 1 - heads], dim=-1), validate_args=False)
    log_heads, log_tails = pi.logits.unbind(-1)
    return pd.DataFrame(
        {
            "prob": heads.numpy(),
            "log_prob": log_heads.numpy(),
            "log_prob_tails": log_tails.numpy(),
            "logit": (log_heads - log_tails).numpy(),
            "entropy": pi.entropy().numpy(),
        }
    )


def sweeps(logits: Sequence[float], temperature: float = 1.0) -> pd.DataFrame:
    """The policy along every slider, moved alone from where the sliders stand.

    Returns:
        moved ("logit 0", ..., "temperature"), value, action, logit, prob, log_prob, entropy.
    Raises:
        ValueError: as in policy.
    """
    base = torch.tensor(list(logits), dtype=torch.float64)
    frames = []
    for i in range(len(base)):
        rows = base.repeat(len(LOGIT_GRID), 1)
        rows[:, i] = torch.from_numpy(LOGIT_GRID)
        frames.append(_sweep(f"logit {i}", LOGIT_GRID, rows, rows / temperature))
    rows = base.repeat(len(TEMPERATURE_GRID), 1)
    scaled = rows / torch.from_numpy(TEMPERATURE_GRID)[:, None]
    frames.append(_sweep("temperature", TEMPERATURE_GRID, rows, scaled))
    return pd.concat(frames, ignore_index=True)


def _sweep(moved: str, values: np.ndarray, logits: Tensor, scaled: Tensor) -> pd.DataFrame:
    pi = policy(scaled)
    n_actions = logits.shape[-1]
    return pd.DataFrame(
        {
            "moved": moved,
            "value": values.repeat(n_actions),
            "action": np.tile(np.arange(n_actions), len(values)),
            "logit": logits.flatten().numpy(),
            "prob": pi.probs.flatten().numpy(),
            "log_prob": pi.logits.flatten().numpy(),
            "entropy": pi.entropy().numpy().repeat(n_actions),
        }
    )


def frequencies(logits: Sequence[float], temperature: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """How often each action came up among the first n of 10,000 samples, for n in SAMPLE_SIZES.

    Returns:
        n, action, count, frequency, prob, standard_error = sqrt(pi (1 - pi) / n), and, the same
        for all actions of an n, mean_surprise = mean of -log pi(a) over the samples, and entropy,
        which is what mean_surprise tends to.
    """
    pi = policy(logits, temperature)
    generator = torch.Generator().manual_seed(seed)
    actions = torch.multinomial(pi.probs, SAMPLE_SIZES[-1], replacement=True, generator=generator)
    n_actions, sizes = len(logits), torch.tensor(SAMPLE_SIZES)
    counts = torch.nn.functional.one_hot(actions, n_actions).cumsum(0)[sizes - 1]
    surprise = -pi.log_prob(actions).cumsum(0)[sizes - 1] / sizes
    variance = pi.probs * (1 - pi.probs) / sizes[:, None]
    return pd.DataFrame(
        {
            "n": sizes.numpy().repeat(n_actions),
            "action": np.tile(np.arange(n_actions), len(sizes)),
            "count": counts.flatten().numpy(),
            "frequency": (counts / sizes[:, None]).flatten().numpy(),
            "prob": pi.probs.repeat(len(sizes)).numpy(),
            "standard_error": variance.sqrt().flatten().numpy(),
            "mean_surprise": surprise.numpy().repeat(n_actions),
            "entropy": float(pi.entropy()),
        }
    )


def grad_log_prob(logits: Tensor, temperature: float, action: int) -> Tensor:
    """d log pi(action) / d logits, by autograd: (..., A) -> (..., A)."""
    logits = logits.detach().clone().requires_grad_()
    # Summed over copies that share nothing: each row's gradient is its own.
    policy(logits, temperature).log_prob(torch.tensor(action)).sum().backward()
    assert logits.grad is not None
    return logits.grad


def gradient_sweep(logits: Sequence[float], temperature: float, action: int) -> pd.DataFrame:
    """The gradient of log pi(action) by every logit, while the action's own logit moves.

    Returns:
        value (of the action's logit), action, prob, one_hot, closed_form = (one_hot - pi) / T,
        autograd.
    """
    rows = torch.tensor(list(logits), dtype=torch.float64).repeat(len(LOGIT_GRID), 1)
    rows[:, action] = torch.from_numpy(LOGIT_GRID)
    probs = policy(rows, temperature).probs
    one_hot = torch.zeros_like(rows)
    one_hot[:, action] = 1
    return pd.DataFrame(
        {
            "value": LOGIT_GRID.repeat(len(logits)),
            "action": np.tile(np.arange(len(logits)), len(LOGIT_GRID)),
            "prob": probs.flatten().numpy(),
            "one_hot": one_hot.flatten().numpy(),
            "closed_form": ((one_hot - probs) / temperature).flatten().numpy(),
            "autograd": grad_log_prob(rows, temperature, action).flatten().numpy(),
        }
    )
