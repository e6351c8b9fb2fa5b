"""What made TrainConfig.fast("ppo") fast: time to solved with one ingredient taken away at a time.

    .venv/bin/python -m tests.bench.ablations [--seeds 10] [--only NAME ...]

Each run stops when it is solved, or unsolved after the preset's updates. The variants take turns
seed by seed, so that a busy minute of the machine hits them all.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn
from torch.distributions import Categorical

from pgcore.config import TrainConfig
from pgcore.train import Trainer
from tests.bench.referee import Referee, timed_run


class TorchActing(nn.Module):
    """Not the Sequential that networks.numpy_forward knows, so the rollout runs it in torch."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, obs: Tensor) -> Tensor:
        return self.policy(obs)


class EstimatesAtEachStep(TorchActing):
    """Old log-probability and value at every step of the rollout, as most implementations have."""

    def __init__(self, policy: nn.Module, value: nn.Module) -> None:
        super().__init__(policy)
        self.value = value

    def forward(self, obs: Tensor) -> Tensor:
        logits = self.policy(obs)
        if not torch.is_grad_enabled() and obs.ndim == 2:
            Categorical(logits=logits).log_prob(logits.argmax(-1))
            self.value(obs)
        return logits


def with_torch_acting(config: TrainConfig) -> Trainer:
    trainer = Trainer(config)
    trainer.agent.policy = TorchActing(trainer.agent.policy)
    return trainer


def with_estimates_at_each_step(config: TrainConfig) -> Trainer:
    trainer = Trainer(config)
    trainer.agent.policy = EstimatesAtEachStep(trainer.agent.policy, trainer.agent.value)
    return trainer


def with_unfused_adam(config: TrainConfig) -> Trainer:
    trainer = Trainer(config)
    trainer.optimizer = torch.optim.Adam(
        [trainer.weights],
        lr=config.learning_rate,
        betas=(config.momentum, 0.999),
        eps=config.adam_eps,
        foreach=False,
    )
    return trainer


def with_separate_environments(config: TrainConfig) -> Trainer:
    trainer = Trainer(config)
    trainer.envs = gym.make_vec(config.env_id, config.n_envs, vectorization_mode="sync")
    trainer.obs, _ = trainer.envs.reset(seed=config.seed)
    return trainer


SHIPPED = "as shipped"
PRESET = TrainConfig.fast("ppo")
VARIANTS: dict[str, dict[str, Any] | Callable[[TrainConfig], Trainer]] = {
    SHIPPED: {},
    f"value_scale 1, not {PRESET.value_scale:g}": {"value_scale": 1.0},
    f"10 epochs, not {PRESET.n_epochs}": {"n_epochs": 10},
    f"minibatches of 64, not {PRESET.minibatch_size}": {"minibatch_size": 64},
    f"learning rate 0.001, not {PRESET.learning_rate}": {"learning_rate": 0.001},
    f"lambda 0.8, not {PRESET.lam}": {"lam": 0.8},
    "tanh, not ReLU": {"activation": "tanh"},
    "two hidden layers, not one": {"hidden": (64, 64)},
    "advantages not normalised": {"normalize_advantages": False},
    "reset rows left in": {"mask_reset_rows": False},
    f"{PRESET.n_envs} environments one by one": with_separate_environments,
    "acting in torch, not NumPy": with_torch_acting,
    "log-probs and values at each step": with_estimates_at_each_step,
    "Adam not fused": with_unfused_adam,
}


def run(variant: str, seed: int) -> Referee:
    """One run of one variant, until it is solved."""
    change = VARIANTS[variant]
    if isinstance(change, dict):
        return timed_run(TrainConfig.fast("ppo", seed=seed, **change), until_solved=True)
    return timed_run(TrainConfig.fast("ppo", seed=seed), until_solved=True, make_trainer=change)


def main(arguments: list[str] | None = None) -> None:
    """Print one line a variant: solved count, median CPU seconds and steps of the solved runs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1.")
    variants = [name for name in VARIANTS if name in {SHIPPED, *options.only}]
    for variant in variants:
        run(variant, options.seeds)  # pays for lazy imports and allocator warm-up
    runs: dict[str, list[Referee]] = {variant: [] for variant in variants}
    for seed in range(options.seeds):
        for variant in variants:
            runs[variant].append(run(variant, seed))
    print("| PPO, fast preset | solved | CPU s to solved, median | times as long | steps |")
    print("| --- | --- | --- | --- | --- |")
    shipped = None
    for variant in variants:
        done = [one for one in runs[variant] if one.solved_seconds is not None]
        line = "| never | | |"
        if done:
            seconds = statistics.median(one.solved_seconds for one in done)
            steps = statistics.median(one.solved_steps for one in done)
            shipped = shipped or seconds
            line = f"| {seconds:.2f} | {seconds / shipped:.1f} | {steps:,.0f} |"
        print(f"| {variant} | {len(done)} of {options.seeds} {line}", flush=True)


if __name__ == "__main__":
    main()
