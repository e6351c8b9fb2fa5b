"""The learner's own TrajData, where the file brings one: its fields, store and detach."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pgcore.grading.subject import Mistake, first_line

T, N, N_OBS, N_ACTIONS = 9, 3, 4, 2
TOLERANCE = 1e-4
FIELDS = ("actions", "rewards", "not_dones", "log_probs")
ENDS = ((2, 0), (5, 0), (0, 1), (T - 1, 1), (T - 2, 2))
"""(step, environment): an end in the middle, on the first row, on the last two, two in a column."""


def make(storage: type) -> Any:
    """An empty one, its fields looked over.

    Raises:
        Mistake: if it cannot be made as the homework makes it, or a field is not as it must be.
    """
    try:
        traj = storage(T, N, N_OBS, N_ACTIONS)
    except TypeError as error:
        raise Mistake(
            f"TrajData(n_steps, n_envs, n_obs, n_actions) cannot be made: {first_line(error)}"
        ) from error
    for name, shape in (("states", (T, N, N_OBS)), *((name, (T, N)) for name in FIELDS)):
        tensor(traj, name, shape)
    if traj.states.dtype != torch.float32:
        raise Mistake(f"`states` are {traj.states.dtype}, but networks take torch.float32.")
    return traj


def tensor(traj: Any, name: str, shape: tuple[int, ...]) -> Tensor:
    """The field of this name, a tensor of this shape; a Mistake otherwise."""
    field = getattr(traj, name, None)
    if not isinstance(field, Tensor):
        raise Mistake(f"TrajData must hold `{name}` as a tensor of shape {shape}.")
    if tuple(field.shape) != shape:
        raise Mistake(
            f"`{name}` has shape {tuple(field.shape)} instead of {shape}, with {shape[0]} steps "
            f"and {shape[1]} environments."
        )
    return field


def call(traj: Any, name: str, *arguments: Any) -> None:
    """Call the method of this name; a Mistake if there is none."""
    if not callable(getattr(traj, name, None)):
        raise Mistake(f"TrajData has no method {name}.")
    getattr(traj, name)(*arguments)


def dones_of_rollout() -> Tensor:
    """(T, N): 1 at ENDS."""
    dones = torch.zeros(T, N)
    for t, i in ENDS:
        dones[t, i] = 1
    return dones


def close(got: Tensor, value: Tensor) -> bool:
    """Whether these are the same numbers but for rounding."""
    return torch.allclose(got.detach().to(value.dtype), value, atol=TOLERANCE, rtol=0)


def check_store(storage: type) -> str:
    """Each row lands where it belongs, and not_dones is 1 - d."""
    g = torch.Generator().manual_seed(4)
    traj, dones = make(storage), dones_of_rollout()
    # Log-probabilities carry a graph, as the homework's rollout leaves it.
    scale = torch.ones((), requires_grad=True)
    given = {
        "states": torch.randn(T, N, N_OBS, generator=g),
        "actions": torch.randint(0, N_ACTIONS, (T, N), generator=g),
        "rewards": torch.rand(T, N, generator=g),
        "log_probs": -torch.rand(T, N, generator=g) * scale,
    }
    for t in range(T):
        call(traj, "store", t, *(field[t] for field in given.values()), dones[t])
    for name, field in given.items():
        if not close(tensor(traj, name, tuple(field.shape)), field):
            raise Mistake(f"After store(t, s, a, r, lp, d) `{name}` is not what was stored.")
    if not traj.log_probs.requires_grad:
        raise Mistake(
            "store cuts the graph of log_probs: REINFORCE and VPG need it, and detach() is there "
            "for PPO.",
            "detached_log_probs",
        )
    got = tensor(traj, "not_dones", (T, N))
    for value, sentence in (
        (dones, "`not_dones` holds d itself, not 1 - d: sums run on at an end and stop elsewhere."),
        (torch.ones(T, N), "store never writes a 0 into `not_dones`: no episode ever ends."),
        (torch.zeros(T, N), "store writes no `not_dones`: every step counts as an end."),
    ):
        if close(got, value):
            raise Mistake(sentence, "leaking_returns" if value.any() else None)
    if not close(got, 1 - dones):
        raise Mistake("After store `not_dones` is not 1 - d.")
    return "every row lands where it belongs, and not_dones is 1 - d"


def check_detach(storage: type) -> str:
    """log_probs lose their graph and keep their values."""
    traj = make(storage)
    log_probs = -torch.rand(T, N, generator=torch.Generator().manual_seed(6))
    traj.log_probs = log_probs * torch.ones((), requires_grad=True)
    call(traj, "detach")
    got = tensor(traj, "log_probs", (T, N))
    if got.requires_grad:
        raise Mistake(
            "detach() leaves the graph on log_probs, so the second epoch's backward fails: "
            "`self.log_probs = self.log_probs.detach()` assigns what detach returns."
        )
    if not close(got, log_probs):
        raise Mistake("detach() changes log_probs: it must only drop their graph.")
    return "the graph is dropped, the values stay"
