"""The assignment's own unit tests, and what a wrong number says about its cause."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pgcore.bugs.broadcast import broadcasting_loss
from pgcore.bugs.missing_minus import ascending_loss
from pgcore.grading.subject import Mistake, Subject, scalar_loss
from pgcore.losses import ClippedSurrogate, clipped_surrogate, policy_gradient_loss, value_loss
from pgcore.networks import mlp
from pgcore.trajectory import TrajData

TOLERANCE = 1e-4
CLIP_EPS = 0.1


class Candidate(NamedTuple):
    """A loss that a known mistake gives on the assignment's data."""

    value: float
    sentence: str
    bug: str | None


def check_networks(subject: Subject) -> str:
    """Shapes, a bare Linear at the end, and the name."""
    for n_obs, n_actions in ((16, 4), (32, 6), (12, 7)):
        agent = subject.make(n_obs, n_actions)
        states = torch.randn(8, n_obs, generator=torch.Generator().manual_seed(0))
        logits, values = agent.policy(states), agent.value(states)
        last = next(reversed([m for m in agent.policy.modules() if not list(m.children())]))
        if isinstance(last, nn.Softmax | nn.LogSoftmax):
            raise Mistake(
                f"`policy` ends in {type(last).__name__}, but must end in a bare nn.Linear: "
                "the distribution makes probabilities out of logits itself.",
                "softmax_twice",
            )
        if not isinstance(last, nn.Linear):
            raise Mistake(f"`policy` ends in {type(last).__name__}, but must end in nn.Linear.")
        if logits.shape != (8, n_actions):
            raise Mistake(
                f"policy(states) of 8 states and {n_actions} actions has shape "
                f"{tuple(logits.shape)} instead of (8, {n_actions})."
            )
        if values.shape != (8, 1):
            raise Mistake(
                f"value(states) of 8 states has shape {tuple(values.shape)} instead of (8, 1)."
            )
        if subject.algorithm not in agent.name.lower():
            raise Mistake(f"`name` is {agent.name!r} instead of {subject.algorithm.upper()!r}.")
    return "shapes, last layers and name are right"


def reference_rollout(algorithm: str) -> TrajData:
    """The assignment's random fields, in its order, from seed 0; returns from -1 to 1 for PPO."""
    shape = (10, 5)
    g = torch.Generator().manual_seed(0)
    traj = TrajData(*shape, 4, 1)
    traj.states = torch.rand(*shape, 4, generator=g)
    traj.actions = torch.randint(0, 1, shape, generator=g)
    traj.rewards = torch.rand(shape, generator=g)
    traj.not_dones = torch.randint(0, 2, shape, generator=g)
    traj.log_probs = torch.rand(shape, generator=g)
    traj.returns = torch.rand(shape, generator=g)
    if algorithm in ("ppo", "gae"):
        traj.returns = 2 * traj.returns - 1
    if algorithm == "gae":
        traj.advantages = 2 * torch.rand(shape, generator=g) - 1
    return traj


def reference_networks() -> tuple[nn.Module, nn.Module]:
    """policy = Linear(4, 1), then value = Linear(4, 1), as torch.manual_seed(0) makes them."""
    g = torch.Generator().manual_seed(0)
    return mlp((4, 1), generator=g), mlp((4, 1), generator=g)


def check_loss(subject: Subject) -> str:
    """The loss on the assignment's data, and the mistake that a wrong one gives away."""
    agent = subject.make(4, 1)
    agent.policy, agent.value = reference_networks()
    traj = reference_rollout(subject.algorithm)
    got = scalar_loss(agent, traj).item()
    with torch.no_grad():
        values = agent.value(traj.states).squeeze(-1)
        expected = right_losses(subject.algorithm, traj, values)
        if min(abs(got - value) for value in expected) < TOLERANCE:
            return f"{got:.4f}, as the reference"
        answer = f"get_loss gives {got:.4f} on the assignment's data instead of {expected[0]:.4f}"
        for candidate in mistakes(subject.algorithm, traj, values):
            if abs(got - candidate.value) < TOLERANCE:
                raise Mistake(f"{answer}: {candidate.sentence}.", candidate.bug)
    raise Mistake(f"{answer}.")


def _surrogate(traj: TrajData, advantages: Tensor, eps: float = CLIP_EPS) -> ClippedSurrogate:
    # With a single action its log-probability is 0, whatever the weights.
    new = torch.zeros_like(traj.log_probs)
    return clipped_surrogate(new, traj.log_probs, advantages, eps)


def right_losses(algorithm: str, traj: TrajData, values: Tensor) -> list[float]:
    """What a right get_loss may give; the assignment's own value first."""
    log_probs, returns = traj.log_probs, traj.returns
    if algorithm == "reinforce":
        return [policy_gradient_loss(log_probs, returns).item()]
    critic = value_loss(values, returns)
    if algorithm == "vpg":
        return [(policy_gradient_loss(log_probs, returns - values) + critic).item()]
    if algorithm == "ppo":
        return [(-_surrogate(traj, returns - values).objective.mean() + critic).item()]
    # GAE is VPG or PPO with other advantages, on stored or fresh log-probabilities.
    advantages = traj.advantages
    assert advantages is not None
    policies = [policy_gradient_loss(log_probs, advantages), torch.zeros(())]
    policies += [-_surrogate(traj, advantages, eps).objective.mean() for eps in (CLIP_EPS, 0.2)]
    critics = [critic, advantages.square().mean()]
    return [
        (policy + scale * c).item() for scale in (1, 0.5) for policy in policies for c in critics
    ]


