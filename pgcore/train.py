"""Rollout, then update: the one loop that every agent trains in."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pgcore import agents
from pgcore.agents import Agent, Loss
from pgcore.config import TrainConfig
from pgcore.environments import make_vec, sizes
from pgcore.losses import approx_kl, explained_variance
from pgcore.networks import flatten, numpy_forward
from pgcore.returns import discounted_returns, gae
from pgcore.stats import GradientStep, UpdateStats, summarize
from pgcore.trajectory import Batch, TrajData

# Networks this small lose more by splitting a product over cores than they gain, and a sum's
# rounding must not depend on how many cores a machine has.
torch.set_num_threads(1)


class Recorder(Protocol):
    """Shown every gradient step right after its backward pass; it must change nothing."""

    def __call__(
        self, epoch: int, rows: Tensor, batch: Batch, log_probs: Tensor, loss: Loss
    ) -> None:
        """log_probs.grad holds the gradient of the total loss by each log-probability."""


class TrainingDiverged(ArithmeticError):
    """The run cannot go on: a loss or gradient became infinite or not a number."""


class Trainer:
    """Runs one config. The presets differ by fields alone; there is one loop.

    Args:
        config: what to train.
        agent_class: trained in place of the config's algorithm: a variant of it, or a learner's.
    Raises:
        ConfigError: if the environment does not fit.
    """

    def __init__(self, config: TrainConfig, agent_class: type[Agent] | None = None) -> None:
        self.config = config
        self.n_obs, self.n_actions = sizes(config.env_id)
        make = agent_class or agents.REGISTRY[config.algorithm]
        self.agent: Agent = make(self.n_obs, self.n_actions, config)
        networks = [self.agent.policy] + [self.agent.value] * self.agent.uses_value
        self.parameters = [weight for network in networks for weight in network.parameters()]
        self.weights, self.gradient = flatten(self.parameters)
        self.optimizer = torch.optim.Adam(
            [self.weights],
            lr=config.learning_rate,
            betas=(float(config.momentum), 0.999),
            eps=config.adam_eps,
            fused=True,
        )
        self.envs = make_vec(config.env_id, config.n_envs)
        env_seed, noise_seed, shuffle_seed = np.random.SeedSequence(config.seed).generate_state(3)
        self.noise = np.random.default_rng(noise_seed)
        self.shuffle = torch.Generator().manual_seed(int(shuffle_seed))
        self.update_count = 0
        self.seconds = 0.0
        self.obs, _ = self.envs.reset(seed=int(env_seed))
        self.resetting = np.zeros(config.n_envs, dtype=bool)
        self.running_returns = np.zeros(config.n_envs)
        self.running_lengths = np.zeros(config.n_envs, dtype=np.int64)
        self.finished: list[tuple[float, int]] = []
        self.traj: TrajData | None = None
        self.recorder: Recorder | None = None
        # After each environment step and each gradient step; it may wait, and changes nothing.
        self.between_steps: Callable[[], None] = lambda: None

    def run(self) -> Generator[UpdateStats, None, None]:
        """Train until config.n_updates, yielding the numbers of each update."""
        while self.update_count < self.config.n_updates:
            self.rollout()
            yield self.update()

    def rollout(self) -> TrajData:
        """Act for n_steps in every environment, without a graph.

        Actions are drawn by the Gumbel-max trick, argmax(logits + noise), which samples from the
        categorical distribution: one array of noise serves the whole rollout.
        """
        started = time.perf_counter()
        config = self.config
        shape = (config.n_steps, config.n_envs)
        states = np.empty((*shape, self.n_obs), np.float32)
        actions = np.empty(shape, np.int64)
        rewards = np.empty(shape, np.float32)
        terminated, truncated, valid = (np.empty(shape, bool) for _ in range(3))
        if config.reset_each_rollout and (self.update_count > 0 or self.traj is not None):
            self._start_episodes()
        self.finished = []
        logits = numpy_forward(self.agent.policy)
        noise = self.draw_noise((*shape, self.n_actions))
        for t in range(config.n_steps):
            states[t] = self.obs
            valid[t] = ~self.resetting
            actions[t] = (logits(states[t]) + noise[t]).argmax(axis=-1)
            self.obs, rewards[t], terminated[t], truncated[t], _ = self.envs.step(actions[t])
            self._count_episodes(rewards[t], terminated[t] | truncated[t])
            self.between_steps()
        traj = TrajData(config.n_steps, config.n_envs, self.n_obs, self.n_actions)
        traj.states, traj.actions = torch.from_numpy(states), torch.from_numpy(actions)
        traj.rewards, traj.valid = torch.from_numpy(rewards), torch.from_numpy(valid)
        traj.terminated, traj.truncated = torch.from_numpy(terminated), torch.from_numpy(truncated)
        traj.not_dones = 1 - (traj.terminated | traj.truncated).float()
        traj.successors = torch.from_numpy(np.asarray(self.obs, dtype=np.float32).copy())
        self.traj = traj
        self.seconds += time.perf_counter() - started
        return traj

    def draw_noise(self, shape: tuple[int, ...]) -> np.ndarray:
        """Gumbel noise for a rollout's actions, float32, from the run's own generator."""
        return self.noise.gumbel(size=shape).astype(np.float32)

    def _start_episodes(self) -> None:
        self.obs, _ = self.envs.reset()
        self.resetting[:] = False
        self.running_returns[:] = 0
        self.running_lengths[:] = 0

    def _count_episodes(self, rewards: np.ndarray, done: np.ndarray) -> None:
        self.running_returns += rewards
        self.running_lengths += ~self.resetting
        for i in np.flatnonzero(done):
            self.finished.append((float(self.running_returns[i]), int(self.running_lengths[i])))
        self.running_returns[done] = 0
        self.running_lengths[done] = 0
        self.resetting = done

    @torch.no_grad()
    def estimate(self, traj: TrajData) -> Tensor | None:
        """Fill in old log-probs, returns and advantages; the values, (T, N), where there are any.

        One forward pass over the rollout. Row t + 1 holds the successor of row t even where an
        episode was cut: gymnasium hands out the final observation before it resets.
        """
        config = self.config
        done = traj.terminated | traj.truncated
        traj.log_probs = self.agent.distribution(traj.states).log_prob(traj.actions)
        if not self.agent.uses_value:
            traj.returns = discounted_returns(traj.rewards, ~done, config.gamma)
            if config.normalize_advantages:
                traj.advantages = self._normalized(traj.returns, traj.valid)
            return None
        with_successors = torch.cat([traj.states, traj.successors[None]])
        all_values = self.agent.predict_values(with_successors)
        values, next_values = all_values[:-1], all_values[1:].clone()
        if not config.bootstrap:
            next_values[-1] = 0
        # Without bootstrap a time limit ends everything, as termination does.
        final = traj.terminated if config.bootstrap else done
        if config.advantage == "gae" or config.bootstrap:
            lam = config.lam if config.advantage == "gae" else 1.0
            advantages = gae(
                traj.rewards, values, next_values, final, traj.truncated, config.gamma, lam
            )
            traj.returns = advantages + values
        else:
            traj.returns = discounted_returns(traj.rewards, ~done, config.gamma)
        if config.advantage == "gae" or config.detach_advantage:
            advantages = traj.returns - values
            traj.advantages = (
                self._normalized(advantages, traj.valid)
                if config.normalize_advantages
                else advantages
            )
        return values

    def _normalized(self, advantages: Tensor, valid: Tensor) -> Tensor:
        used = advantages[valid] if self.config.mask_reset_rows else advantages
        return (advantages - used.mean()) / (used.std(unbiased=False) + 1e-8)

    def update(self, traj: TrajData | None = None) -> UpdateStats:
        """Learn from a rollout, the last one by default: n_epochs passes in minibatches.

        Raises:
            TrainingDiverged: if the numbers stopped being finite.
        """
        started = time.perf_counter()
        config = self.config
        traj = traj or self.traj
        if traj is None:
            raise ValueError("there is nothing to learn from yet: call rollout() first.")
        values = self.estimate(traj)
        rows = (
            traj.valid.flatten().nonzero().squeeze(-1)
            if config.mask_reset_rows
            else torch.arange(traj.valid.numel())
        )
        learning_rate = config.learning_rate
        if config.anneal_learning_rate:
            learning_rate *= 1 - self.update_count / config.n_updates
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        steps: list[GradientStep] = []
        for epoch in range(config.n_epochs):
            for minibatch in self._minibatches(rows):
                steps.append(self._gradient_step(traj, minibatch, epoch))
                self.between_steps()
            if config.target_kl and self._moved_too_far(steps[-1]):
                break
        self.update_count += 1
        means = summarize(steps, config.clip_eps)
        if not np.isfinite([means["policy_loss"], means["grad_norm"]]).all():
            raise TrainingDiverged(
                f"update {self.update_count}: the loss or its gradient is no longer a finite "
                "number; a lower learning rate or a limit on the gradient norm usually helps."
            )
        self.seconds += time.perf_counter() - started
        return UpdateStats(
            update=self.update_count,
            env_steps=self.update_count * config.rows_per_update,
            seconds=self.seconds,
            episode_returns=tuple(episode_return for episode_return, _ in self.finished),
            episode_lengths=tuple(length for _, length in self.finished),
            reward_per_step=float(traj.rewards.mean()),
            explained_variance=self._explained_variance(traj, values, rows),
            learning_rate=learning_rate,
            **means,
        )

    def _explained_variance(
        self, traj: TrajData, values: Tensor | None, rows: Tensor
    ) -> float | None:
        if values is None:
            return None
        explained = explained_variance(values.flatten()[rows], traj.returns.flatten()[rows])
        return None if explained.isnan() else float(explained)

    def _minibatches(self, rows: Tensor) -> tuple[Tensor, ...]:
        size = self.config.minibatch_size
        if size == 0 or size >= len(rows):
            return (rows,)
        return rows[torch.randperm(len(rows), generator=self.shuffle)].split(size)

    def _moved_too_far(self, step: GradientStep) -> bool:
        surrogate = step.loss.surrogate
        if surrogate is None:
            return False
        return float(approx_kl(surrogate.ratio.detach().log())) > self.config.target_kl

    def _gradient_step(self, traj: TrajData, rows: Tensor, epoch: int) -> GradientStep:
        agent, config, gradient = self.agent, self.config, self.gradient
        batch = traj.rows(rows)
        distribution = agent.distribution(batch.states)
        log_probs = distribution.log_prob(batch.actions)
        values = agent.predict_values(batch.states) if agent.uses_value else None
        loss = agent.loss(log_probs, values, batch)
        total = loss.policy
        if loss.value is not None:
            total = total + config.value_coef * loss.value
        if config.entropy_coef:
            total = total - config.entropy_coef * distribution.entropy().mean()
        gradient.zero_()
        if self.recorder is not None:
            log_probs.retain_grad()
        total.backward()
        if self.recorder is not None:
            self.recorder(epoch, rows, batch, log_probs, loss)
        norm = gradient.norm()
        if 0 < config.max_grad_norm < norm:
            gradient *= config.max_grad_norm / norm
        self.optimizer.step()
        return GradientStep(loss, distribution.logits.detach(), norm)
