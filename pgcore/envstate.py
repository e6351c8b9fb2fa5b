"""The inner state of gymnasium environments as plain data, so that a run can be continued.

No pickle, since a checkpoint may come from a stranger: every wrapper is walked, and each attribute
that is a number, a text, an array or a random generator is copied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import copy
from enum import Enum
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import SyncVectorEnv, VectorEnv
from gymnasium.wrappers import PassiveEnvChecker

# What an environment is made of or draws with; none of it changes what happens next.
_CONSTANT = (gym.Space, gym.Env, EnvSpec, Enum, type)
_CONSTANT_NAMES = {
    "metadata",
    "_metadata",
    "_saved_kwargs",
    "envs",
    "env_fns",
    "screen",
    "screens",
    "surf",
    "clock",
    "_env_obs",
}


class EnvStateError(ValueError):
    """The environment keeps something that cannot be written down as plain data."""


def _layers(envs: VectorEnv) -> Iterator[tuple[str, Any]]:
    yield "vector", envs
    if isinstance(envs, SyncVectorEnv):
        for i, layer in enumerate(envs.envs):
            while isinstance(layer, gym.Wrapper):
                # Gymnasium's checker watches; it changes nothing that happens.
                if not isinstance(layer, PassiveEnvChecker):
                    yield f"{i}.{type(layer).__name__}", layer
                layer = layer.env
            yield f"{i}.base", layer


def _attributes(envs: VectorEnv) -> Iterator[tuple[str, Any, str, Any]]:
    for path, layer in _layers(envs):
        for name, value in vars(layer).items():
            if not (name in _CONSTANT_NAMES or isinstance(value, _CONSTANT) or callable(value)):
                yield f"{path}/{name}", layer, name, value


def capture(envs: VectorEnv) -> tuple[dict[str, np.ndarray], str]:
    """All that changes in the environments: arrays by "layer/attribute", and the rest as JSON.

    Raises:
        EnvStateError: naming the attribute that is not plain data.
    """
    arrays: dict[str, np.ndarray] = {}
    values: dict[str, Any] = {}
    for key, layer, name, value in _attributes(envs):
        if isinstance(value, np.ndarray) and value.dtype != object:
            arrays[key] = value.copy()
        else:
            values[key] = _encode(value, f"{type(layer).__name__}.{name}")
    return arrays, json.dumps(values)


def restore(envs: VectorEnv, arrays: dict[str, np.ndarray], values: str) -> None:
    """Put captured state into environments of the same kind and number.

    Raises:
        EnvStateError: if the state is damaged or belongs to other environments; then nothing has
            been changed.
    """
    try:
        state = {name: _decode(value) for name, value in json.loads(values).items()} | arrays
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise EnvStateError("the environments' state is damaged.") from None
    present = list(_attributes(envs))
    for key, _, _, value in present:
        if key not in state and value is not None:
            raise EnvStateError(f"the state lacks {key}, so it belongs to another environment.")
        whole = key.startswith("vector/") and isinstance(value, np.ndarray)
        if whole and np.shape(state[key]) != value.shape:
            raise EnvStateError(f"{key} is that of another number of environments.")
    for key, layer, name, _ in present:
        if key in state:
            setattr(layer, name, copy(state[key]))


def _encode(value: Any, where: str) -> Any:
    if isinstance(value, np.random.Generator):
        return {"generator": value.bit_generator.state}
    if isinstance(value, np.generic):
        return {"dtype": value.dtype.str, "scalar": value.item()}
    if isinstance(value, tuple):
        return {"tuple": [_encode(item, where) for item in value]}
    if isinstance(value, list):
        return [_encode(item, where) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise EnvStateError(
        f"{where} is a {type(value).__name__}, which cannot be saved as plain data."
    )


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "generator" in value:
        generator = np.random.Generator(np.random.PCG64())
        generator.bit_generator.state = value["generator"]
        return generator
    if "scalar" in value:
        return np.dtype(value["dtype"]).type(value["scalar"])
    return tuple(_decode(item) for item in value["tuple"])
