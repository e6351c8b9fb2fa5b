"""The learner's own training loop, run on scripted environments whose right answers are known.

    def train(agent, envs, n_updates, gamma, lam): ...  -> one number an update, the one to plot

`get_loss` is watched: what a loop does to rows, ends and epochs arrives there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import torch

from pgcore.grading.loop_plot import check_plotted
from pgcore.grading.loop_rows import all_known, check_actions, check_epochs, check_rows
from pgcore.grading.loop_weights import (
    ENDS,
    GAMMA,
    LAM,
    LAST,
    LIMITS,
    WRONG,
    Handling,
    handling_of,
)
from pgcore.grading.pull import pull, sample_weights
from pgcore.grading.script import N_ACTIONS, N_OBS, Call, Rollout, Watch, Watched
from pgcore.grading.subject import Mistake, Subject, first_line

N_UPDATES = 4
Loop = Callable[[Any, Watched, int, float, float], Any]


def find(module: ModuleType) -> Loop | None:
    """The function `train` that a learner's module has, its own or from a file beside it."""
    found = getattr(module, "train", None)
    return found if inspect.isfunction(found) else None


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
        self.before = [weight.detach().clone() for weight in self.agent.policy.parameters()]
        self.answer: tuple[Any] | None = None
        """What the loop returned, once it has run."""
        self.handling: Handling | None = None
        """What it does at ends, once that is known."""

    def checks(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Names of the checks, and the checks, in order; what cannot be seen is left out."""
        yield "train: runs", self.runs
        if self.answer is None:
            return
        yield "train: rows", partial(check_rows, self.rollouts)
        if not all_known(self.rollouts):
            return
        yield "train: actions", partial(check_actions, self.rollouts)
        yield "train: gradient", self.gradient
        yield ENDS, self.ends
        if self.handling is not None:
            yield LIMITS, partial(self.bootstrap, LIMITS, "V of the final observation stands in")
            yield LAST, partial(self.bootstrap, LAST, "V of the observation after it stands in")
        yield "train: epochs", partial(check_epochs, self.rollouts, self.has_ratio)
        returns = [each for update in self.envs.episode_returns for each in update]
        yield "train: what is plotted", partial(check_plotted, *self.answer, self.rollouts, returns)

    def runs(self) -> str:
        """train comes to its end, steps the environments, calls get_loss, returns its numbers."""
        arguments = (self.agent, self.envs, N_UPDATES, GAMMA, LAM)
        try:
            inspect.signature(self.loop).bind(*arguments)
        except TypeError:
            return "not graded, as it cannot be called as train(agent, envs, n_updates, gamma, lam)"
        try:
            answer = self.loop(*arguments)
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
        self.answer = (answer,)
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

    def ends(self) -> str:
        """Sums stop where an episode ended."""
        self.handling = handling_of(self.rollouts, self.subject.algorithm)
        if ENDS in self.handling.wrong:
            raise WRONG[ENDS]
        return "sums stop where an episode ended"

    def bootstrap(self, check: str, right: str) -> str:
        """V stands in at a time limit, and after the last row."""
        assert self.handling is not None
        if self.subject.algorithm == "reinforce":
            return "REINFORCE has no values to put there"
        if check in self.handling.wrong:
            raise WRONG[check]
        return right


@torch.no_grad()
def _spread(value: torch.nn.Module) -> None:
    """Make the values large: next to 0, a missing V would not show."""
    for layer in [m for m in value.modules() if isinstance(m, torch.nn.Linear)][-1:]:
        layer.weight.mul_(3)
        if layer.bias is not None:
            layer.bias.add_(3)
