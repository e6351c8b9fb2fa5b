"""Chapter 4: what a baseline does to the policy gradient, on three actions and on CartPole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.distributions import Categorical

from pgcore.losses import policy_gradient_loss

ACTIONS = ("A", "B", "C")


@dataclass(frozen=True, eq=False)
class Bandit:
    """One decision, then a fixed reward: the smallest problem with a policy gradient. float64."""

    logits: Tensor
    """(K,), the parameters of a softmax policy."""
    rewards: Tensor
    """(K,), what each action pays."""

    @property
    def probs(self) -> Tensor:
        """pi(a), (K,)."""
        return Categorical(logits=self.logits).probs

    @property
    def expected_reward(self) -> Tensor:
        """J = sum_a pi(a) r(a), scalar."""
        return self.probs @ self.rewards


def bandit(logits: tuple[float, ...], rewards: tuple[float, ...]) -> Bandit:
    """A Bandit from plain numbers."""
    return Bandit(
        torch.tensor(logits, dtype=torch.float64), torch.tensor(rewards, dtype=torch.float64)
    )


def per_sample_gradients(logits: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
    """The gradient estimate that each sample makes alone: grad log pi(a) * weight, by autograd.

    Row i is minus the gradient of losses.policy_gradient_loss on sample i, so that a step along
    it raises the objective.

    Args:
        logits: (K,).
        actions: (B,) int64.
        weights: (B,), for example reward minus baseline.
    Returns:
        (B, K), in units of reward.
    """
    own_logits = logits.expand(len(actions), -1).clone().requires_grad_()
    log_probs = Categorical(logits=own_logits).log_prob(actions)
    policy_gradient_loss(log_probs, weights).backward()
    assert own_logits.grad is not None
    return -len(actions) * own_logits.grad


def estimates(problem: Bandit, baseline: Tensor | float) -> Tensor:
    """What a single sample's gradient estimate can be: one row an action, (K, K).

        g(a) = grad log pi(a) * (r(a) - b)

    Args:
        problem: the bandit.
        baseline: one number, or (K,): one an action, which is no baseline any more.
    """
    weights = problem.rewards - torch.as_tensor(baseline, dtype=torch.float64)
    return per_sample_gradients(problem.logits, torch.arange(len(problem.rewards)), weights)


def scores(problem: Bandit) -> Tensor:
    """grad log pi(a) of each action, (K, K): the estimate whose weight is 1."""
    everyone = torch.arange(len(problem.rewards))
    return per_sample_gradients(problem.logits, everyone, torch.ones_like(problem.rewards))


def exact_gradient(problem: Bandit) -> Tensor:
    """grad J by autograd through J = sum_a pi(a) r(a) itself, without the log trick: (K,)."""
    logits = problem.logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(Bandit(logits, problem.rewards).expected_reward, logits)
    return gradient


def moments(problem: Bandit, baseline: Tensor | float) -> tuple[Tensor, float]:
    """Mean and total variance of a single sample's estimate, summed exactly over the actions.

        mean = sum_a pi(a) g(a),    variance = sum_a pi(a) |g(a)|^2 - |mean|^2

    Returns:
        The mean (K,), and the variance summed over the K components, in reward squared.
    """
    each = estimates(problem, baseline)
    mean = problem.probs @ each
    variance = problem.probs @ each.square().sum(-1) - mean.square().sum()
    return mean, max(float(variance), 0.0)  # rounding may leave -1e-16 where it is zero


def optimal_baseline(problem: Bandit) -> float:
    """The constant with the least variance.

        b* = E[ |grad log pi|^2 r ] / E[ |grad log pi|^2 ]

    Not the mean reward: each reward counts by the squared length of its action's score, which is
    long for rare actions.

    Source: Greensmith, Bartlett & Baxter (2004), "Variance Reduction Techniques for Gradient
    Estimates in Reinforcement Learning", theorem 8.
    """
    weight = problem.probs * scores(problem).square().sum(-1)
    return float(weight @ problem.rewards / weight.sum())


def variance_curve(problem: Bandit, baselines: np.ndarray, batch: int = 1) -> pd.DataFrame:
    """The exact variance of a batch's mean estimate against the baseline.

    Args:
        baselines: what to put on the axis.
        batch: samples averaged; their variance falls as 1 / batch.
    Returns:
        Columns baseline, variance, mean_A, mean_B, mean_C (the mean estimate's components).
    """
    rows = []
    for baseline in baselines:
        mean, variance = moments(problem, float(baseline))
        rows.append((float(baseline), variance / batch, *mean.tolist()))
    names = [f"mean_{action}" for action in ACTIONS[: len(problem.rewards)]]
    return pd.DataFrame(rows, columns=["baseline", "variance", *names])


def sampled_estimates(
    problem: Bandit, baseline: float, batch: int, n_batches: int, seed: int
) -> Tensor:
    """The estimates that so many batches of sampled actions make, (n_batches, K).

    The same seed draws the same actions whatever the baseline is.
    """
    generator = torch.Generator().manual_seed(seed)
    draws = torch.multinomial(
        problem.probs, n_batches * batch, replacement=True, generator=generator
    )
    each = estimates(problem, baseline)[draws]
    return each.reshape(n_batches, batch, -1).mean(1)


def sampled_variance(
    problem: Bandit, baselines: np.ndarray, batch: int, n_batches: int, seed: int
) -> pd.DataFrame:
    """Variance of sampled estimates against the baseline: columns baseline, variance."""
    rows = [
        (
            float(baseline),
            float(sampled_estimates(problem, float(baseline), batch, n_batches, seed).var(0).sum()),
        )
        for baseline in baselines
    ]
    return pd.DataFrame(rows, columns=["baseline", "variance"])


def cloud(problem: Bandit, baseline: float, batch: int, n_batches: int, seed: int) -> pd.DataFrame:
    """Sampled gradient estimates as points; equal ones are one row with a count.

    Returns:
        Columns grad_A, grad_B (the components by logit A and B; C's is minus their sum), count.
    """
    sampled = sampled_estimates(problem, baseline, batch, n_batches, seed)[:, :2].numpy()
    frame = pd.DataFrame(sampled.round(9), columns=["grad_A", "grad_B"])
    return frame.value_counts(sort=False).rename("count").reset_index()


def action_dependent(problem: Bandit, baseline: float, dependence: float) -> Tensor:
    """A "baseline" that looks at the action: b(a) = b + c (r(a) - J), (K,).

    At c = 0 it is the constant b. At c = 1 and b = J it is the reward itself.
    """
    return baseline + dependence * (problem.rewards - problem.expected_reward)


def baseline_terms(problem: Bandit, baseline: float, dependence: float = 0.0) -> pd.DataFrame:
    """What the baseline adds to the expected gradient, action by action, exactly.

        term(a) = pi(a) * grad log pi(a) * b(a);  for a constant b they sum to zero

    Returns:
        One row an action: action, prob, baseline, score_A.., term_A.. (by logit). The sum of the
        term columns is how far the expected gradient is pushed off.
    """
    levels = action_dependent(problem, baseline, dependence)
    score = scores(problem)
    term = per_sample_gradients(problem.logits, torch.arange(len(levels)), problem.probs * levels)
    names = ACTIONS[: len(levels)]
    columns = {"action": names, "prob": problem.probs.numpy(), "baseline": levels.numpy()}
    columns |= {f"score_{name}": score[:, i].numpy() for i, name in enumerate(names)}
    columns |= {f"term_{name}": term[:, i].numpy() for i, name in enumerate(names)}
    return pd.DataFrame(columns)


def dependence_curve(problem: Bandit, baseline: float, dependences: np.ndarray) -> pd.DataFrame:
    """Bias and variance against how much the "baseline" looks at the action.

    Returns:
        Columns dependence, variance, bias (length of mean minus grad J), mean_length, true_length.
    """
    truth = exact_gradient(problem)
    rows = []
    for dependence in dependences:
        mean, variance = moments(problem, action_dependent(problem, baseline, float(dependence)))
        rows.append(
            (
                float(dependence),
                variance,
                float((mean - truth).norm()),
                float(mean.norm()),
                float(truth.norm()),
            )
        )
    return pd.DataFrame(
        rows, columns=["dependence", "variance", "bias", "mean_length", "true_length"]
    )
