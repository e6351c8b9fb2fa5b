"""The quiz: questions as data, one topic a file, found by their files.

A file defines TOPIC and QUESTIONS. Two files may share a topic.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from pgcore.questions.base import MAX_SEED, Question, Topic

_HELPERS = ("answers", "base", "line", "number", "progress", "syntax")


@cache
def topics() -> dict[Topic, tuple[Question, ...]]:
    """Every topic and its questions, in reading order.

    Raises:
        ImportError: if a file does not define TOPIC and QUESTIONS, or two questions share a name.
    """
    found: dict[Topic, tuple[Question, ...]] = {}
    for entry in sorted(pkgutil.iter_modules(__path__), key=lambda each: each.name):
        if entry.name in _HELPERS:
            continue
        module = importlib.import_module(f"{__name__}.{entry.name}")
        if not hasattr(module, "TOPIC") or not hasattr(module, "QUESTIONS"):
            raise ImportError(f"{module.__name__} must define TOPIC and QUESTIONS.")
        found[module.TOPIC] = found.get(module.TOPIC, ()) + module.QUESTIONS
    names = [question.name for questions in found.values() for question in questions]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ImportError(f"two questions are named {min(twice)}.")
    return dict(sorted(found.items(), key=lambda each: each[0].place))


def questions() -> dict[str, Question]:
    """Every question by its name, in reading order."""
    return {each.name: each for group in topics().values() for each in group}


__all__ = ["MAX_SEED", "Question", "Topic", "questions", "topics"]
