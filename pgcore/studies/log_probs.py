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


def sweeps(
    logits: Sequence[float],
    temperature: float,
    logit_values: Sequence[float],
    temperatures: Sequence[float],
) -> pd.DataFrame:
    """The policy along every slider, moved alone from where all of them stand.

    Args:
        logits, temperature: where they stand.
        logit_values, temperatures: where one of them can be moved to.
    Returns:
        moved ("logit 0", ..., "temperature"), value, action, logit, exp = e^(z/T), prob, log_prob,
        entropy.
    Raises:
        ValueError: as in policy.
    """
    base = torch.tensor(list(logits), dtype=torch.float64)
    names = [*(f"logit {i}" for i in range(len(base))), "temperature"]
    places = [len(logit_values)] * len(base) + [len(temperatures)]
    values, rows, scales = [], [], []
    for i in range(len(base)):
        moved = base.repeat(len(logit_values), 1)
        moved[:, i] = torch.tensor(list(logit_values), dtype=torch.float64)
        values += list(logit_values)
        rows.append(moved)
        scales += [temperature] * len(logit_values)
    values += list(temperatures)
    rows.append(base.repeat(len(temperatures), 1))
    scales += list(temperatures)
    raw = torch.cat(rows)
    scaled = raw / torch.tensor(scales, dtype=torch.float64)[:, None]
    pi, n_actions = policy(scaled), len(base)
    return pd.DataFrame(
        {
            # Words as categories: a column of strings costs more than all the numbers beside it.
            "moved": pd.Categorical.from_codes(
                np.repeat(np.arange(len(names)), places).repeat(n_actions), names
            ),
            "value": np.repeat(values, n_actions),
            "action": np.tile(np.arange(n_actions), len(values)),
            "logit": raw.flatten().numpy(),
            "exp": scaled.exp().flatten().numpy(),
            "prob": pi.probs.flatten().numpy(),
            "log_prob": pi.logits.flatten().numpy(),
            "entropy": pi.entropy().numpy().repeat(n_actions),
        }
    )


def frequencies(
    logits: Sequence[float],
    temperature: float,
    sample_sizes: Sequence[int],
    seeds: Sequence[int] = (0,),
) -> pd.DataFrame:
    """How often each action came up among the first n samples, for each n and each seed.

    Returns:
        seed, n, action, count, frequency, prob, standard_error = sqrt(pi (1 - pi) / n), and, the
        same for all actions of an n, mean_surprise = mean of -log pi(a) over the samples, and
        entropy, which is what mean_surprise tends to.
    """
    pi, n_actions, sizes = policy(logits, temperature), len(logits), torch.tensor(sample_sizes)
    probs, most = pi.probs, max(sample_sizes)
    actions = torch.stack(
        [
            torch.multinomial(probs, most, True, generator=torch.Generator().manual_seed(seed))
            for seed in seeds
        ]
    )
    counts = torch.stack(
        [(actions == action).cumsum(1)[:, sizes - 1] for action in range(n_actions)], dim=-1
    )
    surprise = -(counts * pi.logits).sum(-1) / sizes
    standard_error = (probs * (1 - probs) / sizes[:, None]).sqrt()
    cells = len(seeds) * len(sizes)
    return pd.DataFrame(
        {
            "seed": np.repeat(seeds, len(sizes) * n_actions),
            "n": np.tile(np.repeat(sizes.numpy(), n_actions), len(seeds)),
            "action": np.tile(np.arange(n_actions), cells),
            "count": counts.flatten().numpy(),
            "frequency": (counts / sizes[:, None]).flatten().numpy(),
            "prob": probs.repeat(cells).numpy(),
            "standard_error": standard_error.flatten().repeat(len(seeds)).numpy(),
            "mean_surprise": surprise.flatten().numpy().repeat(n_actions),
            "entropy": float(pi.entropy()),
        }
    )


def grad_log_prob(logits: Tensor, temperature: float, action: Tensor) -> Tensor:
    """d log pi(action) / d logits, by autograd: (..., A), actions (...) -> (..., A)."""
    logits = logits.detach().clone().requires_grad_()
    # Summed over copies that share nothing: each row's gradient is its own.
    policy(logits, temperature).log_prob(action).sum().backward()
    assert logits.grad is not None
    return logits.grad


def gradient_sweep(
    logits: Sequence[float], temperature: float, added: Sequence[float]
) -> pd.DataFrame:
    """The gradient of log pi(taken) by every logit, for each action taken, its own logit moved.

    Args:
        added: to the logit of the action taken.
    Returns:
        taken, added, action, prob, one_hot, closed_form = (one_hot - pi) / T, autograd.
    """
    n_actions, n = len(logits), len(added)
    taken = torch.arange(n_actions).repeat_interleave(n)
    one_hot = torch.nn.functional.one_hot(taken, n_actions).double()
    more = torch.tensor(list(added), dtype=torch.float64).repeat(n_actions)
    rows = torch.tensor(list(logits), dtype=torch.float64) + one_hot * more[:, None]
    probs = policy(rows, temperature).probs
    return pd.DataFrame(
        {
            "taken": taken.numpy().repeat(n_actions),
            "added": np.tile(np.repeat(added, n_actions), n_actions),
            "action": np.tile(np.arange(n_actions), n_actions * n),
            "prob": probs.flatten().numpy(),
            "one_hot": one_hot.flatten().numpy(),
            "closed_form": ((one_hot - probs) / temperature).flatten().numpy(),
            "autograd": grad_log_prob(rows, temperature, taken).flatten().numpy(),
        }
    )
