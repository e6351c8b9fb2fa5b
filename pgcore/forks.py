"""A run that branches off another: one setting changed, everything else as it was."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from pgcore import checkpoints
from pgcore.agents import REGISTRY
from pgcore.checkpoints import Checkpoint
from pgcore.config import ConfigError, TrainConfig
from pgcore.stats import UpdateStats
from pgcore.train import Trainer

FIXED = {
    "seed": "the random state goes on from the checkpoint, and the seed was only its start",
    "env_id": "the networks and the episodes under way belong to one environment",
    "n_envs": "the checkpoint holds the state of exactly as many environments",
    "n_steps": "environment steps are counted as updates times rows of a rollout, which would be "
    "false for the updates before the fork",
    "hidden": "the weights fit networks of one shape",
    "activation": "the weights were learnt for one nonlinearity, and with another they are "
    "another function",
    "init": "the weights were drawn once, before the first update",
    "value_scale": "the value network answers in units of it, so every value would be wrong by "
    "the same factor at once",
}
"""Settings that must stay as they are, and why: with another value the weights or the random state
of the checkpoint would lose their meaning."""


@dataclass(frozen=True, eq=False)
class Fork:
    """Where a run branches off its parent, and the settings that it goes on with.

    Kept are the weights, Adam's moments, the random states and the episodes under way, so the
    first rollout is the parent's own, unless reset_each_rollout changed; with no setting changed,
    so are all numbers.

    Raises:
        ConfigError: if a setting of FIXED differs, the algorithms train different networks, or no
            update is left to train.
    """

    parent: str
    """What the parent is called."""
    checkpoint: Checkpoint
    config: TrainConfig
    """Of the branch."""
    history: tuple[UpdateStats, ...] = ()
    """The updates that led to the checkpoint, as far as they are known: a curve begins there."""

    def __post_init__(self) -> None:
        for name in self.changes:
            if name in FIXED:
                raise ConfigError(f"{name} cannot change at a fork: {FIXED[name]}.")
        was, now = self.checkpoint.config.algorithm, self.config.algorithm
        # An optimizer of other weights would have moments for some of them only.
        if REGISTRY[was].uses_value != REGISTRY[now].uses_value:
            raise ConfigError(
                f"algorithm cannot change from {was} to {now} at a fork: only one of them trains "
                "a value network."
            )
        if self.config.n_updates <= self.update:
            raise ConfigError(
                f"n_updates must be above {self.update}, the update of the fork, "
                f"not {self.config.n_updates}."
            )

    @property
    def update(self) -> int:
        """The update after which the branch begins."""
        return self.checkpoint.update

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Setting -> (the parent's value, the branch's), where they differ."""
        was, now = self.checkpoint.config, self.config
        names = [field.name for field in dataclasses.fields(now)]
        both = {name: (getattr(was, name), getattr(now, name)) for name in names}
        return {name: (old, new) for name, (old, new) in both.items() if old != new}

    @property
    def _telling(self) -> dict[str, tuple[Any, Any]]:
        changes = self.changes
        if not (self.checkpoint.config.anneal_learning_rate or self.config.anneal_learning_rate):
            # A longer run learns the same at every update, unless its rate depends on the length.
            changes.pop("n_updates", None)
        return changes

    def trainer(self) -> Trainer:
        """A trainer at the fork, with the branch's settings.

        Raises:
            CheckpointError: if the checkpoint is damaged or cannot be continued.
        """
        changes = {name: new for name, (_, new) in self.changes.items()}
        return checkpoints.resume(self.checkpoint, **changes)

    def describe(self) -> str:
        """What changed: "learning rate 0.025 → 0.1"."""
        said = [
            f"{name.replace('_', ' ')} {_text(old)} → {_text(new)}"
            for name, (old, new) in self._telling.items()
        ]
        return ", ".join(said) or "nothing changed"

    def folder_name(self, parent: str) -> str:
        """What a run folder is called where nobody names it: x-at40-learning_rate-0.1."""
        words = [parent, f"at{self.update}"]
        for name, (_, new) in self._telling.items():
            words += [name, str(new)]
        return "-".join(words)[:80]

    def to_json(self) -> str:
        """What a run folder keeps of it."""
        changes = {name: {"from": old, "to": new} for name, (old, new) in self.changes.items()}
        kept = {"parent": self.parent, "update": self.update, "changes": changes}
        return json.dumps(kept, indent=2)


def changeable(config: TrainConfig) -> list[str]:
    """Settings that can change at a fork of such a run and would make a difference to it."""
    agent, idle = REGISTRY[config.algorithm], {*FIXED, "n_updates", "checkpoint_every"}
    if not agent.uses_ratio:
        idle |= {"clip_eps", "target_kl"}
    if not agent.uses_value:
        idle |= {"algorithm", "value_coef", "advantage", "detach_advantage", "bootstrap"}
    if config.advantage != "gae":
        idle.add("lam")
    return [field.name for field in dataclasses.fields(config) if field.name not in idle]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
