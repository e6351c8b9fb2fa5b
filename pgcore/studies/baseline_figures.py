"""Chapter 4's tables: every position of its sliders, computed by pgcore.studies.baselines."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from pgcore.studies.baselines import (
    ACTIONS,
    Bandit,
    action_dependent,
    estimates,
    exact_gradient,
    moments,
    optimal_baseline,
    per_sample_gradients,
    problem_with,
    scores,
)

MIDDLE = 0.5
"""The probability of C in the tables that do not vary it."""


def batch_mixes(problem: Bandit, batch: int, n_batches: int, seed: int) -> tuple[Tensor, Tensor]:
    """Which actions sampled batches hold: shares (M, K) of each action, and how often each mix.

    A batch's estimate is shares @ estimates(problem, baseline), whatever the baseline.
    """
    generator = torch.Generator().manual_seed(seed)
    draws = torch.multinomial(problem.probs.expand(n_batches, -1), batch, True, generator=generator)
    counts = torch.nn.functional.one_hot(draws, len(problem.rewards)).sum(1)
    mixes, times = counts.unique(dim=0, return_counts=True)
    return mixes.double() / batch, times


def variances(prob_cs: Sequence[float], baselines: Sequence[float]) -> pd.DataFrame:
    """The mean and the variance of one sample's estimate against the baseline, exactly.

    Returns:
        Columns prob_c, baseline; mean_A, mean_B, mean_C; variance; excess (variance over the least
        one of any baseline: how many times as many samples give the same accuracy); pushes (which
        sampled actions this baseline pushes up or down, in words).
    """
    rows = []
    for prob_c in prob_cs:
        problem = problem_with(prob_c)
        _, least = moments(problem, optimal_baseline(problem))
        for baseline in baselines:
            mean, variance = moments(problem, baseline)
            words = pushes(problem, baseline)
            rows.append((prob_c, baseline, *mean.tolist(), variance, variance / least, words))
    means = [f"mean_{action}" for action in ACTIONS]
    columns = ["prob_c", "baseline", *means, "variance", "excess", "pushes"]
    return pd.DataFrame(rows, columns=columns)


def pushes(problem: Bandit, baseline: float) -> str:
    """Which actions become more likely when sampled: those whose reward beats the baseline."""
    sides = (problem.rewards - baseline).sign().tolist()
    up, still, down = (
        [action for action, side in zip(ACTIONS, sides, strict=True) if side == wanted]
        for wanted in (1, 0, -1)
    )
    if len(up) == len(ACTIONS):
        return "Every reward beats the baseline: any sampled action is pushed up, the worst too."
    if len(down) == len(ACTIONS):
        return "No reward reaches the baseline: any sampled action is pushed down, the best too."
    parts = [
        f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} {what} when sampled"
        for names, what in ((up, "pushed up"), (still, "left alone"), (down, "pushed down"))
        if names
    ]
    return "; ".join(parts) + "."


def landmarks(prob_cs: Sequence[float]) -> pd.DataFrame:
    """Two constants that people expect to be one: columns prob_c, name, baseline, variance."""
    rows = []
    for prob_c in prob_cs:
        problem = problem_with(prob_c)
        for name, baseline in (
            ("least variance", optimal_baseline(problem)),
            ("mean reward", float(problem.expected_reward)),
        ):
            rows.append((prob_c, name, baseline, moments(problem, baseline)[1]))
    return pd.DataFrame(rows, columns=["prob_c", "name", "baseline", "variance"])


def sampled_variances(
    prob_cs: Sequence[float], baselines: Sequence[float], n_samples: int, seed: int = 0
) -> pd.DataFrame:
    """The variance of so many single-sample estimates: columns prob_c, baseline, variance."""
    rows = []
    for prob_c in prob_cs:
        problem = problem_with(prob_c)
        mixes, times = batch_mixes(problem, 1, n_samples, seed)
        for baseline in baselines:
            sampled = (mixes @ estimates(problem, baseline)).repeat_interleave(times, dim=0)
            rows.append((prob_c, baseline, float(sampled.var(0).sum())))
    return pd.DataFrame(rows, columns=["prob_c", "baseline", "variance"])


def clouds(
    prob_cs: Sequence[float],
    baselines: Sequence[float],
    batches: Sequence[int],
    n_batches: int,
    seed: int = 0,
) -> pd.DataFrame:
    """Estimates made by sampled batches, as points. Equal ones are one row with a count.

    Returns:
        Columns prob_c, baseline, batch, grad_A, grad_B (by logit A and B; the component by C is
        minus their sum), count.
    """
    blocks = []
    for prob_c in prob_cs:
        problem = problem_with(prob_c)
        each = torch.stack([estimates(problem, baseline) for baseline in baselines])
        for batch in batches:
            mixes, times = batch_mixes(problem, batch, n_batches, seed)
            points = (mixes @ each)[..., :2]  # (baselines, mixes, 2)
            levels = torch.tensor(baselines, dtype=torch.float64)[:, None, None]
            constants = torch.tensor([prob_c, batch], dtype=torch.float64)
            parts = (constants, levels, points, times[:, None].double())
            shape = points.shape[:-1]
            block = torch.cat([part.expand(*shape, part.shape[-1]) for part in parts], dim=-1)
            blocks.append(block.flatten(0, 1))
    columns = ["prob_c", "batch", "baseline", "grad_A", "grad_B", "count"]
    return pd.DataFrame(torch.cat(blocks).numpy(), columns=columns)


def terms(levels: Sequence[float], looks: Sequence[float], prob_c: float = MIDDLE) -> pd.DataFrame:
    """What the "baseline" adds to the expected gradient, action by action, exactly.

        term(a) = pi(a) * grad log pi(a) * b(a);  for a constant b they sum to zero

    Returns:
        Per level and look, one row an action and one row "sum": action, prob, value (b(a)),
        term_A, term_B, term_C by logit; from_A, from_B, to_A, to_B, the terms laid head to tail
        (the sum's row leads from where they start to where they end).
    """
    problem = problem_with(prob_c)
    actions = torch.arange(len(ACTIONS))
    rows = []
    for level in levels:
        for look in looks:
            value = action_dependent(problem, level, look)
            term = per_sample_gradients(problem.logits, actions, problem.probs * value)
            path = torch.cat([torch.zeros(1, 2, dtype=torch.float64), term.cumsum(0)[:, :2]])
            for i, action in enumerate(ACTIONS):
                ends = (*path[i].tolist(), *path[i + 1].tolist())
                own = (float(problem.probs[i]), float(value[i]))
                rows.append((level, look, action, *own, *term[i].tolist(), *ends))
            total, mean_value = term.sum(0), float(problem.probs @ value)
            ends = (*path[0].tolist(), *path[-1].tolist())
            rows.append((level, look, "sum", 1.0, mean_value, *total.tolist(), *ends))
    by_logit = [f"term_{action}" for action in ACTIONS]
    path_columns = ["from_A", "from_B", "to_A", "to_B"]
    columns = ["level", "look", "action", "prob", "value", *by_logit, *path_columns]
    return pd.DataFrame(rows, columns=columns)


def dependence(
    levels: Sequence[float], looks: Sequence[float], prob_c: float = MIDDLE
) -> pd.DataFrame:
    """Bias and variance against how much the "baseline" looks at the action.

    Returns:
        Columns level, look; variance; bias (length of the mean minus grad J); gradient_left and
        variance_left: the mean's length and the variance as shares of those of a constant.
    """
    problem = problem_with(prob_c)
    truth = exact_gradient(problem)
    rows = []
    for level in levels:
        _, constant = moments(problem, level)
        for look in looks:
            mean, variance = moments(problem, action_dependent(problem, level, look))
            bias, left = float((mean - truth).norm()), float(mean.norm() / truth.norm())
            rows.append((level, look, variance, bias, left, variance / constant))
    columns = ["level", "look", "variance", "bias", "gradient_left", "variance_left"]
    return pd.DataFrame(rows, columns=columns)


def score_lengths(prob_cs: Sequence[float]) -> pd.DataFrame:
    """Why the optimum is not the mean: columns prob_c, action, prob, reward, score2, weight.

    score2 is |grad log pi(a)|^2; weight is the share of the action's reward in the optimum.
    """
    rows = []
    for prob_c in prob_cs:
        problem = problem_with(prob_c)
        squares = scores(problem).square().sum(-1)
        weight = problem.probs * squares
        weight = weight / weight.sum()
        for i, action in enumerate(ACTIONS):
            numbers = (problem.probs[i], problem.rewards[i], squares[i], weight[i])
            rows.append((prob_c, action, *map(float, numbers)))
    return pd.DataFrame(rows, columns=["prob_c", "action", "prob", "reward", "score2", "weight"])
