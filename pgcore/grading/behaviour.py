"""What no single number shows: sampling, gradients, signs, and where PPO's clip acts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pgcore.grading.homework import CLIP_EPS
from pgcore.grading.pull import N_ACTIONS, B, pull, sample_weights
from pgcore.grading.subject import Mistake, Subject
from pgcore.losses import clipped_surrogate

DRAWS = 4000


def check_get_action(subject: Subject) -> str:
    """Actions (N,), one of n_actions each, drawn with the probabilities that are returned."""
    g = torch.Generator().manual_seed(1)
    agent = subject.make(4, N_ACTIONS)
    last = [layer for layer in agent.policy.modules() if isinstance(layer, nn.Linear)][-1]
    if last.bias is not None:
        with torch.no_grad():  # an uneven policy: a uniform one looks right in too many ways
            last.bias.add_(torch.linspace(1.0, -1.0, N_ACTIONS))
    obs = torch.randn(1, 4, generator=g).expand(DRAWS, 4).contiguous()
    answer = agent.get_action(obs)
    if not (isinstance(answer, tuple) and len(answer) == 2 and hasattr(answer[1], "log_prob")):
        raise Mistake("get_action must return two things: the actions and their distribution.")
    actions, distribution = answer
    if not isinstance(actions, Tensor) or tuple(actions.shape) != (DRAWS,):
        shape = tuple(actions.shape) if isinstance(actions, Tensor) else type(actions).__name__
        raise Mistake(f"get_action of {DRAWS} observations must give ({DRAWS},) actions: {shape}.")
    if not torch.isin(actions, torch.arange(N_ACTIONS).to(actions.dtype)).all():
        raise Mistake(f"get_action must give whole numbers from 0 to {N_ACTIONS - 1}.")
    log_probs = distribution.log_prob(actions)
    if tuple(log_probs.shape) != (DRAWS,):
        raise Mistake(
            f"The distribution's log_prob(actions) has shape {tuple(log_probs.shape)} instead of "
            f"({DRAWS},): one number for each action is needed.",
            "broadcast",
        )
    logits = agent.policy(obs[:1])
    _check_probabilities(distribution.probs[0].detach(), logits[0].detach())
    shares = torch.bincount(actions.long(), minlength=N_ACTIONS) / DRAWS
    probs = distribution.probs[0].detach()
    if shares[probs.argmax()] == 1:
        raise Mistake(
            f"All {DRAWS} actions of one observation are the same, the likeliest one, at a "
            f"probability of {probs.max():.2f}: sample from the distribution.",
            "argmax",
        )
    # Six standard deviations of a share.
    if (shares - probs).abs().max() > 6 * (0.25 / DRAWS) ** 0.5:
        seen, meant = ([round(x, 2) for x in t.tolist()] for t in (shares, probs))
        raise Mistake(
            f"get_action draws other shares, {seen}, than its distribution's probabilities {meant}."
        )
    return "shapes are right, and actions are drawn with the policy's probabilities"


def _check_probabilities(probs: Tensor, logits: Tensor) -> None:
    once = logits.softmax(-1)
    if torch.allclose(probs, once, atol=1e-5):
        return
    if torch.allclose(probs, once.softmax(-1), atol=1e-5):
        raise Mistake(
            "The distribution's probabilities are a softmax of a softmax of policy(obs): "
            "Categorical(logits=...) takes the logits themselves.",
            "softmax_twice",
        )
    raise Mistake("The distribution's probabilities are not softmax(policy(obs)).")


def _correlation(x: Tensor, y: Tensor) -> float:
    return torch.corrcoef(torch.stack([x, y]))[0, 1].item()


def _is_constant(x: Tensor) -> bool:
    return bool(x.std() < 1e-3 * x.abs().mean())


def check_policy_gradient(subject: Subject) -> str:
    """A gradient reaches the policy, and each action's is in proportion to its own return."""
    returns, ratios = sample_weights()
    result = pull(subject, torch.ones_like(ratios))
    pulls, weights = result.policy, returns.flatten()
    if pulls.abs().max() < 1e-9:
        raise Mistake(
            "No gradient reaches the policy: the log-probabilities in get_loss hold no graph.",
            "detached_log_probs",
        )
    if _is_constant(pulls):
        raise Mistake(
            "Every action gets the same gradient, whatever its return: (B, 1) was multiplied with "
            "(B,), or the mean was taken before the product.",
            "broadcast",
        )
    correlation = _correlation(pulls, -weights)
    if correlation < -0.9:
        raise Mistake(
            "A step makes actions with a high return less likely: a minus is missing, or the "
            "advantage is V - R.",
            "missing_minus",
        )
    if correlation < 0.99:
        first = returns[:1].expand_as(returns).flatten()
        bug = "whole_return" if _correlation(pulls, -first) > 0.99 else None
        raise Mistake("The gradient of an action is not in proportion to its own return.", bug)
    return "it reaches the policy and makes actions with a high return more likely"


