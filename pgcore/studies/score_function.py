"""Chapter 3: the score-function estimator on a bandit whose exact gradient is known.

Three arms, a softmax policy over them, a reward of the arm's mean plus Gaussian noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.distributions import Categorical

from pgcore.losses import policy_gradient_loss
from pgcore.returns import discounted_returns

ARMS = ("A", "B", "C")
MEANS = (1.0, 2.0, 3.0)
"""Mean reward of each arm."""
ARROWS = 60
"""Sampled gradients drawn for each setting; the spreads are measured over more."""
EPISODES_A_BATCH = 20
BATCHES_MEASURED = 600
WEIGHTINGS = ("full return", "reward-to-go")


def objective(logits: Tensor) -> Tensor:
    """J = sum_a pi(a) * mean_a, the expected reward of one pull: (..., A) -> (...)."""
    pi = Categorical(logits=logits, validate_args=False)
    return (pi.probs * torch.tensor(MEANS, dtype=logits.dtype)).sum(-1)


def exact_gradient(logits: Sequence[float]) -> Tensor:
    """dJ / dlogits by autograd through the exact sum over arms, (A,)."""
    theta = torch.tensor(list(logits), dtype=torch.float64, requires_grad=True)
    objective(theta).backward()
    assert theta.grad is not None
    return theta.grad


def sample_rewards(actions: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """mean of the arm + noise * N(0, 1), in the shape of actions."""
    draw = torch.randn(actions.shape, generator=generator, dtype=torch.float64)
    return torch.tensor(MEANS, dtype=torch.float64)[actions] + noise * draw


def estimates(logits: Sequence[float], actions: Tensor, weights: Tensor) -> Tensor:
    """One gradient estimate a column, by autograd through the agents' own loss.

        g_k = sum_t weight_tk * d log pi(a_tk) / dlogits

    Args:
        logits: the policy's, A of them.
        actions: (T, K), arms pulled.
        weights: (T, K), what each pull is weighted with.
    Returns:
        (K, A).
    Raises:
        ValueError: if actions and weights differ in shape.
    """
    # One copy of the logits a column, so that one backward pass gives every column's gradient.
    copies = torch.tensor(list(logits), dtype=torch.float64).repeat(actions.shape[1], 1)
    copies.requires_grad_()
    log_probs = Categorical(logits=copies, validate_args=False).log_prob(actions)
    policy_gradient_loss(log_probs, weights).backward()
    assert copies.grad is not None
    return -copies.grad * actions.numel()


def sampled_gradients(
    logits: Sequence[float], noise: float, batch: int, n_batches: int, seed: int
) -> Tensor:
    """n_batches estimates of dJ / dlogits, each the mean over its own batch of pulls: (K, A)."""
    generator = torch.Generator().manual_seed(seed)
    actions = _pulls(logits, batch, n_batches, generator)
    return estimates(logits, actions, sample_rewards(actions, noise, generator)) / batch


def _pulls(logits: Sequence[float], rows: int, columns: int, generator: torch.Generator) -> Tensor:
    probs = torch.tensor(list(logits), dtype=torch.float64).softmax(-1)
    draw = torch.multinomial(probs, rows * columns, replacement=True, generator=generator)
    return draw.view(rows, columns)


def spread(gradients: Tensor, exact: Tensor) -> float:
    """Root mean square distance of estimates (K, A) from the exact gradient (A,)."""
    return float((gradients - exact).square().sum(-1).mean().sqrt())


def batches(
    logits: Sequence[float],
    noise: float,
    sizes: Sequence[int],
    seed: int = 0,
    n_batches: int = BATCHES_MEASURED,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sampled gradients for every batch size, and how far they scatter.

    Returns:
        arrows: batch, index, and the gradient by each arm's logit in columns A, B, C.
        spreads: batch, spread over n_batches estimates.
    """
    exact = exact_gradient(logits)
    arrows, spreads = [], []
    for batch in sizes:
        gradients = sampled_gradients(logits, noise, batch, n_batches, seed)
        arrows.append(_arrow_frame(gradients).assign(batch=batch))
        spreads.append({"batch": batch, "spread": spread(gradients, exact)})
    return pd.concat(arrows, ignore_index=True), pd.DataFrame(spreads)


