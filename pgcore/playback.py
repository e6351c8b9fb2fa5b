"""One episode of an agent with everything it saw and did, and as an animated GIF."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import imageio.v3 as iio
import numpy as np
import torch
from PIL import Image

from pgcore.agents import Agent
from pgcore.config import ConfigError
from pgcore.environments import RENDERING, make_for_rendering, step_seconds

MAX_STEPS = 1_000
"""Longest episode that is played, also where the environment has no time limit."""
FRAME_SIDE = 320
"""Frames are shrunk by a whole factor until neither side is longer, in pixels."""
END_PAUSE = 1.0
"""Seconds for which a GIF holds its last frame, so that a short episode can be told apart."""
_COLOURS = 32
_SAMPLED = 16  # frames that the palette is made from
_FASTEST = 0.02  # browsers slow a GIF's frames down when they are shorter than this many seconds


@dataclass(frozen=True, eq=False)
class Episode:
    """An episode of T steps: index t is the moment before action t, index T the end."""

    env_id: str
    seed: int
    step_seconds: float
    """Simulated seconds a step."""
    observations: np.ndarray
    """(T + 1, n_obs) float32."""
    actions: np.ndarray
    """(T,) int64."""
    probabilities: np.ndarray
    """(T, n_actions) float32: the distribution that each action was sampled from."""
    values: np.ndarray | None
    """(T + 1,) float32, V(s) in units of return; None for an agent that trains no value network."""
    rewards: np.ndarray
    """(T,) float64."""
    terminated: bool
    """The environment ended the episode."""
    truncated: bool
    """The environment's time limit cut it. Neither flag: playback's own max_steps did."""
    frame_shape: tuple[int, ...]
    frames: tuple[bytes, ...] = field(repr=False)
    """T + 1 RGB frames, each compressed without loss: about 1 MB in all, not 90. See still."""

    @property
    def length(self) -> int:
        """Steps taken, T."""
        return len(self.rewards)

    @property
    def total_return(self) -> float:
        """Sum of the rewards, not discounted."""
        return float(self.rewards.sum())


@torch.no_grad()
def play(agent: Agent, env_id: str, seed: int, max_steps: int | None = None) -> Episode:
    """Play one episode with actions sampled from the policy: same weights and seed, same episode.

    Sessions of one server take turns, since pygame draws for one thread at a time.

    Args:
        agent: not changed, and its generator is not used; nor is the global one.
        env_id: an environment that returns RGB frames; it needs no display.
        seed: of the environment's start and of the actions.
        max_steps: where to stop an episode that has not ended; MAX_STEPS by default.
    Raises:
        ConfigError: if the environment does not fit or cannot draw, or max_steps is below 1.
    """
    limit = MAX_STEPS if max_steps is None else max_steps
    if limit < 1:
        raise ConfigError(f"an episode needs at least 1 step, not {limit}.")
    draw_seed = np.random.SeedSequence([seed, 1]).generate_state(1)[0]
    generator = torch.Generator().manual_seed(int(draw_seed))
    observations, actions, probabilities = [], [], []
    rewards: list[float] = []
    terminated = truncated = False
    with RENDERING:
        seconds = step_seconds(env_id)
        env = make_for_rendering(env_id)
        try:
            obs, _ = env.reset(seed=seed)
            observations.append(obs)
            first = _frame(env)
            frames = [_compressed(first)]
            while len(rewards) < limit and not (terminated or truncated):
                row = torch.as_tensor(np.asarray(obs, dtype=np.float32))
                probs = agent.distribution(row).probs
                action = int(torch.multinomial(probs, 1, generator=generator))
                obs, reward, terminated, truncated, _ = env.step(action)
                observations.append(obs)
                actions.append(action)
                probabilities.append(probs.numpy())
                rewards.append(float(reward))
                frames.append(_compressed(_frame(env)))
        finally:
            env.close()
    states = np.asarray(observations, dtype=np.float32)
    return Episode(
        env_id=env_id,
        seed=seed,
        step_seconds=seconds,
        observations=_fixed(states),
        actions=_fixed(np.asarray(actions, dtype=np.int64)),
        probabilities=_fixed(np.stack(probabilities)),
        values=_fixed(agent.predict_values(torch.from_numpy(states.copy())).numpy())
        if agent.uses_value
        else None,
        rewards=_fixed(np.asarray(rewards)),
        terminated=bool(terminated),
        truncated=bool(truncated),
        frame_shape=first.shape,
        frames=tuple(frames),
    )


def still(episode: Episode, t: int) -> np.ndarray:
    """Frame t of 0 .. T as (height, width, 3) uint8; T shows where the episode ended.

    Raises:
        IndexError: if the episode has no such frame.
    """
    pixels = np.frombuffer(zlib.decompress(episode.frames[t]), dtype=np.uint8)
    return pixels.reshape(episode.frame_shape)


def palette(episode: Episode) -> Image.Image:
    """A picture whose palette serves all frames; looking for one in each is what takes long."""
    shown, _ = _schedule(episode.length, episode.step_seconds)
    sample = np.vstack([still(episode, t) for t in shown[:: -(-len(shown) // _SAMPLED)]])
    return Image.fromarray(sample).quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE)


def indexed(episode: Episode, t: int, colours: Image.Image) -> Image.Image:
    """Frame t of 0 .. T in the colours of palette()."""
    frame = Image.fromarray(still(episode, t))
    return frame.quantize(palette=colours, dither=Image.Dither.NONE)


def to_gif(episode: Episode) -> bytes:
    """An endlessly repeating GIF at real speed, with a pause of END_PAUSE seconds at the end.

    Delays are whole hundredths of a second, rounded so that the errors do not add up. Where
    speed_note says so, steps are left out.
    """
    shown, milliseconds = _schedule(episode.length, episode.step_seconds)
    colours = palette(episode)
    indices = np.stack([np.asarray(indexed(episode, t, colours)) for t in shown])
    return iio.imwrite(
        "<bytes>",
        indices,
        extension=".gif",
        plugin="pillow",
        mode="P",
        palette=bytes(colours.getpalette() or ()),
        duration=milliseconds,
        loop=0,
    )


def speed_note(episode: Episode) -> str | None:
    """The sentence to print under a GIF that leaves steps out; None if it shows every step."""
    stride = _stride(episode.step_seconds)
    if stride == 1:
        return None
    return (
        f"Real speed, but only one step in {stride} is shown: a step takes "
        f"{episode.step_seconds * 1000:.3g} ms, and browsers show a frame for at least "
        f"{_FASTEST * 1000:.0f} ms."
    )


def _stride(step_seconds: float) -> int:
    return max(1, int(np.ceil(round(_FASTEST / step_seconds, 6))))


def _schedule(length: int, step_seconds: float) -> tuple[range, list[int]]:
    """Which frames are shown, the last one always, and for how many milliseconds each."""
    stride = _stride(step_seconds)
    shown = range(length % stride, length + 1, stride)
    hundredths = np.round([(t - shown[0]) * step_seconds * 100 for t in shown]).astype(int)
    return shown, [*(np.diff(hundredths) * 10).tolist(), round(END_PAUSE * 1000)]


def _frame(env: gym.Env) -> np.ndarray:
    try:
        frame: Any = env.render()
    except (NotImplementedError, ImportError, gym.error.Error):
        frame = None
    is_rgb = isinstance(frame, np.ndarray) and frame.dtype == np.uint8
    if not is_rgb or frame.ndim != 3 or frame.shape[2] != 3:
        name = env.spec.id if env.spec else type(env.unwrapped).__name__
        raise ConfigError(f"{name} cannot be played back: it does not draw RGB frames.")
    factor = -(-max(frame.shape[:2]) // FRAME_SIDE)
    return np.asarray(Image.fromarray(frame).reduce(factor)) if factor > 1 else frame


def _compressed(frame: np.ndarray) -> bytes:
    return zlib.compress(frame.tobytes(), 1)


def _fixed(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
