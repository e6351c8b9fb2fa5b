"""What every agent has; an algorithm adds its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Categorical

from pgcore.config import ALGORITHMS, TrainConfig
from pgcore.losses import ClippedSurrogate, value_loss
from pgcore.networks import mlp
from pgcore.shapes import require_same_shape
from pgcore.trajectory import Batch, TrajData


@dataclass
class Loss:
    """The parts of a loss, scalars except for the surrogate's per-sample pieces."""

    policy: Tensor
    value: Tensor | None = None
    surrogate: ClippedSurrogate | None = None


class Agent(nn.Module):
    """A policy network, a value network, and a loss.

    Args:
        n_obs: length of an observation.
        n_actions: number of discrete actions.
        config: settings; the homework's where left out.

    Attributes:
        policy: (..., n_obs) -> (..., n_actions) logits.
        value: (..., n_obs) -> (..., 1), in units of return divided by config.value_scale.
    """

    name: ClassVar[str]
    algorithm: ClassVar[str]
    uses_value: ClassVar[bool] = True
    """Whether the loss trains the value network."""
    uses_ratio: ClassVar[bool] = False
    """Whether the loss compares the new policy with the one that acted (and so may reuse rows)."""

    def __init_subclass__(cls) -> None:
        file = cls.__module__.rpartition(".")[2]
        # A variant made elsewhere, in a notebook or a bug's file, stays what its parent is.
        if file in ALGORITHMS:
            cls.algorithm = file

    def __init__(self, n_obs: int, n_actions: int, config: TrainConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or TrainConfig.homework(self.algorithm)
        self.generator = torch.Generator().manual_seed(config.seed)
        # One generator, policy first: seed 0 gives the weights of the homework's manual_seed(0).
        self.policy: nn.Module = mlp(
            (n_obs, *config.hidden, n_actions),
            config.activation,
            config.init,
            out_gain=0.01,
            generator=self.generator,
        )
        self.value: nn.Module = mlp(
            (n_obs, *config.hidden, 1), config.activation, config.init, generator=self.generator
        )

    def distribution(self, obs: Tensor) -> Categorical:
        """pi( . | obs): (..., n_obs) -> a categorical distribution of batch shape (...)."""
        return Categorical(logits=self.policy(obs), validate_args=False)

    def get_action(self, obs: Tensor) -> tuple[Tensor, Categorical]:
        """Sample an action for each observation: (N, n_obs) -> actions (N,), their distribution.

        Draws from the agent's own generator, not from the global one.
        """
        distribution = self.distribution(obs)
        draw = torch.multinomial(distribution.probs, 1, generator=self.generator)
        return draw.squeeze(-1), distribution

    def predict_values(self, states: Tensor) -> Tensor:
        """V(s) in units of return: (..., n_obs) -> (...)."""
        return self.value(states).squeeze(-1) * self.config.value_scale

    def advantages(self, traj: TrajData | Batch, values: Tensor) -> Tensor:
        """Those computed for the rollout; where there are none, A = R - V(s), with its graph."""
        if traj.advantages is not None:
            return traj.advantages
        require_same_shape(returns=traj.returns, values=values)
        return traj.returns - values

    def critic_loss(self, traj: TrajData | Batch, values: Tensor) -> Tensor:
        """Squared error of V, in units of (return / value_scale)^2."""
        return value_loss(values, traj.returns) / self.config.value_scale**2

    def loss(self, log_probs: Tensor, values: Tensor | None, traj: TrajData | Batch) -> Loss:
        """The algorithm itself.

        Args:
            log_probs: log pi(a|s) of the rows' actions, with a graph to the policy.
            values: V(s) of the rows in units of return, with a graph; None without uses_value.
            traj: the rows.
        """
        raise NotImplementedError

    def get_loss(self, traj: TrajData | Batch) -> Tensor:
        """The homework's loss, a scalar.

        Without a ratio it is built on traj.log_probs, which must hold the rollout's graph; with
        one, traj.log_probs are the old policy's and new ones are computed here.
        """
        log_probs = traj.log_probs
        if self.uses_ratio:
            log_probs = self.distribution(traj.states).log_prob(traj.actions)
        values = self.predict_values(traj.states) if self.uses_value else None
        loss = self.loss(log_probs, values, traj)
        if loss.value is None:
            return loss.policy
        return loss.policy + self.config.value_coef * loss.value
