import io
import subprocess
import sys

import pytest
from PIL import Image

from pgcore import playback, ready
from pgcore.config import TrainConfig
from pgcore.evaluate import evaluate
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def shipped():
    return ready.load()


def test_loading_does_not_import_torch():
    code = "import sys; from pgcore import ready; ready.load(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_the_run_is_todays_fast_preset(shipped):
    # If this fails, the preset has changed: python -m pgcore.ready
    assert shipped.config == TrainConfig.fast("ppo")
    assert shipped.env_steps == shipped.config.total_steps


def test_numbers_are_those_of_the_shipped_weights(shipped):
    untrained, trained = ready.agents()
    for agent, expected in ((untrained, shipped.untrained), (trained, shipped.trained)):
        episode = playback.play(agent, shipped.config.env_id, ready.SEED)
        assert ready.summary(episode) == {k: v for k, v in vars(expected).items() if k != "gif"}
    assert evaluate(trained, shipped.config.env_id).mean == shipped.mean_return


def test_the_pair_shows_what_training_does(shipped):
    assert shipped.untrained.total_return < 100
    assert shipped.mean_return >= 475
    assert shipped.trained.reached_limit and not shipped.untrained.reached_limit


@pytest.mark.parametrize("name", ready.NAMES)
def test_gif_is_small_and_lasts_as_long_as_the_numbers_say(shipped, name):
    episode = getattr(shipped, name)
    assert len(episode.gif) < 100_000
    image = Image.open(io.BytesIO(episode.gif))
    milliseconds = 0
    for t in range(image.n_frames):
        image.seek(t)
        milliseconds += image.info["duration"]
    assert milliseconds == pytest.approx((episode.seconds + playback.END_PAUSE) * 1000)


def test_make_writes_what_load_reads(tmp_path):
    config = TrainConfig.fast("vpg", n_updates=2, seed=7)
    ready.make(config, tmp_path / "new")
    made = ready.load(tmp_path / "new")
    assert made.config == config
    assert made.env_steps == config.total_steps
    untrained, _ = ready.agents(tmp_path / "new")
    assert playback.play(untrained, config.env_id, ready.SEED).length == made.untrained.length
