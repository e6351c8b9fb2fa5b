"""CPU time and size of an episode's playback: python -m tests.bench.playback

Asked for: a full 500-step CartPole episode encoded in under 1 s of CPU time and under 1 MB.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from pgcore import agents, playback, ready
from pgcore.config import TrainConfig
from pgcore.environments import sizes

REPEATS = 5


def cpu_seconds(work: Callable[[], object]) -> float:
    """Median over REPEATS, after one run to warm up."""
    work()
    measured = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        measured.append(time.process_time() - started)
    return statistics.median(measured)


def main() -> None:
    untrained, trained = ready.agents()
    acrobot = agents.make(TrainConfig.fast("ppo"), *sizes("Acrobot-v1"))
    print("episode                 steps  play CPU s  GIF CPU s  GIF kB  episode kB")
    for name, agent, env_id in (
        ("CartPole, untrained", untrained, "CartPole-v1"),
        ("CartPole, trained", trained, "CartPole-v1"),
        ("Acrobot, untrained", acrobot, "Acrobot-v1"),
    ):
        episode = playback.play(agent, env_id, ready.SEED)
        played = cpu_seconds(lambda a=agent, e=env_id: playback.play(a, e, ready.SEED))
        encoded = cpu_seconds(lambda e=episode: playback.to_gif(e))
        gif = len(playback.to_gif(episode)) / 1000
        frames = sum(map(len, episode.frames)) / 1000
        print(
            f"{name:22}{episode.length:7}{played:12.2f}{encoded:11.2f}{gif:8.0f}{frames:12.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
