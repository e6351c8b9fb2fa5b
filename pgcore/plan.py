"""What a sweep runs: algorithms x presets x settings x seeds, from words to configs."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pgcore.config import ConfigError, TrainConfig, field_types

_ELSEWHERE = {"algorithm": "algorithms", "seed": "seeds"}


def grid(
    presets: Sequence[str],
    algorithms: Sequence[str],
    settings: Mapping[str, Sequence[Any]],
    seeds: Iterable[int],
) -> list[TrainConfig]:
    """Every combination, seeds innermost.

    Args:
        settings: name -> values; none leaves the presets as they are.
    Raises:
        ConfigError: for a setting that does not exist, a value that is not valid, or if there is
            nothing to combine.
    """
    for what, choices in (("algorithm", algorithms), ("preset", presets)):
        if not choices:
            raise ConfigError(f"a sweep needs at least one {what}.")
    names = list(settings)
    configs = [
        TrainConfig.preset(preset, algorithm, **dict(zip(names, values, strict=True)), seed=seed)
        for preset, algorithm, values, seed in itertools.product(
            presets, algorithms, list(itertools.product(*settings.values())), list(seeds)
        )
    ]
    return list(dict.fromkeys(configs))


def settings_from_words(lines: Iterable[Sequence[str]]) -> dict[str, tuple[Any, ...]]:
    """[("clip_eps", "0.1", "0.2")] -> {"clip_eps": (0.1, 0.2)}, the settings of a grid.

    Raises:
        ConfigError: for a setting that does not exist, comes twice, or has no value or a bad one.
    """
    settings: dict[str, tuple[Any, ...]] = {}
    for line in lines:
        if not line:
            raise ConfigError("name a setting and its values, for example clip_eps 0.1 0.2.")
        name, words = line[0].replace("-", "_"), line[1:]
        if name in _ELSEWHERE:
            raise ConfigError(f"{name} is not a setting to vary: choose {_ELSEWHERE[name]}.")
        if name not in field_types():
            raise ConfigError(f"there is no setting named {name[:40]!r}.")
        if name in settings:
            raise ConfigError(f"{name} is varied twice: put all its values together.")
        if not words:
            raise ConfigError(f"{name} needs at least one value.")
        settings[name] = tuple(value_from_text(name, word) for word in words)
    return settings


def value_from_text(name: str, text: str) -> Any:
    """A setting's value as a link or a command line writes it; what it cannot be stays text.

    TrainConfig then says what is wrong with it. Layers are written 64x64, or 64 64, or 64, 64.
    """
    hint = field_types()[name]
    if name == "hidden":
        words = re.sub(r"(?<=\d)x(?=\d)|,", " ", text[:40]).split()
        return tuple(int(word) if word.isdecimal() else word for word in words)
    if hint in (int, float, bool):
        try:
            value = json.loads(text.lower() if hint is bool else text)
        except (ValueError, RecursionError):
            return text[:40]
        return float(value) if hint is float and type(value) is int else value
    return text


def value_to_text(value: Any) -> str:
    """The inverse of value_from_text: 0.1, 64x64, true, relu."""
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def seeds_from(numbers: Sequence[int]) -> tuple[int, ...]:
    """One number n: the seeds 0 to n - 1. Several: these very seeds.

    Raises:
        ConfigError: for none at all.
    """
    seeds = tuple(range(numbers[0])) if len(numbers) == 1 else tuple(numbers)
    if not seeds:
        raise ConfigError("a sweep needs at least one seed.")
    return seeds
