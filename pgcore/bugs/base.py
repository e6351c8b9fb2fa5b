"""What a bug is: a run with one thing wrong, and its healthy twin."""

from __future__ import annotations

import difflib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pgcore.agents import Agent
from pgcore.config import TrainConfig
from pgcore.train import Trainer


@dataclass(frozen=True)
class Bug:
    """One bug of policy-gradient code.

    Exactly one of changes, agent and trainer makes the broken run differ; none of them, where the
    run is right and only what is looked at is wrong.
    """

    title: str
    symptom: str
    """What one sees."""
    cause: str
    """The one thing that is wrong."""
    fix: str
    config: TrainConfig
    """Of the healthy twin."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the broken run that differ."""
    agent: type[Agent] | None = None
    """The agent of the broken run."""
    trainer: type[Trainer] = Trainer
    """The trainer of the broken run."""
    right: Callable[..., Any] | None = None
    """The healthy code, where a function differs."""
    wrong: Callable[..., Any] | None = None
    """The broken code in its place."""
    metric: str = "episode_return"
    """What the broken run's author looks at."""

    def healthy_run(self, seed: int = 0) -> Trainer:
        """A trainer without the bug."""
        return Trainer(self.config.replace(seed=seed))

    def broken_run(self, seed: int = 0) -> Trainer:
        """A trainer with the bug: same seed, same everything else."""
        return self.trainer(self.config.replace(seed=seed, **self.changes), self.agent)

    def difference(self) -> str:
        """The one thing that differs, as a unified diff: settings or source."""
        if self.changes:
            before, after = self.config.to_json(), self.config.replace(**self.changes).to_json()
            return _diff(before, after, context=0)
        if self.right is None or self.wrong is None:
            return ""
        wrong = _body(self.wrong)
        # Against an override that changes nothing: the whole of what it overrides is not the bug.
        right = _passed_on(self.right, wrong) if "super()." in wrong else _body(self.right)
        return _diff(right, wrong, context=3)


def _body(function: Callable[..., Any]) -> str:
    lines = textwrap.dedent(inspect.getsource(function))
    docstring = inspect.getdoc(function)
    if docstring is None:
        return lines
    # The docstring explains the bug; a diff of it would hide the one line that matters.
    head, _, rest = lines.partition('"""')
    return head.rstrip() + rest.partition('"""')[2]


def _passed_on(function: Callable[..., Any], override: str) -> str:
    head = override.partition(":\n")[0]
    _, *names = inspect.signature(function).parameters
    word = "" if function.__name__ == "__init__" else "return "
    return f"{head}:\n    {word}super().{function.__name__}({', '.join(names)})\n"


def _diff(before: str, after: str, context: int) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "healthy", "broken", n=context, lineterm=""
    )
    return "\n".join(line for line in lines if not line.startswith("@@"))
