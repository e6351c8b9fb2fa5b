"""Probabilities passed off as logits."""

from __future__ import annotations

from torch import nn

from pgcore.agents.ppo import PPO
from pgcore.bugs.base import Bug
from pgcore.config import TrainConfig


class SoftmaxTwicePPO(PPO):
    """PPO whose policy network ends in a softmax, before the Categorical applies its own."""

    def __init__(self, n_obs: int, n_actions: int, config: TrainConfig | None = None) -> None:
        super().__init__(n_obs, n_actions, config)
        assert isinstance(self.policy, nn.Sequential)
        self.policy.append(nn.Softmax(dim=-1))


BUG = Bug(
    title="Softmax applied twice",
    symptom="The policy can never be sure: with two actions no probability exceeds 0.73.",
    cause="The network ends in a softmax, and Categorical(logits=...) applies another one to "
    "numbers between 0 and 1.",
    fix="End the network in a bare Linear; its outputs are logits.",
    config=TrainConfig.fast("ppo"),
    agent=SoftmaxTwicePPO,
    right=PPO.__init__,
    wrong=SoftmaxTwicePPO.__init__,
)
