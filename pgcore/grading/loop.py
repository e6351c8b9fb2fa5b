"""The learner's own training loop, run on scripted environments whose right answers are known.

    def train(agent, envs, n_updates, gamma, lam): ...  -> one number an update, the one to plot

`get_loss` is watched: what a loop does to rows, ends and epochs arrives there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from pgcore.grading.loop_weights import ENDS, GAMMA, LAM, LAST, LIMITS, WRONG, handling_of
from pgcore.grading.pull import pull, sample_weights
from pgcore.grading.script import N_ACTIONS, N_OBS, Call, Rollout, Watch, Watched
from pgcore.grading.subject import Mistake, Subject, first_line

N_UPDATES = 4
RUNS = "train: runs"
Loop = Callable[[Any, Watched, int, float, float], Any]


def find(module: ModuleType) -> Loop | None:
    """The function `train` that a learner's module defines, if it does."""
    found = getattr(module, "train", None)
    own = callable(found) and getattr(found, "__module__", None) == module.__name__
    return found if own else None


class Graded:
    """One run of a learner's loop, and the checks of what it did; `runs` comes first.

    Args:
        subject: the agent that it trains.
        loop: the learner's function.
    """

    def __init__(self, subject: Subject, loop: Loop) -> None:
        self.subject, self.loop = subject, loop
        torch.manual_seed(0)
        # With no weight on the stored log-probabilities there is no ratio.
        flat = pull(subject, torch.ones_like(sample_weights()[1]))
        self.fresh = flat.fresh
        self.has_ratio = flat.fresh and pull(subject, sample_weights()[1]).loss != flat.loss
        self.agent = subject.make(N_OBS, N_ACTIONS)
        _spread(self.agent.value)
        self.envs = Watched()
        self.watch = Watch(
            self.agent, self.envs, "advantages" if subject.algorithm == "gae" else "returns"
        )

    def checks(self) -> list[tuple[str, Callable[[], str]]]:
        """Names of the checks, and the checks, in order."""
        return [
            (RUNS, self.runs),
            ("train: rows", self.rows),
            ("train: actions", self.actions),
            ("train: gradient", self.gradient),
            *((name, lambda name=name: self.ends(name)) for name in (ENDS, LIMITS, LAST)),
            ("train: epochs", self.epochs),
            ("train: what is plotted", self.plotted),
        ]

    def runs(self) -> str:
        """train comes to its end, steps the environments, calls get_loss, returns its numbers."""
        self.before = self._weights()
        try:
            self.answer = self.loop(self.agent, self.envs, N_UPDATES, GAMMA, LAM)
        except RuntimeError as error:
            self._explain(error)
            raise
        if not self.rollouts:
            raise Mistake("train never calls agent.get_loss after a step of the environments.")
        if len(self.rollouts) != N_UPDATES:
            raise Mistake(
                f"train made {len(self.rollouts)} updates instead of the {N_UPDATES} asked for: an "
                "update is a rollout, then one or more calls of get_loss."
            )
        return f"{N_UPDATES} updates, {self.calls[0].index.numel()} rows in the first call"

    def _explain(self, error: RuntimeError) -> None:
        """Name the mistakes that end in an error of autograd."""
        text = str(error)
        if "does not require grad" in text and self.calls and not self.calls[-1].has_graph:
            raise Mistake(
                "backward finds no graph: the rollout ran without gradients, and this loss needs "
                "the stored log-probabilities' graph.",
                "detached_log_probs",
            ) from error
        again = "second time" in text or "inplace operation" in text
        if again and self.rollouts and len(self.rollouts[-1].calls) > 1 and not self.has_ratio:
            raise Mistake(
                "The loss is taken more than once on one rollout, and autograd refuses: its graph "
                "is used up. Without a ratio a rollout serves one gradient step.",
                "epochs_without_ratio",
            ) from error
        if again and self.fresh and self.calls[-1].has_graph:
            raise Mistake(
                "The stored log-probabilities carry the rollout's graph into each epoch: roll out "
                f"under torch.no_grad(), or call detach(). It failed with {first_line(error)}"
            ) from error

    @property
    def rollouts(self) -> list[Rollout]:
        """Those that were learned from."""
        return self.watch.rollouts

    @property
    def calls(self) -> list[Call]:
        """All calls of get_loss."""
        return [call for rollout in self.rollouts for call in rollout.calls]

    def _weights(self) -> list[Tensor]:
        return [weight.detach().clone() for weight in self.agent.policy.parameters()]

    def rows(self) -> str:
        """Only rows of the last rollout come to the loss, and none of those that only reset."""
        for rollout in self.rollouts:
            for call in rollout.calls:
                if (call.index < 0).any():
                    raise Mistake(
                        "get_loss was handed states that the last rollout did not show: rows of an "
                        "earlier one, or observations that were changed."
                    )
        resets = sum(int((~r.valid.flatten()[c.index]).sum()) for r in self.rollouts for c in r.calls)
        if resets:
            total = sum(call.index.numel() for call in self.calls)
            raise Mistake(
                f"{resets} of the {total} rows only reset an environment: their action did nothing. "
                "Gymnasium's vector environments reset in the step after an end.",
                "reset_rows",
            )
        return "none of them only reset an environment"

    def actions(self) -> str:
        """Actions are drawn, and the loss gets the ones that were taken."""
        for rollout in self.rollouts:
            taken = rollout.actions.flatten()
            for call in rollout.calls:
                if not torch.equal(call.actions, taken[call.index]):
                    raise Mistake("get_loss was handed other actions than the environments got.")
        first = self.rollouts[0]
        if torch.equal(first.actions[first.valid], first.logits.argmax(-1)[first.valid]):
            raise Mistake(
                "Every action of the first rollout is the likeliest one: draw them from the "
                "distribution.",
                "argmax",
            )
        return "drawn, and the same ones in the loss"

    def gradient(self) -> str:
        """The loss can reach the policy, and the policy's weights change."""
        if not self.fresh and not all(call.has_graph for call in self.calls):
            raise Mistake(
                "The stored log-probabilities hold no graph, so no gradient reaches the policy: "
                "this loss needs the rollout's.",
                "detached_log_probs",
            )
        if self.fresh and any(call.has_graph for call in self.calls):
            raise Mistake(
                "The stored log-probabilities carry a graph: the old policy is a constant, so roll "
                "out under torch.no_grad(), or call detach()."
            )
        pairs = zip(self.before, self.agent.policy.parameters(), strict=True)
        if all(torch.equal(before, after) for before, after in pairs):
            raise Mistake(
                "The policy's weights never change: does the optimizer hold them, and is its "
                "step() called after backward()?"
            )
        return "it reaches the policy, whose weights change"

    def ends(self, check: str) -> str:
        """Sums stop at an end; V stands in at a time limit and after the last row."""
        algorithm = self.subject.algorithm
        if algorithm == "reinforce" and check != ENDS:
            return "REINFORCE has no values to put there"
        try:
            handling = handling_of(self.rollouts, algorithm)
        except Mistake:
            if check == ENDS:
                raise
            raise Mistake("Not seen, because the check of ends already failed.") from None
        if check in handling.wrong:
            raise WRONG[check]
        return {
            ENDS: "sums stop where an episode ended",
            LIMITS: "V of the final observation stands in",
            LAST: "V of the observation after it stands in",
        }[check]

    def epochs(self) -> str:
        """A rollout serves once, or many times against the log-probabilities that it came with."""
        most = 0
        for rollout in self.rollouts:
            uses = torch.cat([call.index for call in rollout.calls]).bincount()
            most = max(most, int(uses.max()))
            if self.has_ratio:
                self._check_old(rollout)
        if most > 1 and not self.has_ratio:
            raise Mistake(
                f"Each row is used {most} times, and this loss has no ratio: after the first "
                "gradient step the rows come from another policy than the one that is trained.",
                "epochs_without_ratio",
            )
        kept = "; old log-probabilities stay" if self.has_ratio else ""
        return f"each row is used {'once' if most == 1 else f'up to {most} times'}{kept}"

    def _check_old(self, rollout: Rollout) -> None:
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

    def plotted(self) -> str:
        """What train returns follows the returns of whole episodes."""
        try:
            numbers = [float(number) for number in self.answer]
        except (TypeError, ValueError):
            raise Mistake(
                f"train must return {N_UPDATES} numbers, the ones to plot, and returned "
                f"{type(self.answer).__name__}."
            ) from None
        if len(numbers) != N_UPDATES:
            raise Mistake(f"train must return {N_UPDATES} numbers, one an update: {len(numbers)}.")
        for what, blind in self._blind().items():
            if all(math.isclose(n, b, rel_tol=1e-4) for n, b in zip(numbers, blind, strict=True)):
                raise Mistake(
                    f"It is {what}, which is nearly the same for a good and a bad policy: plot the "
                    "return of whole episodes.",
                    "blind_metric",
                )
        returns = [r for update in self.envs.episode_returns for r in update]
        # The total reward divided by the number of ends counts cut episodes too.
        inside = [min(returns) <= number <= 1.5 * max(returns) for number in numbers]
        if not all(inside):
            raise Mistake(
                f"Whole episodes returned {min(returns):.1f} to {max(returns):.1f} here, and train "
                f"returned {numbers[inside.index(False)]:.3g}."
            )
        return "in the range of the episodes' returns"

    def _blind(self) -> dict[str, list[float]]:
        """The usual metrics that see no episode, by what they are, one number an update."""
        rewards = [(rollout.rewards, rollout.valid) for rollout in self.rollouts]
        return {
            "the mean reward a step": [r.mean().item() for r, _ in rewards],
            "the mean reward a step, without reset rows": [r[v].mean().item() for r, v in rewards],
            "the sum of a rollout's rewards": [r.sum().item() for r, _ in rewards],
            "the sum of a rollout's rewards, an environment": [
                r.sum(0).mean().item() for r, _ in rewards
            ],
        }


@torch.no_grad()
def _spread(value: torch.nn.Module) -> None:
    """Make the values large: next to 0, a missing V would not show."""
    for layer in [m for m in value.modules() if isinstance(m, torch.nn.Linear)][-1:]:
        layer.weight.mul_(3)
        if layer.bias is not None:
            layer.bias.add_(3)
