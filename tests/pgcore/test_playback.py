import io
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from pgcore import agents, playback, ready
from pgcore.config import ConfigError, TrainConfig
from pgcore.environments import sizes

CARTPOLE = "CartPole-v1"
ARRAYS = ("observations", "actions", "probabilities", "values", "rewards")


class Corridor(gym.Env):
    """Never ends; draws its step counter as a bar, unless told to draw nothing.

    It counts how many of it are between reset and close.
    """

    open_now = open_most = 0
    is_open = False

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012
    observation_space = gym.spaces.Box(-1, 1, (4,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, render_mode=None, draws=True):
        self.render_mode, self.draws, self.t = render_mode, draws, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        self.is_open = True
        type(self).open_now += 1
        type(self).open_most = max(self.open_most, self.open_now)
        return np.zeros(4, np.float32), {}

    def step(self, action):
        self.t += 1
        return np.zeros(4, np.float32), 0.5, False, False, {}

    def render(self):
        time.sleep(0.0005)  # lets other threads in, as real drawing does
        frame = np.zeros((4, 40, 3), np.uint8)
        frame[:, : self.t % 40] = 255
        return frame if self.draws else None

    def close(self):
        type(self).open_now -= self.is_open
        self.is_open = False


@pytest.fixture(scope="module", autouse=True)
def corridors():
    gym.register("tests/Endless-v0", Corridor)
    gym.register("tests/Invisible-v0", Corridor, kwargs={"draws": False})
    yield
    del gym.registry["tests/Endless-v0"], gym.registry["tests/Invisible-v0"]


@pytest.fixture(scope="module")
def agent():
    return agents.make(TrainConfig.fast("ppo"), 4, 2)


@pytest.fixture(scope="module")
def episode(agent):
    return playback.play(agent, CARTPOLE, seed=3)


def gif_frames(gif: bytes) -> list[tuple[np.ndarray, int]]:
    """(RGB frame, milliseconds) as a viewer sees them."""
    image = Image.open(io.BytesIO(gif))
    frames = []
    for t in range(image.n_frames):
        image.seek(t)
        frames.append((np.asarray(image.convert("RGB")), image.info["duration"]))
    return frames


def test_same_seed_same_episode_bit_for_bit(agent, episode):
    again = playback.play(agent, CARTPOLE, seed=3)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(episode, name))
    assert again.frames == episode.frames
    other = playback.play(agent, CARTPOLE, seed=4)
    assert not np.array_equal(other.observations[0], episode.observations[0])


def test_nothing_but_the_episode_changes(agent):
    def everything():
        global_numpy = np.random.get_state()  # noqa: NPY002
        return [
            agent.generator.get_state().tolist(),
            torch.get_rng_state().tolist(),
            global_numpy[1].tolist(),
            random.getstate(),
            [weight.tolist() for weight in agent.parameters()],
        ]

    before = everything()
    playback.play(agent, CARTPOLE, seed=5)
    assert everything() == before


def test_shapes_and_totals(episode):
    steps = episode.length
    assert episode.observations.shape == (steps + 1, 4)
    assert episode.actions.shape == episode.rewards.shape == (steps,)
    assert episode.probabilities.shape == (steps, 2)
    assert episode.values.shape == (steps + 1,)
    assert len(episode.frames) == steps + 1
    assert episode.total_return == steps  # CartPole pays 1 a step
    assert episode.terminated and not episode.truncated
    with pytest.raises(ValueError, match="read-only"):
        episode.rewards[0] = 0


def test_the_recorded_actions_lead_through_the_recorded_states(episode):
    env = gym.make(CARTPOLE)
    obs, _ = env.reset(seed=episode.seed)
    for t, action in enumerate(episode.actions):
        np.testing.assert_array_equal(obs, episode.observations[t])
        obs, reward, terminated, _, _ = env.step(int(action))
        assert reward == episode.rewards[t]
        assert terminated == (t == episode.length - 1)
    np.testing.assert_array_equal(obs, episode.observations[-1])


@torch.no_grad()
def test_probabilities_and_values_are_the_networks(agent, episode):
    states = torch.tensor(episode.observations)
    probs = agent.distribution(states[:-1]).probs
    np.testing.assert_allclose(episode.probabilities, probs, atol=1e-6)
    np.testing.assert_allclose(episode.values, agent.predict_values(states), atol=1e-5)


@torch.no_grad()
def test_actions_are_sampled_from_the_policy(agent):
    surprise = variance = 0.0
    for seed in range(15):
        played = playback.play(agent, CARTPOLE, seed)
        p = played.probabilities[:, 1]
        surprise += float((played.actions - p).sum())
        variance += float((p * (1 - p)).sum())
    assert variance > 50
    assert abs(surprise) < 4 * variance**0.5

    certain = agents.make(TrainConfig.fast("ppo"), 4, 2)
    certain.policy[-1].bias.copy_(torch.tensor([-100.0, 100.0]))
    assert set(playback.play(certain, CARTPOLE, seed=0).actions) == {1}


def test_an_agent_without_a_value_network_in_use_has_no_values():
    reinforce = agents.make(TrainConfig.fast("reinforce"), 4, 2)
    assert playback.play(reinforce, CARTPOLE, seed=0, max_steps=2).values is None


def test_frame_t_shows_state_t(episode):
    # CartPole draws 4.8 m over 600 px, halved to 300; the cart is all that is black.
    for t in (0, episode.length):
        frame = playback.still(episode, t)
        assert frame.shape == (200, 300, 3)
        _, columns = np.nonzero((frame == 0).all(axis=-1))
        metres = columns.mean() / 300 * 4.8 - 2.4
        assert metres == pytest.approx(episode.observations[t][0], abs=0.02)
    with pytest.raises(IndexError):
        playback.still(episode, episode.length + 1)


