"""A training run at one moment: written, read back and continued as if it had never stopped."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from pgcore import agents, envstate
from pgcore.agents import Agent
from pgcore.config import MAX_UPDATES, ConfigError, TrainConfig
from pgcore.networks import views
from pgcore.train import Trainer

SUFFIX = ".safetensors"
MAX_KEPT = 60
"""Most checkpoints that a run keeps."""
MAX_KEPT_BYTES = 32_000_000
"""Most memory (or disk) that a run's checkpoints take together."""
_COUNTERS = ("obs", "resetting", "running_returns", "running_lengths")
_UNSTAMPED = "0" * 64


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is one sentence saying why."""


@dataclass(frozen=True)
class Checkpoint:
    """A run after some update: one safetensors file, held as its bytes.

    The tensors are the weights (policy.*, value.*), Adam's moments (adam.*), torch's random
    states (random.*), the environments (env.*) and the episode counters (trainer.*). The header
    holds the config, the other random states and a hash of the whole file as JSON. Nothing in it
    is ever executed.
    """

    update: int
    config: TrainConfig
    data: bytes

    def agent(self) -> Agent:
        """The agent with these weights.

        Raises:
            CheckpointError: if the weights do not fit the config.
        """
        tensors = _tensors(self.data)
        agent = agents.make(self.config, *_sizes(tensors, self.config))
        _load_weights(agent, tensors)
        return agent

    def save(self, path: Path) -> None:
        """Write the file; after a crash there is the old one or the new one, never half.

        Raises:
            OSError: if the folder cannot be written.
        """
        write_atomically(path, self.data)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a file that save wrote.

        Raises:
            CheckpointError: if it is missing, damaged, or not such a file.
        """
        try:
            return cls.from_bytes(Path(path).read_bytes())
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint {path} cannot be read: {error.strerror}."
            ) from None

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        """A checkpoint from the bytes of its file, checked.

        Raises:
            CheckpointError: if they are damaged or not a checkpoint of this project.
        """
        state = _state(data)
        # Without the hash a flipped bit among the weights would pass for another agent.
        if _hash(data, str(state.get("sha256"))) != state.get("sha256"):
            raise CheckpointError("the checkpoint is damaged.")
        try:
            config = TrainConfig.from_json(json.dumps(state["config"]))
            checkpoint = cls(int(state["update"]), config, data)
        except ConfigError as error:
            raise CheckpointError(f"the checkpoint's config is not valid: {error}") from None
        except (KeyError, TypeError, ValueError, OverflowError):
            raise CheckpointError("the checkpoint's header is damaged.") from None
        if not 0 <= checkpoint.update <= MAX_UPDATES:
            raise CheckpointError("the checkpoint's header is damaged.")
        if ":" in config.env_id:
            # gymnasium imports what stands before the colon, and this file may be a stranger's.
            raise CheckpointError(
                f"the checkpoint's environment, {config.env_id}, names a module: it is not "
                "imported."
            )
        checkpoint.agent()
        return checkpoint


def take(trainer: Trainer) -> Checkpoint:
    """The trainer as it stands between two updates."""
    tensors = {name: weight.detach() for name, weight in trainer.agent.state_dict().items()}
    for name, value in trainer.optimizer.state[trainer.weights].items():
        # A moment for each weight; the count of steps is one number, the same for all.
        weights = trainer.parameters
        parts = views(value, weights) if value.ndim else [value] * len(weights)
        tensors |= {f"adam.{i}.{name}": part.clone() for i, part in enumerate(parts)}
    tensors["random.agent"] = trainer.agent.generator.get_state()
    tensors["random.shuffle"] = trainer.shuffle.get_state()
    for name in _COUNTERS:
        tensors[f"trainer.{name}"] = torch.from_numpy(np.asarray(getattr(trainer, name)).copy())
    state: dict[str, Any] = {
        "update": trainer.update_count,
        "seconds": trainer.seconds,
        "config": json.loads(trainer.config.to_json()),
        "noise": trainer.noise.bit_generator.state,
        "sha256": _UNSTAMPED,
    }
    try:
        arrays, state["environments"] = envstate.capture(trainer.envs)
        tensors |= {f"env.{name}": torch.from_numpy(array) for name, array in arrays.items()}
    except envstate.EnvStateError as error:
        state["cannot_resume"] = str(error)
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(contiguous, metadata={"pgcore": json.dumps(state)})
    stamp = _hash(data, _UNSTAMPED)
    data = data.replace(_UNSTAMPED.encode(), stamp.encode(), 1)
    return Checkpoint(trainer.update_count, trainer.config, data)


