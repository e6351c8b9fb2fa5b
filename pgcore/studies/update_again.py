"""Inside an update: the same batch learned from again, with other settings or another objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pgcore import checkpoints
from pgcore.agents.base import Loss
from pgcore.agents.ppo import PPO
from pgcore.recording import Recording, record_next
from pgcore.studies import update
from pgcore.studies.cartpole import ENV_ID, limits
from pgcore.studies.ppo_clip import place
from pgcore.trajectory import Batch, TrajData


class NoClip(PPO):
    """L = -mean( ratio * A ), and the value loss as in PPO."""

    def loss(self, log_probs: Tensor, values: Tensor | None, traj: TrajData | Batch) -> Loss:
        loss = super().loss(log_probs, values, traj)
        assert loss.surrogate is not None
        objective = loss.surrogate.unclipped
        pieces = loss.surrogate._replace(
            objective=objective, clip_active=torch.zeros_like(loss.surrogate.clip_active)
        )
        return Loss(-objective.mean(), loss.value, pieces)


class ClipWithoutMin(PPO):
    """L = -mean( clamp(ratio, 1 - eps, 1 + eps) * A ), and the value loss as in PPO."""

    def loss(self, log_probs: Tensor, values: Tensor | None, traj: TrajData | Batch) -> Loss:
        loss = super().loss(log_probs, values, traj)
        assert loss.surrogate is not None
        objective = loss.surrogate.clipped
        flat = place(loss.surrogate.ratio, self.config.clip_eps) != 1
        pieces = loss.surrogate._replace(objective=objective, clip_active=flat)
        return Loss(-objective.mean(), loss.value, pieces)


OBJECTIVES: dict[str, type[PPO]] = {
    "PPO clip": PPO,
    "no clip": NoClip,
    "clip without min": ClipWithoutMin,
}
"""Named as in ppo_clip.OBJECTIVES. A recording's clip_active says where the objective is flat."""


def again(recording: Recording, objective: str = "PPO clip", **changes: Any) -> Recording:
    """Take the update again, on the same batch, from the same weights and random state.

    Args:
        recording: of the update. Advantages do not change: they were estimated before it.
        objective: of OBJECTIVES.
        changes: settings of the update that differ; none gives the same recording once more.
    Raises:
        ConfigError: if a setting is not valid or the recording would become too large.
        TrainingDiverged: if the update does.
    """
    trainer = checkpoints.resume(recording.before, **changes)
    try:
        agent = OBJECTIVES[objective](trainer.n_obs, trainer.n_actions, trainer.config)
        # The trainer's own networks: its optimizer holds their parameters.
        agent.policy, agent.value = trainer.agent.policy, trainer.agent.value
        agent.generator = trainer.agent.generator
        trainer.agent = agent
        return record_next(trainer, recording.traj)
    finally:
        trainer.envs.close()


def outcome(recording: Recording) -> dict[str, float]:
    """What the update did to its batch, under the policy that it left behind.

    Returns:
        low, high (ratios), clip_fraction, outside_by, approx_kl: as in update.epochs, at the end;
        steps taken; zero_gradient_fraction of all samples of the update; objective: the mean of
        ratio * A at the end, what the update was after.
    """
    end = update.epochs(recording).iloc[-1]
    pieces = update.after(recording)
    names = ("low", "high", "clip_fraction", "outside_by", "approx_kl")
    return {
        **{name: float(end[name]) for name in names},
        "steps": int(recording.step[-1]) + 1,
        "zero_gradient_fraction": update.totals(recording)["zero_gradient_fraction"],
        "objective": pieces.unclipped.mean().item(),
    }


def spread(recording: Recording, edges: Sequence[float]) -> pd.DataFrame:
    """Where the ratios are under the policy that the update left behind: middle (of a bin) and
    share (of the transitions). What lies beyond the edges counts in the first and the last bin."""
    ratios = np.clip(update.after(recording).ratio.double().numpy(), edges[0], edges[-1])
    counts, _ = np.histogram(ratios, edges)
    middle = (np.asarray(edges[1:]) + np.asarray(edges[:-1])) / 2
    return pd.DataFrame({"middle": middle, "share": counts / ratios.size})


@dataclass(frozen=True)
class Plane:
    """A flat cut through an environment's observations, to draw a policy over."""

    x: str
    y: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    action: int
    """Whose probability is drawn."""
    rest: str
    """What the other numbers are."""
    observe: Callable[[Tensor, Tensor], Sequence[Tensor]]
    """x and y to the entries of an observation."""


def plane(env_id: str) -> Plane | None:
    """The cut to draw for an environment; None where no two numbers make a good one."""
    if env_id == ENV_ID:
        degrees = float(np.degrees(limits()["angle"]))
        return Plane(
            "Pole angle (°)",
            "Pole angular velocity (rad/s)",
            (-degrees, degrees),
            (-3.0, 3.0),
            1,
            "the cart stands still in the middle",
            lambda x, y: (torch.zeros_like(x), torch.zeros_like(x), x.deg2rad(), y),
        )
    if env_id == "Acrobot-v1":
        return Plane(
            "First angle (°)",
            "Second angle (°)",
            (-180.0, 180.0),
            (-180.0, 180.0),
            2,
            "both links stand still",
            lambda x, y: (
                *(x.deg2rad().cos(), x.deg2rad().sin(), y.deg2rad().cos(), y.deg2rad().sin()),
                *(torch.zeros_like(x), torch.zeros_like(x)),
            ),
        )
    return None


@torch.no_grad()
def policy_map(recording: Recording, cells: int = 25) -> pd.DataFrame:
    """What the update did to the policy as a whole, over its environment's plane.

    Args:
        recording: of an environment that has a plane.
        cells: along each side.
    Raises:
        ValueError: if it has none.
    Returns:
        Frame of one row a cell: x, x2, y, y2 (its sides), before, after (probability of the
        plane's action in its middle), change.
    """
    cut = plane(recording.config.env_id)
    if cut is None:
        raise ValueError(f"{recording.config.env_id} has no plane to draw a policy over.")
    sides = [np.linspace(*ends, cells + 1) for ends in (cut.x_range, cut.y_range)]
    left, bottom = (part.ravel() for part in np.meshgrid(sides[0][:-1], sides[1][:-1]))
    right, top = (part.ravel() for part in np.meshgrid(sides[0][1:], sides[1][1:]))
    x, y = (torch.tensor(part, dtype=torch.float32) for part in ((left + right), (bottom + top)))
    obs = torch.stack(list(cut.observe(x / 2, y / 2)), dim=-1)
    before, after = (
        one.agent().distribution(obs).probs[:, cut.action].numpy()
        for one in (recording.before, recording.after)
    )
    columns = {"x": left, "x2": right, "y": bottom, "y2": top, "before": before, "after": after}
    return pd.DataFrame(columns).assign(change=after - before)
