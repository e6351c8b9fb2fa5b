"""Two ready-made episodes, so that the first page shows something before torch is imported.

Made again, after a change of the trainer or its presets, with: python -m pgcore.ready
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgcore.config import TrainConfig

if TYPE_CHECKING:
    from pgcore.agents import Agent
    from pgcore.playback import Episode

FOLDER = Path(__file__).with_name("ready")
SEED = 0
"""Of both episodes, so that they start from the same state."""
NAMES = ("untrained", "trained")


@dataclass(frozen=True)
class ReadyEpisode:
    """What a page shows of an episode: its GIF and the numbers for the caption."""

    gif: bytes
    total_return: float
    length: int
    seconds: float
    """Simulated time that the episode lasted."""
    reached_limit: bool
    """It was still going on when the time limit cut it."""


@dataclass(frozen=True)
class Ready:
    """The shipped pair and the run that the trained agent comes from."""

    config: TrainConfig
    env_steps: int
    """Rows collected in training."""
    mean_return: float
    """Of 100 fresh episodes of the trained agent."""
    untrained: ReadyEpisode
    trained: ReadyEpisode


def load(folder: Path = FOLDER) -> Ready:
    """The shipped files, read without torch."""
    numbers = json.loads((folder / "ready.json").read_text())
    episodes = {
        name: ReadyEpisode(gif=(folder / f"{name}.gif").read_bytes(), **numbers[name])
        for name in NAMES
    }
    config = TrainConfig.from_json(json.dumps(numbers["config"]))
    return Ready(config, numbers["env_steps"], numbers["mean_return"], **episodes)


def agents(folder: Path = FOLDER) -> tuple[Agent, Agent]:
    """The untrained and the trained agent; imports torch."""
    from pgcore import agents as registry
    from pgcore.checkpoints import Checkpoint
    from pgcore.environments import sizes

    checkpoint = Checkpoint.load(folder / "trained.safetensors")
    untrained = registry.make(checkpoint.config, *sizes(checkpoint.config.env_id))
    return untrained, checkpoint.agent()


def summary(episode: Episode) -> dict[str, Any]:
    """The numbers of a ReadyEpisode, without its GIF."""
    return {
        "total_return": episode.total_return,
        "length": episode.length,
        "seconds": episode.length * episode.step_seconds,
        "reached_limit": episode.truncated,
    }


def show(agent: Agent, env_id: str, seed: int) -> ReadyEpisode:
    """Play a new episode and encode it; imports torch."""
    from pgcore import playback

    episode = playback.play(agent, env_id, seed)
    return ReadyEpisode(gif=playback.to_gif(episode), **summary(episode))


def make(config: TrainConfig | None = None, folder: Path = FOLDER) -> None:
    """Train, play and write the files anew.

    Args:
        config: of the run; TrainConfig.fast("ppo") by default.
        folder: where to write.
    """
    from pgcore import checkpoints
    from pgcore.evaluate import evaluate
    from pgcore.train import Trainer

    trainer = Trainer(config or TrainConfig.fast("ppo"))
    for _ in trainer.run():
        pass
    config = trainer.config
    folder.mkdir(exist_ok=True)
    checkpoints.take(trainer).save(folder / "trained.safetensors")
    numbers: dict[str, Any] = {
        "config": json.loads(config.to_json()),
        "env_steps": config.total_steps,
        "mean_return": evaluate(trainer.agent, config.env_id).mean,
    }
    for name, agent in zip(NAMES, agents(folder), strict=True):
        episode = show(agent, config.env_id, SEED)
        (folder / f"{name}.gif").write_bytes(episode.gif)
        numbers[name] = {k: v for k, v in vars(episode).items() if k != "gif"}
    (folder / "ready.json").write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    make()
    ready = load()
    print(f"untrained {ready.untrained.total_return:g}, trained {ready.trained.total_return:g}")
