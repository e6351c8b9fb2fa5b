"""stable-baselines3's PPO with its tuned CartPole settings, timed by the same referee."""

from __future__ import annotations

from types import SimpleNamespace

from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from torch import nn

from tests.bench.referee import ENV_ID, Referee

# rl-baselines3-zoo, hyperparams/ppo.yml, CartPole-v1.
TOTAL_STEPS, N_ENVS = 100_000, 8
TUNED = {
    "n_steps": 32,
    "batch_size": 256,
    "gae_lambda": 0.8,
    "gamma": 0.98,
    "n_epochs": 20,
    "ent_coef": 0.0,
    "learning_rate": lambda remaining: 0.001 * remaining,
    "clip_range": lambda remaining: 0.2 * remaining,
}


class Judged(BaseCallback):
    """Stops the clock between an update and the next rollout, and lets the referee look."""

    def __init__(self, referee: Referee) -> None:
        super().__init__()
        self.referee = referee

    def _on_training_start(self) -> None:
        network = self.model.policy
        self.agent = SimpleNamespace(
            policy=nn.Sequential(*network.mlp_extractor.policy_net, network.action_net)
        )

    def _on_rollout_start(self) -> None:
        if self.num_timesteps:
            self.referee.stop()
            self.referee.judge(self.num_timesteps, self.agent)
            self.referee.start()

    def _on_step(self) -> bool:
        return True


def timed_run(seed: int, total_steps: int = TOTAL_STEPS) -> Referee:
    """Train to the end of its schedule."""
    referee = Referee(seed)
    judged = Judged(referee)
    referee.start()
    envs = make_vec_env(ENV_ID, n_envs=N_ENVS, seed=seed)
    model = PPO("MlpPolicy", envs, seed=seed, device="cpu", **TUNED)
    model.learn(total_steps, callback=judged)
    referee.stop()
    referee.judge(model.num_timesteps, judged.agent, last=True)
    return referee
