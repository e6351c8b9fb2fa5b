"""The learner's class, found in a file, and what goes wrong with it in one sentence."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from pgcore.trajectory import TrajData

GRADED = ("reinforce", "vpg", "ppo", "gae")
"""The homework's algorithms: the ones whose right answers are known."""


class Mistake(Exception):
    """Something is wrong with the learner's agent: one sentence, and the clinic's bug if known.

    Args:
        sentence: what was seen.
        bug: name of a file in pgcore/bugs, the likely cause.
    """

    def __init__(self, sentence: str, bug: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.bug = bug


class NoAgent(Mistake):
    """The file defines no class that could be an agent."""


class NoLoss(Mistake):
    """get_loss gives no number that could be looked into."""


@dataclass(frozen=True)
class Subject:
    """What is graded."""

    make: Callable[[int, int], Any]
    """(n_obs, n_actions) -> an agent: the learner's class."""
    algorithm: str
    """One of GRADED."""
    label: str
    """The class's name in the learner's file."""
    storage: type = TrajData
    """What rollouts are kept in: the learner's own class, where the file brings one."""


def find(module: ModuleType, algorithm: str | None) -> Subject:
    """The one class of a learner's module that is graded.

    A class is known by its own name (REINFORCE, VPG, PPO, GAE) or, named otherwise, by its
    attribute `name`.

    Raises:
        NoAgent: if there is none.
        Mistake: if there is more than one and no algorithm was asked for.
    """
    classes = [
        member
        for member in vars(module).values()
        if isinstance(member, type) and member.__module__ == module.__name__
    ]
    found = {cls.__name__.lower(): cls for cls in classes if cls.__name__.lower() in GRADED}
    if not found or (algorithm and algorithm not in found):
        for cls in classes:
            if hasattr(cls, "get_loss") or hasattr(cls, "get_action") or cls.__name__ == "Agent":
                found.setdefault(_by_name(cls), cls)
    asked = algorithm or (next(iter(found)) if len(found) == 1 else "")
    if asked not in found and found:
        classes_text = " and ".join(cls.__name__ for cls in found.values())
        if algorithm:
            raise Mistake(f"The file defines {classes_text}, but no {algorithm.upper()}.")
        raise Mistake(f"The file defines {classes_text}: choose one with --algorithm.")
    if asked not in found:
        raise NoAgent(
            "The file defines no agent: a class named REINFORCE, VPG, PPO or GAE, or Agent with "
            "one of these as its `name`."
        )
    if asked not in GRADED:
        raise Mistake(
            f"The class {found[asked].__name__} says neither by its own name nor by `name` which "
            "algorithm it is: REINFORCE, VPG, PPO or GAE."
        )
    return Subject(found[asked], asked, found[asked].__name__)


def _by_name(cls: type) -> str:
    name = getattr(cls, "name", None)
    if not isinstance(name, str):
        try:
            name = getattr(cls(4, 2), "name", None)
        except Exception as error:
            raise Mistake(
                f"{cls.__name__}(n_obs, n_actions) cannot be made to read its `name`: "
                f"{first_line(error)}"
            ) from error
    lower = str(name).lower()
    return next((known for known in GRADED if known in lower), lower)


def first_line(error: BaseException) -> str:
    """NameError: name 'x' is not defined."""
    lines = _text(error).strip().splitlines()
    text = type(error).__name__ + (f": {lines[0]}" if lines else "")
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a learner's own class may fail at this too
        return ""


def explain(error: BaseException, file: Path, doing: str) -> str:
    """One sentence for an error raised in the learner's code, with the line that raised it."""
    if isinstance(error, MemoryError) or "allocate memory" in _text(error):
        return f"{doing}: it asked for more memory than it may have."
    if isinstance(error, SyntaxError):
        where = f"line {error.lineno}" if error.lineno else "it"
        return f"{doing}: {where} is no Python: {error.msg}."
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    where = f" in line {lines[-1]}" if lines else ""
    if isinstance(error, SystemExit):
        return f"{doing}: it ended the program{where}."
    return f"{doing}: it failed{where} with {first_line(error)}"


def check_interface(subject: Subject) -> str:
    """The homework's names are there and can be called as the homework calls them."""
    cls: Any = subject.make
    for method, argument in (("get_action", "obs"), ("get_loss", "traj")):
        if not callable(getattr(cls, method, None)):
            raise Mistake(f"{subject.label} has no method {method}({argument}).")
    try:
        agent = cls(4, 2)
    except TypeError as error:
        raise Mistake(
            f"{subject.label}(n_obs, n_actions) cannot be made: {first_line(error)}"
        ) from error
    for method, argument in (("get_action", "obs"), ("get_loss", "traj")):
        try:
            inspect.signature(getattr(agent, method)).bind(None)
        except TypeError:
            raise Mistake(f"{method} must be callable as {method}({argument}).") from None
    for attribute in ("policy", "value"):
        if not isinstance(getattr(agent, attribute, None), nn.Module):
            raise Mistake(f"{subject.label} has no network `{attribute}`: an nn.Module is needed.")
    if not isinstance(getattr(agent, "name", None), str):
        raise Mistake(f"{subject.label} has no `name`: a text is needed.")
    return "policy, value, name, get_action and get_loss are there"


def scalar_loss(agent: Any, traj: Any) -> Tensor:
    """get_loss(traj), which must be one finite number in a tensor.

    Raises:
        NoLoss: otherwise.
    """
    loss = agent.get_loss(traj)
    if not isinstance(loss, Tensor):
        raise NoLoss(
            f"get_loss returned a {type(loss).__name__}: return the tensor itself, with its graph, "
            "and call .item() only to print it."
        )
    if loss.numel() != 1:
        raise NoLoss(
            f"get_loss returned a tensor of shape {tuple(loss.shape)}: a mean makes it one number."
        )
    if not torch.isfinite(loss).all():
        raise NoLoss("get_loss returned a number that is not finite.")
    return loss