def test_acrobot_plays():
    acrobot = agents.make(TrainConfig.fast("vpg"), 6, 3)
    played = playback.play(acrobot, "Acrobot-v1", seed=0, max_steps=5)
    assert played.length == 5 and played.total_return == -5
    assert playback.still(played, 5).std() > 0


def test_an_environment_without_an_end_is_cut(agent):
    played = playback.play(agent, "tests/Endless-v0", seed=0)
    assert played.length == playback.MAX_STEPS
    assert not played.terminated and not played.truncated
    assert played.total_return == playback.MAX_STEPS / 2
    assert playback.play(agent, "tests/Endless-v0", seed=0, max_steps=7).length == 7


@pytest.mark.parametrize(
    ("env_id", "max_steps", "message"),
    [
        ("tests/Invisible-v0", None, "tests/Invisible-v0 cannot be played back"),
        (CARTPOLE, 0, "at least 1 step, not 0"),
        ("NoSuchThing-v0", None, "NoSuchThing"),
        ("Pendulum-v1", None, "discrete set"),
    ],
)
def test_what_cannot_be_played_gets_one_sentence(agent, env_id, max_steps, message):
    with pytest.raises(ConfigError, match=message) as error:
        playback.play(agent, env_id, seed=0, max_steps=max_steps)
    assert "\n" not in str(error.value)


def test_gif_shows_every_step_at_real_speed(episode):
    frames = gif_frames(playback.to_gif(episode))
    durations = [milliseconds for _, milliseconds in frames]
    assert min(durations) >= 20
    assert sum(durations) == episode.length * 20 + playback.END_PAUSE * 1000
    assert playback.speed_note(episode) is None
    for shown, t in ((0, 0), (-1, episode.length)):
        difference = np.abs(frames[shown][0].astype(int) - playback.still(episode, t))
        assert difference.mean() < 0.05


def test_gif_has_one_palette_for_all_frames(episode):
    image = Image.open(io.BytesIO(playback.to_gif(episode)))
    assert image.n_frames > 2
    for t in range(image.n_frames):
        image.seek(t)
        assert image._frame_palette is image.global_palette


def test_colours_survive_the_palette(episode):
    first, _ = gif_frames(playback.to_gif(episode))[0]
    for colour in ((255, 255, 255), (0, 0, 0), (202, 152, 101)):  # sky, cart, pole
        exact = (playback.still(episode, 0) == colour).all(axis=-1)
        assert exact.sum() > 100
        np.testing.assert_array_equal(first[exact], np.tile(colour, (exact.sum(), 1)))


@given(st.floats(0.001, 0.3), st.integers(1, 1000))
@example(0.001, 925)
@example(1 / 60, 501)
def test_real_time_holds_for_any_step(seconds, length):
    shown, durations = playback._schedule(length, seconds)
    assert len(shown) == len(durations)
    assert shown[-1] == length
    assert min(durations) >= 20
    # To a hundredth of a second at both ends, however long the episode.
    played = sum(durations) / 1000 - playback.END_PAUSE
    assert abs(played - (length - shown[0]) * seconds) <= 0.0051
    assert shown[0] == 0 or shown[0] * seconds < 0.04


def test_skipped_steps_are_said(agent):
    played = playback.play(agent, "tests/Endless-v0", seed=0, max_steps=30)
    assert played.step_seconds == pytest.approx(1 / 30)
    assert playback.speed_note(played) is None
    fast = replace(played, step_seconds=1 / 60)
    assert "one step in 2" in playback.speed_note(fast)
    # Every second frame, the last one included: 16 of 31, and half a second in all.
    frames = gif_frames(playback.to_gif(fast))
    assert len(frames) == 16
    assert sum(ms for _, ms in frames[:-1]) == 500
    np.testing.assert_array_equal(frames[-1][0], playback.still(played, 30))


def test_a_full_episode_is_small():
    _, trained = ready.agents()
    full = playback.play(trained, CARTPOLE, seed=0)
    assert full.length == 500 and full.truncated and not full.terminated
    gif = playback.to_gif(full)
    assert sum(ms for _, ms in gif_frames(gif)) == 10_000 + playback.END_PAUSE * 1000
    assert len(gif) < 1_000_000
    assert sum(map(len, full.frames)) < 2_000_000


def in_threads(work, arguments):
    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(lambda pair: work(*pair), arguments))


def test_two_sessions_draw_one_after_the_other(agent):
    def play(seed):
        return playback.play(agent, "tests/Endless-v0", seed, max_steps=20)

    Corridor.open_now, Corridor.open_most = 0, 0
    in_threads(play, [(seed,) for seed in range(4)])
    assert Corridor.open_now == 0
    assert Corridor.open_most == 1


def test_two_sessions_see_what_each_would_see_alone():
    players = {
        env_id: agents.make(TrainConfig.fast("ppo"), *sizes(env_id))
        for env_id in (CARTPOLE, "Acrobot-v1")
    }
    jobs = [(env_id, seed) for seed in (0, 1) for env_id in players]

    def frames(env_id, seed):
        return playback.play(players[env_id], env_id, seed, max_steps=30).frames

    assert in_threads(frames, jobs) == [frames(*job) for job in jobs]


def test_a_failed_episode_lets_the_next_one_draw(agent):
    with pytest.raises(ConfigError):
        playback.play(agent, "tests/Invisible-v0", seed=0)
    assert playback.play(agent, CARTPOLE, seed=0, max_steps=1).length == 1
