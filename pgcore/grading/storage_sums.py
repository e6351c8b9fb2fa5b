"""The sums of the learner's TrajData: returns and GAE, and the mistake behind a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from pgcore.grading.storage_fields import ENDS, N, T, call, close, dones_of_rollout, make, tensor
from pgcore.grading.subject import Mistake
from pgcore.returns import discounted_returns, gae

GAMMA, LAM = 0.8, 0.6
"""Far from the defaults, so that a number written into the code shows."""

Candidate = tuple[Tensor, str, str | None]
"""What a known mistake gives, what to say of it, and its name in pgcore/bugs."""


def _filled(storage: type) -> Any:
    """One with rewards and ends, written into its fields: what store does is another check."""
    g = torch.Generator().manual_seed(3)
    traj = make(storage)
    traj.rewards = torch.rand(T, N, generator=g) + 0.5
    traj.not_dones = 1 - dones_of_rollout()
    return traj


def check_returns(storage: type) -> str:
    """R_t = r_t + gamma * not_done_t * R_{t+1}, and the last row is its own reward."""
    for gamma, arguments in ((GAMMA, (GAMMA,)), (0.99, ())):
        traj = _filled(storage)
        rewards, not_dones = traj.rewards.clone(), traj.not_dones.clone()
        call(traj, "calc_returns", *arguments)
        got = _written(traj, "returns", "calc_returns")
        right = discounted_returns(rewards, not_dones, gamma)
        _judge("returns", got, right, _wrong_returns(rewards, not_dones, gamma))
    return "the sum restarts at an end; the last row is its own reward (as in the assignment)"


def _wrong_returns(rewards: Tensor, not_dones: Tensor, gamma: float) -> Iterator[Candidate]:
    def sums(alive: Tensor, discount: float = gamma) -> Tensor:
        return discounted_returns(rewards, alive, discount)

    right, ones = sums(not_dones), torch.ones_like(not_dones)
    leak = "leaking_returns"
    yield torch.zeros_like(right), "calc_returns left self.returns at 0", None
    yield sums(ones), "not_done is missing, so a sum runs on into the next episode", leak
    yield sums(1 - not_dones), "not_done is upside down: the sum stops at every step but ends", leak
    after = torch.cat([not_dones[1:], ones[:1]])
    yield sums(after), "not_done is taken from the next row, so an end comes a step off", leak
    for each, text in ((right, "discounted"), (sums(not_dones, 1.0), "undiscounted")):
        whole = _spread(each, not_dones)
        yield whole, f"every step gets its episode's whole {text} return", "whole_return"
    whole = sums(ones)[:1].expand_as(right)
    yield whole, "every step gets the first step's return", "whole_return"
    rest = rewards.clone()
    rest[-1] = 0
    lost = discounted_returns(rest, not_dones, gamma)
    yield lost, "the last row's own reward is missing: the loop starts a row too early", None
    for other in {1.0, 0.99, GAMMA} - {gamma}:
        yield sums(not_dones, other), f"gamma is taken for {other:g} instead of {gamma:g}", None
    yield rewards, "they are the rewards of single steps", None


def _spread(returns: Tensor, not_dones: Tensor) -> Tensor:
    """Each episode's first number on all of its steps."""
    rows = [returns[0]]
    for t in range(1, len(returns)):
        rows.append(torch.where(not_dones[t - 1] == 0, returns[t], rows[-1]))
    return torch.stack(rows)


def check_gae(storage: type) -> str:
    """delta_t = r_t + gamma * V_{t+1} * not_done_t - V_t; A_t adds gamma * lam * not_done * A."""
    remark = ""
    for gamma, lam, arguments in ((GAMMA, LAM, (GAMMA, LAM)), (0.99, 0.95, ())):
        traj = _filled(storage)
        values = torch.randn(T, N, generator=torch.Generator().manual_seed(5)).requires_grad_()
        rewards, not_dones = traj.rewards.clone(), traj.not_dones.clone()
        call(traj, "calc_gae", values, *arguments)
        got = _written(traj, "advantages", "calc_gae")
        if got.requires_grad:
            remark = "; it keeps the values' graph, so hand it constants"
        v = values.detach()
        following = torch.cat([v[1:], torch.zeros_like(v[:1])])
        ends, never = not_dones == 0, torch.zeros_like(not_dones, dtype=torch.bool)
        right = gae(rewards, v, following, ends, never, gamma, lam)
        _judge("advantages", got, right, _wrong_gae(rewards, v, following, ends, gamma, lam))
    return (
        f"the formula is right, and V after the last row counts as 0 (as in the assignment){remark}"
    )


def _wrong_gae(
    rewards: Tensor, v: Tensor, following: Tensor, ends: Tensor, gamma: float, lam: float
) -> Iterator[Candidate]:
    never = torch.zeros_like(ends)

    def estimate(
        stops: Tensor = ends, cuts: Tensor = ends, g: float = gamma, decay: float = lam
    ) -> Tensor:
        # Termination stops both sums; truncation only the second, so the first is zeroed by hand.
        after = torch.where(stops, 0.0, following)
        return gae(rewards, v, after, never, cuts, g, decay)

    leak = "leaking_returns"
    yield torch.zeros_like(v), "calc_gae left self.advantages at 0", None
    yield estimate(never, never), "not_done is missing: another episode is counted in", leak
    yield estimate(cuts=never), "not_done is missing in gamma * lam * not_done * A_{t+1}", leak
    yield estimate(stops=never), "not_done is missing in gamma * V_{t+1} * not_done", leak
    yield estimate(~ends, ~ends), "not_done is upside down", leak
    yield estimate() + v, "they are returns: V_t is to be subtracted", None
    ahead = torch.where(ends, 0.0, following)
    without = gae(rewards, torch.zeros_like(v), ahead, never, ends, gamma, lam)
    yield without, "V_t is not subtracted in delta_t", None
    yield -estimate(), "the sign is wrong", "missing_minus"
    yield estimate(decay=1.0), "lam is missing in the recursion", None
    yield estimate(decay=0.0), "they are the TD errors: the recursion is missing", None
    yield estimate(decay=lam / gamma), "gamma is missing in the recursion", None
    most = slice(-1)
    early = gae(rewards[most], v[most], following[most], ends[most], never[most], gamma, lam)
    early = torch.cat([early, torch.zeros_like(v[:1])])
    yield early, "the last row is left at 0: the loop starts a row too early", None
    if gamma != 0.99:
        yield estimate(g=0.99, decay=0.95), "gamma and lam are taken for 0.99 and 0.95", None


def _written(traj: Any, field: str, method: str) -> Tensor:
    if not isinstance(getattr(traj, field, None), Tensor):
        raise Mistake(f"{method} must write its result into self.{field}, as a tensor.")
    return tensor(traj, field, (T, N))


def _judge(what: str, got: Tensor, right: Tensor, wrong: Iterator[Candidate]) -> None:
    """Nothing, if got is right.

    Raises:
        Mistake: otherwise, with the known mistake that gives these numbers.
    """
    if close(got, right):
        return
    t, i = divmod(int((got.detach() - right).abs().argmax()), N)
    answer = f"`{what}` are wrong, most of all {_at(got, right, t, i)}"
    for value, sentence, bug in wrong:
        if close(got, value):
            raise Mistake(f"{answer}; {sentence}.", bug)
    raise Mistake(f"{answer}.")


def _at(got: Tensor, right: Tensor, t: int, i: int) -> str:
    end = " (an end)" if (t, i) in ENDS else ""
    return f"at step {t}{end}: {got[t, i].item():.3f} instead of {right[t, i].item():.3f}"
