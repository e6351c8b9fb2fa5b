"""Which rows a learner's loop hands to its loss, and how often."""

from __future__ import annotations

import torch

from pgcore.grading.script import Rollout
from pgcore.grading.subject import Mistake


def all_known(rollouts: list[Rollout]) -> bool:
    """Whether each row of each call is one of its own rollout."""
    return all(bool((call.index >= 0).all()) for rollout in rollouts for call in rollout.calls)


def check_rows(rollouts: list[Rollout]) -> str:
    """Only rows of the last rollout come to the loss, and none of those that only reset."""
    if not all_known(rollouts):
        raise Mistake(
            "get_loss was handed states that the last rollout did not show: rows of an earlier "
            "one, or observations that were changed."
        )
    resets = sum(int((~r.valid.flatten()[c.index]).sum()) for r in rollouts for c in r.calls)
    if resets:
        total = sum(call.index.numel() for rollout in rollouts for call in rollout.calls)
        raise Mistake(
            f"{resets} of the {total} rows only reset an environment: their action did "
            "nothing. Gymnasium's vector environments reset in the step after an end.",
            "reset_rows",
        )
    return "none of them only reset an environment"


def check_actions(rollouts: list[Rollout]) -> str:
    """Actions are drawn, and the loss gets the ones that were taken."""
    for rollout in rollouts:
        taken = rollout.actions.flatten()
        for call in rollout.calls:
            if not torch.equal(call.actions, taken[call.index]):
                raise Mistake("get_loss was handed other actions than the environments got.")
    first = rollouts[0]
    if torch.equal(first.actions[first.valid], first.logits.argmax(-1)[first.valid]):
        raise Mistake(
            "Every action of the first rollout is the likeliest one: draw them from the "
            "distribution.",
            "argmax",
        )
    return "drawn, and the same ones in the loss"


def check_epochs(rollouts: list[Rollout], has_ratio: bool) -> str:
    """A rollout serves once, or many times against the log-probabilities that it came with."""
    most = 0
    for rollout in rollouts:
        uses = torch.cat([call.index for call in rollout.calls]).bincount()
        most = max(most, int(uses.max()))
        if has_ratio:
            _check_old(rollout)
    if most > 1 and not has_ratio:
        raise Mistake(
            f"Each row is used {most} times, and this loss has no ratio: after the first "
            "gradient step the rows come from another policy than the one that is trained.",
            "epochs_without_ratio",
        )
    kept = "; old log-probabilities stay" if has_ratio else ""
    return f"each row is used {'once' if most == 1 else f'up to {most} times'}{kept}"


def _check_old(rollout: Rollout) -> None:
    old = rollout.log_probs.flatten()
    for number, call in enumerate(rollout.calls):
        if call.log_probs is None:
            raise Mistake("get_loss was handed no `log_probs` of the rows' shape.")
        if torch.allclose(call.log_probs, old[call.index], atol=1e-5, rtol=0):
            continue
        if number:
            raise Mistake(
                "The stored log-probabilities change from one gradient step to the next: they "
                "belong to the policy that acted, and are computed once a rollout.",
                "stale_ratio",
            )
        raise Mistake(
            "The stored log-probabilities are not those of the actions that were taken, under "
            "the policy that took them."
        )
