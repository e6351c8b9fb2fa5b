"""The returns or advantages that a learner's loop hands to its loss, and what is wrong there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pgcore.grading.script import Call, Rollout
from pgcore.grading.subject import Mistake
from pgcore.returns import discounted_returns, gae

GAMMA, LAM = 0.8, 0.6
"""Handed to the loop; far from the usual ones, so that a number written into the code shows."""
ENDS, LIMITS, LAST = "train: ends", "train: time limits", "train: last row"
WRONG = {
    ENDS: Mistake(
        "The sum runs on from one episode into the next: it must stop where an episode ended.",
        "leaking_returns",
    ),
    LIMITS: Mistake(
        "A time limit is taken for the end of the world: only `terminated` means that nothing "
        "follows; at a `truncated` row add gamma * V of the observation that step returned.",
        "truncation_as_termination",
    ),
    LAST: Mistake(
        "Whatever follows the rollout's last row is taken for 0, though most episodes go on: add "
        "gamma * V of the observation after it.",
        "last_row",
    ),
}


class Handling(NamedTuple):
    """How a loop treats the three places where a sum may stop."""

    ends_stop: bool = True
    limits_bootstrap: bool = True
    last_bootstraps: bool = True

    @property
    def wrong(self) -> tuple[str, ...]:
        """The checks that it fails."""
        return tuple(
            check for check, fine in zip((ENDS, LIMITS, LAST), self, strict=True) if not fine
        )


RIGHT = Handling()
HANDLINGS = (
    RIGHT,
    *(Handling(True, *fine) for fine in ((True, False), (False, True), (False, False))),
    # Where ends do not stop the sum, nothing is done at a limit that would not be done elsewhere.
    *(Handling(False, True, last) for last in (True, False)),
)


def weights(
    rollout: Rollout, algorithm: str, handling: Handling, gamma: float = GAMMA, lam: float = LAM
) -> Iterator[Tensor]:
    """What the loop may hand over, (T, N), under one way of treating ends.

    REINFORCE has no values: plain returns. VPG and PPO: returns that are bootstrapped with V, or
    GAE plus V. GAE: advantages.
    """
    never, ended = torch.zeros_like(rollout.terminated), rollout.terminated
    cut = ended | rollout.truncated
    sums = [discounted_returns(rollout.rewards, ~(cut if handling.ends_stop else never), gamma)]
    if algorithm == "reinforce":
        yield from sums
        return
    following = rollout.next_values.clone()
    if not handling.limits_bootstrap:
        following[rollout.truncated] = 0
    if not handling.last_bootstraps:
        following[-1] = 0
    stops = [(following, ended, cut)]
    if not handling.ends_stop:
        # Nowhere at all, in the recursion alone, or in the TD error alone.
        stops = [(following, never, never), (following.masked_fill(ended, 0), never, never)]
        stops += [(following, never, cut)]
    for after, terminated, truncated in stops:
        arguments = (rollout.rewards, rollout.values, after, terminated, truncated, gamma)
        advantages = gae(*arguments, lam)
        if algorithm == "gae":
            yield advantages
        else:
            yield from (advantages + rollout.values, gae(*arguments, 1.0) + rollout.values)
    # The assignment's sum knows no values at all, so it bootstraps nowhere.
    bare = not handling.last_bootstraps and not (handling.ends_stop and handling.limits_bootstrap)
    if bare and algorithm != "gae":
        yield from sums


def same(call: Call, candidate: Tensor) -> bool:
    """Whether a call's weights are these, but for a positive scale and an offset.

    A loop may normalise them, a minibatch at a time.
    """
    assert call.weights is not None
    x, y = candidate.flatten()[call.index], call.weights.float()
    x, y = x - x.mean(), y - y.mean()
    scale = (x @ y) / (x @ x).clamp(min=1e-12)
    return bool(scale > 0) and bool((y - scale * x).norm() < 1e-3 * y.norm())


def handling_of(rollouts: list[Rollout], algorithm: str) -> Handling:
    """The way of treating ends that explains the weights of every rollout's first call.

    Raises:
        Mistake: if none does.
    """
    firsts = [(rollout, rollout.calls[0]) for rollout in rollouts if rollout.calls]
    field = "advantages" if algorithm == "gae" else "returns"
    if any(call.weights is None for _, call in firsts):
        raise Mistake(f"get_loss was handed no `{field}` of the rows' shape.")

    def explains(*settings: float, handling: Handling) -> bool:
        columns = zip(*(weights(r, algorithm, handling, *settings) for r, _ in firsts), strict=True)
        return any(
            all(same(call, one) for (_, call), one in zip(firsts, column, strict=True))
            for column in columns
        )

    for handling in HANDLINGS:
        if explains(handling=handling):
            return handling
    for settings, what in (
        ((0.99, LAM), f"gamma is taken for 0.99 instead of the {GAMMA:g} given"),
        ((1.0, LAM), f"gamma is taken for 1 instead of the {GAMMA:g} given"),
        ((GAMMA, 0.95), f"lam is taken for 0.95 instead of the {LAM:g} given"),
        ((GAMMA, 1.0), f"lam is taken for 1 instead of the {LAM:g} given"),
        (
            (0.99, 0.95),
            f"gamma and lam are 0.99 and 0.95 instead of {GAMMA:g} and {LAM:g}",
        ),
    ):
        if any(explains(*settings, handling=handling) for handling in HANDLINGS):
            raise Mistake(f"The `{field}` are those of another setting: {what}.")
    for candidates, sentence, bug in _other_mistakes(rollouts):
        if all(same(call, c) for (_, call), c in zip(firsts, candidates, strict=True)):
            raise Mistake(f"The `{field}` are wrong: {sentence}.", bug)
    raise Mistake(
        f"The `{field}` are not those of the rows' rewards, not even up to a scale and an offset: "
        "print them beside the rewards for one short episode."
    )


def _other_mistakes(rollouts: list[Rollout]) -> Iterator[tuple[list[Tensor], str, str | None]]:
    used = [rollout for rollout in rollouts if rollout.calls]
    for gamma in (GAMMA, 1.0):
        sums = [discounted_returns(r.rewards, ~(r.terminated | r.truncated), gamma) for r in used]
        whole = [_first_of_episode(r, each) for r, each in zip(used, sums, strict=True)]
        yield whole, "every step gets its episode's whole return", "whole_return"
        yield [-each for each in sums], "the sign is wrong", "missing_minus"
    yield [r.rewards for r in used], "they are the rewards of single steps", None


def _first_of_episode(rollout: Rollout, returns: Tensor) -> Tensor:
    done = rollout.terminated | rollout.truncated
    rows = [returns[0]]
    for t in range(1, len(returns)):
        # A reset row belongs to no episode: the next one starts after it.
        fresh = done[t - 1] | ~rollout.valid[t - 1]
        rows.append(torch.where(fresh, returns[t], rows[-1]))
    return torch.stack(rows)
