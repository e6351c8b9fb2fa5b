"""What a run is called: in legends, in lists, on disk."""

from __future__ import annotations

from pgcore.config import PRESETS, TrainConfig
from pgcore.forks import Fork

ALGORITHM_NAMES = {"ppo": "PPO", "vpg": "VPG", "gae": "GAE", "reinforce": "REINFORCE"}


def label(number: int, config: TrainConfig, fork: Fork | None = None) -> str:
    """What the legend calls a run: "#2 PPO fast, seed 1"; "edited" where a setting differs.

    A fork: "#3 fork of #1 at update 40: learning rate 0.025 → 0.1".
    """
    if fork is not None:
        # A label opens with the run's number, and that is enough of the parent's.
        parent, _, _ = fork.parent.partition(" ")
        return f"#{number} fork of {parent} at update {fork.update}: {fork.describe()}"
    name = ALGORITHM_NAMES.get(config.algorithm, config.algorithm)
    return f"#{number} {name} {preset_of(config)}, seed {config.seed}"


def preset_of(config: TrainConfig) -> str:
    """The preset that a config is, whatever its seed and environment, or "edited"."""
    for name in PRESETS:
        same = TrainConfig.preset(name, config.algorithm, seed=config.seed, env_id=config.env_id)
        if config == same:
            return name
    return "edited"


def folder_name(config: TrainConfig, fork: Fork | None = None) -> str:
    """What a run folder is called where nobody names it, as on the command line."""
    if fork is not None:
        return fork.folder_name(folder_name(fork.checkpoint.config))
    return f"{config.algorithm}-{preset_of(config)}-seed{config.seed}"