def _arrow_frame(gradients: Tensor) -> pd.DataFrame:
    frame = pd.DataFrame(gradients[:ARROWS].numpy(), columns=list(ARMS))
    return frame.assign(index=np.arange(len(frame)))


def slope(spreads: pd.DataFrame) -> tuple[float, np.ndarray]:
    """Slope of log spread against log batch by least squares, and the fitted spreads.

    In theory the slope is -1/2: four times the batch, half the spread.
    """
    x, y = np.log(spreads["batch"]), np.log(spreads["spread"])
    steepness, start = np.polyfit(x, y, 1)
    return float(steepness), np.exp(start + steepness * x.to_numpy())


def weightings(
    logits: Sequence[float],
    noise: float,
    horizons: Sequence[int],
    seed: int = 0,
    n_batches: int = 200,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Full return against reward-to-go, on the same episodes of h pulls, for each h.

    An episode's return is the undiscounted sum of its rewards. Gradients are divided by h, so
    that both estimate exact_gradient. An estimate is the mean over EPISODES_A_BATCH episodes.

    Returns:
        arrows: horizon, weighting (one of WEIGHTINGS), index, A, B, C.
        spreads: horizon, weighting, spread, and the mean estimate in A, B, C.
    Source: Sutton & Barto (2018), section 13.3; Spinning Up, "Don't Let the Past Distract You".
    """
    exact = exact_gradient(logits)
    arrows, spreads = [], []
    for horizon in horizons:
        generator = torch.Generator().manual_seed(seed)
        actions = _pulls(logits, horizon, n_batches * EPISODES_A_BATCH, generator)
        rewards = sample_rewards(actions, noise, generator)
        to_go = discounted_returns(rewards, torch.ones_like(rewards), gamma=1.0)
        for weighting, weight in zip(WEIGHTINGS, (to_go[0].expand_as(to_go), to_go), strict=True):
            episodes = estimates(logits, actions, weight) / horizon
            gradients = episodes.view(n_batches, EPISODES_A_BATCH, -1).mean(1)
            names = {"horizon": horizon, "weighting": weighting}
            arrows.append(_arrow_frame(gradients).assign(**names))
            means = dict(zip(ARMS, gradients.mean(0).tolist(), strict=True))
            spreads.append({**names, "spread": spread(gradients, exact), **means})
    return pd.concat(arrows, ignore_index=True), pd.DataFrame(spreads)


def training(
    offset: float, seed: int = 0, n_updates: int = 40, batch: int = 256, learning_rate: float = 0.3
) -> pd.DataFrame:
    """REINFORCE on the bandit with a constant added to every reward, from equal probabilities.

    Returns:
        update (from 0), loss of the update's batch, objective: exact expected reward without the
        offset, before the update.
    """
    generator = torch.Generator().manual_seed(seed)
    logits = torch.zeros(len(ARMS), dtype=torch.float64)
    rows = []
    for number in range(n_updates + 1):
        logits.requires_grad_()
        pi = Categorical(logits=logits, validate_args=False)
        actions = torch.multinomial(pi.probs.detach(), batch, True, generator=generator)
        rewards = sample_rewards(actions, 0.0, generator) + offset
        loss = policy_gradient_loss(pi.log_prob(actions), rewards)
        rows.append(
            {
                "update": number,
                "loss": float(loss.detach()),
                "objective": float(objective(logits.detach())),
            }
        )
        (gradient,) = torch.autograd.grad(loss, logits)
        logits = logits.detach() - learning_rate * gradient
    return pd.DataFrame(rows)