def mistakes(algorithm: str, traj: TrajData, values: Tensor) -> Iterator[Candidate]:
    """Every known mistake's loss on the same data, the likeliest first."""
    returns, log_probs = traj.returns, traj.log_probs
    if algorithm == "reinforce":
        yield from _policy_mistakes(log_probs, returns, torch.zeros(()))
        pairs = [
            (torch.zeros(()), "it uses no traj.log_probs but recomputes them or drops them", None),
            (policy_gradient_loss(log_probs, traj.rewards), "rewards instead of returns", None),
            (
                policy_gradient_loss(log_probs, returns[:1].expand_as(returns)),
                "every step gets the first step's return",
                "whole_return",
            ),
            (
                policy_gradient_loss(log_probs, (returns - returns.mean()) / returns.std()),
                "the returns are normalised, the assignment's are not",
                None,
            ),
        ]
        yield from (Candidate(value.item(), text, bug) for value, text, bug in pairs)
        return
    critic = value_loss(values, returns)
    advantages = returns - values if traj.advantages is None else traj.advantages
    if algorithm == "ppo":
        yield from _clip_mistakes(traj, advantages, critic)
        policy = -_surrogate(traj, advantages).objective.mean()
    else:
        policy = policy_gradient_loss(log_probs, advantages)
        yield Candidate(
            critic.item(),
            "the policy's part is 0, so it uses no traj.log_probs but recomputes or drops them",
            None,
        )
    yield Candidate(
        (critic + policy_gradient_loss(log_probs, returns)).item(),
        "the policy's part weighs with returns instead of advantages",
        None,
    )
    yield from _policy_mistakes(log_probs, advantages, critic)
    yield Candidate(policy.item(), "the value loss is missing", None)
    yield Candidate((policy + critic / 2).item(), "the value loss is halved", None)
    yield Candidate((policy - critic).item(), "the value loss has the wrong sign", None)
    crossed = (returns.reshape(1, -1) - values.reshape(-1, 1)).square().mean()
    for part in (policy, broadcasting_loss(log_probs.flatten(), advantages.reshape(-1, 1))):
        yield Candidate((part + crossed).item(), "(B, 1) met (B,) in R - V(s)", "broadcast")


def _policy_mistakes(log_probs: Tensor, weights: Tensor, critic: Tensor) -> Iterator[Candidate]:
    product = log_probs * weights
    for value, text, bug in (
        (ascending_loss(log_probs, weights), "the minus is missing", "missing_minus"),
        (
            broadcasting_loss(log_probs.flatten(), weights.reshape(-1, 1)),
            "(B, 1) met (B,), so every action is paired with every weight",
            "broadcast",
        ),
        (-product.sum(), "a sum instead of a mean", None),
        (-product.sum(0).mean(), "a sum over time instead of a mean", None),
        (-product.sum(1).mean(), "a sum over environments instead of a mean", None),
        (-(log_probs.exp() * weights).mean(), "probabilities instead of log-probabilities", None),
    ):
        yield Candidate((value + critic).item(), text, bug)


def _clip_mistakes(traj: TrajData, advantages: Tensor, critic: Tensor) -> Iterator[Candidate]:
    for eps in (CLIP_EPS, 0.2):
        s = _surrogate(traj, advantages, eps)
        if eps != CLIP_EPS:
            text = f"this is the value at a clip range of {eps:g}, the assignment's is {CLIP_EPS:g}"
            yield Candidate((critic - s.objective.mean()).item(), text, None)
        for objective, text, bug in (
            (s.clipped.mean(), "the clipped branch alone, without the min", "clip_without_min"),
            (-s.objective.mean(), "the minus is missing", "missing_minus"),
            (torch.maximum(s.clipped, s.unclipped).mean(), "max instead of min", None),
            (s.objective.sum(), "a sum instead of a mean", None),
            (torch.minimum(s.clipped.mean(), s.unclipped.mean()), "min of two means", None),
        ):
            yield Candidate((critic - objective).item(), text, bug)
    self_ratio = clipped_surrogate(traj.log_probs, traj.log_probs, advantages, CLIP_EPS)
    for objective, text, bug in (
        (s.unclipped.mean(), "the ratio without a clip", None),
        (self_ratio.objective.mean(), "the ratio is 1 for every sample", "stale_ratio"),
        (
            -policy_gradient_loss(traj.log_probs, advantages),
            "no ratio, but the stored log-probabilities themselves",
            "epochs_without_ratio",
        ),
        # With a single action a fresh log-probability is 0.
        (torch.zeros(()), "no ratio, but log-probabilities themselves", "epochs_without_ratio"),
        ((advantages / s.ratio).mean(), "the ratio is upside down", None),
    ):
        yield Candidate((critic - objective).item(), text, bug)
