"""Chapter 4: what a baseline does to the policy gradient, exactly, with three actions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Categorical

from pgcore.losses import policy_gradient_loss

ACTIONS = ("A", "B", "C")
REWARDS = (6.0, 8.0, 13.0)


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


def problem_with(prob_c: float) -> Bandit:
    """REWARDS under a policy that takes C with this probability, A and B alike otherwise."""
    rest = (1 - prob_c) / 2
    return bandit((math.log(rest), math.log(rest), math.log(prob_c)), REWARDS)


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


def action_dependent(problem: Bandit, baseline: float, dependence: float) -> Tensor:
    """A "baseline" that looks at the action: b(a) = b + c (r(a) - J), (K,).

    At c = 0 it is the constant b. At c = 1 and b = J it is the reward itself.
    """
    return baseline + dependence * (problem.rewards - problem.expected_reward)