def check_value_gradient(subject: Subject) -> str:
    """The value network is pulled towards the returns."""
    if subject.algorithm == "reinforce":
        return "REINFORCE trains no value network"
    returns, ratios = sample_weights()
    pulls, weights = pull(subject, torch.ones_like(ratios)).value, returns.flatten()
    if pulls.abs().max() < 1e-9:
        raise Mistake("No gradient reaches the value network: the value loss is missing.")
    alike = _is_constant(pulls)
    # A gradient is subtracted: this one moves every value, which is 0, towards the mean return.
    if alike and pulls.mean() * weights.mean() < 0:
        raise Mistake("All values are pulled alike: (B, 1) met (B,) in R - V(s).", "broadcast")
    correlation = 0.0 if alike else _correlation(pulls, -weights)
    if correlation < -0.5:
        raise Mistake("The value network is pushed away from the returns: a sign is wrong.")
    if correlation < 0.5:
        raise Mistake(
            "The value network is not pulled towards the returns: the value loss is missing, and "
            "what reaches it is the policy loss through the advantage.",
            "advantage_not_detached",
        )
    slope = (pulls - pulls.mean()) @ (weights - weights.mean()) / weights.var() / (B - 1)
    offset = pulls.mean() - slope * weights.mean()
    if offset.abs() > 0.05 * slope.abs():
        return (
            "it pulls values towards the returns; the policy loss pulls them too, because the "
            "advantage is not detached (as in the assignment)"
        )
    return "it pulls values towards the returns"


def check_clip(subject: Subject) -> str:
    """PPO: the gradient is zero exactly where min picks the clipped branch."""
    returns, ratios = sample_weights()
    result = pull(subject, ratios)
    pulls, weights, r = result.policy, returns.flatten(), ratios.flatten()
    if pulls.abs().max() < 1e-9:
        raise Mistake("No gradient reaches the policy at any ratio.", "detached_log_probs")
    alive = pulls.abs() > 1e-5 * pulls.abs().max()
    per_weight = pulls / -weights
    follows_ratio = _correlation(per_weight[alive], r[alive]) > 0.99
    if alive.all() and not follows_ratio:
        if subject.algorithm == "gae":
            return "this GAE has no ratio, so nothing is clipped"
        if abs(pull(subject, ratios, decided=2.0).loss - result.loss) > 1e-6 * abs(result.loss):
            raise Mistake(
                "The stored log-probabilities change nothing, and the loss follows log pi itself: "
                "there is no ratio, so nothing holds the policy over many epochs.",
                "epochs_without_ratio",
            )
        raise Mistake(
            "The stored log-probabilities change nothing: the ratio is 1 whatever the old policy "
            "was, so the clip never acts.",
            "stale_ratio",
        )
    right = ~clipped_surrogate(r.log(), torch.zeros(B), weights, CLIP_EPS).clip_active
    if alive.all():
        raise Mistake("No sample loses its gradient, however large its ratio: the clip is missing.")
    if torch.equal(alive, (r - 1).abs() < CLIP_EPS):
        raise Mistake(
            "Samples on the wrong side of the range have no gradient either, so nothing pulls them "
            "back: the min with the unclipped product is missing.",
            "clip_without_min",
        )
    if not torch.equal(alive, right):
        raise Mistake(
            "The gradient is zero for the wrong samples: it must vanish above 1 + eps where the "
            "advantage is positive and below 1 - eps where it is negative; is it max, not min?"
        )
    if not follows_ratio:
        raise Mistake("The gradient of a sample inside the range does not grow with its ratio.")
    return "the gradient is zero exactly where the clip is active"
