"""The homework's GAE: log-probabilities without a graph."""

from __future__ import annotations

from torch import Tensor

from pgcore.agents.base import Loss
from pgcore.agents.gae import GAE
from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig
from pgcore.trajectory import Batch, TrajData


class DetachedGAE(GAE):
    """GAE whose log-probabilities were collected under no_grad and used as they are."""

    def loss(self, log_probs: Tensor, values: Tensor | None, traj: TrajData | Batch) -> Loss:
        return super().loss(log_probs.detach(), values, traj)


BUG = Bug(
    title="Log-probabilities without a graph",
    symptom="The value network learns, the policy never moves: the return stays a beginner's.",
    cause="The rollout ran under no_grad, and the loss uses the log-probabilities it stored. No "
    "gradient reaches the policy.",
    fix="Compute the log-probabilities of the stored actions again, with a graph, before the loss.",
    config=TrainConfig.fast("gae"),
    agent=DetachedGAE,
    right=GAE.loss,
    wrong=DetachedGAE.loss,
)