def resume(checkpoint: Checkpoint, **changes: Any) -> Trainer:
    """A trainer that goes on from the checkpoint, bit for bit as if it had never stopped.

    Args:
        checkpoint: of any update.
        changes: settings that differ from here on, for example n_updates.
    Raises:
        CheckpointError: if the checkpoint is damaged, or if its environment keeps state that is
            not plain data.
        ConfigError: if a changed setting is not valid or the environment cannot be made here.
    """
    config = checkpoint.config.replace(**changes)
    tensors, state = _tensors(checkpoint.data), _state(checkpoint.data)
    if "cannot_resume" in state:
        raise CheckpointError(f"this run cannot be continued: {state['cannot_resume']}")
    trainer = Trainer(config)
    try:
        _load_weights(trainer.agent, tensors)
        _load_moments(trainer, tensors)
        trainer.agent.generator.set_state(tensors["random.agent"])
        trainer.shuffle.set_state(tensors["random.shuffle"])
        trainer.noise.bit_generator.state = state["noise"]
        for name in _COUNTERS:
            setattr(trainer, name, tensors[f"trainer.{name}"].numpy())
        arrays = {
            name.removeprefix("env."): tensor.numpy()
            for name, tensor in tensors.items()
            if name.startswith("env.")
        }
        envstate.restore(trainer.envs, arrays, state["environments"])
        trainer.update_count = checkpoint.update
        trainer.seconds = float(state["seconds"])
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        problem = str(error).rstrip(".")
        raise CheckpointError(f"the checkpoint is damaged: {problem}.") from None
    return trainer


def thin(sizes: Mapping[int, int]) -> set[int]:
    """Which checkpoints to keep: the one missed least goes until they fit.

    That is the one that leaves the narrowest gap, so that a run thinned again and again stays
    evenly covered. The bounds are MAX_KEPT checkpoints and MAX_KEPT_BYTES together.

    Args:
        sizes: update -> bytes of its checkpoint.
    Returns:
        The updates to keep, always with the first and the newest.
    """
    kept = sorted(sizes)
    size = sum(sizes.values())
    while len(kept) > 2 and (len(kept) > MAX_KEPT or size > MAX_KEPT_BYTES):
        least = min(range(1, len(kept) - 1), key=lambda i: kept[i + 1] - kept[i - 1])
        size -= sizes[kept.pop(least)]
    return set(kept)


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside the file, then rename over it.

    Raises:
        OSError: if the folder cannot be written; a file that was there stays as it was.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp's 0600 would keep others from reading the run
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _hash(data: bytes, stamp: str) -> str:
    """SHA-256 of the file as it was before its stamp was put in."""
    unstamped = data.replace(stamp.encode(errors="replace"), _UNSTAMPED.encode(), 1)
    return hashlib.sha256(unstamped).hexdigest()


def _tensors(data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError):
        raise CheckpointError("this is not a checkpoint, or it is damaged.") from None


def _state(data: bytes) -> dict[str, Any]:
    try:
        (length,) = struct.unpack("<Q", data[:8])
        state = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["pgcore"])
    except (struct.error, ValueError, KeyError, TypeError, RecursionError):
        state = None
    if not isinstance(state, dict):
        raise CheckpointError("this is not a checkpoint, or it is damaged.")
    return state


def _sizes(tensors: dict[str, Tensor], config: TrainConfig) -> tuple[int, int]:
    first = tensors.get("policy.0.weight", torch.empty(0))
    last = tensors.get(f"policy.{2 * len(config.hidden)}.bias", torch.empty(0, 0))
    # Checked before networks of these sizes are made: a tensor of no bytes may claim any shape.
    fits = first.ndim == 2 and first.shape[0] == config.hidden[0] and last.ndim == 1
    if not (fits and first.numel() and last.numel()):
        raise CheckpointError("the checkpoint's weights do not fit its config.")
    return first.shape[1], last.shape[0]


def _load_weights(agent: Agent, tensors: dict[str, Tensor]) -> None:
    weights = {k: v for k, v in tensors.items() if k.startswith(("policy.", "value."))}
    try:
        agent.load_state_dict(weights)
    except RuntimeError:
        raise CheckpointError("the checkpoint's weights do not fit its config.") from None


def _load_moments(trainer: Trainer, tensors: dict[str, Tensor]) -> None:
    if not any(name.startswith("adam.") for name in tensors):
        return  # taken before the first gradient step
    moments = {name: torch.zeros_like(trainer.weights) for name in ("exp_avg", "exp_avg_sq")}
    for name, vector in moments.items():
        for i, part in enumerate(views(vector, trainer.parameters)):
            value = tensors[f"adam.{i}.{name}"]
            if value.shape != part.shape:
                raise ValueError("Adam's moments do not fit the weights")
            part.copy_(value)
    trainer.optimizer.state[trainer.weights] = moments | {"step": tensors["adam.0.step"]}
