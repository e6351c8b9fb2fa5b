"""The pictures of a policy on the Train page: they follow the checkpoint and the cursor."""

from __future__ import annotations

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import live, train_policy
from pages.ui.train_policy_episode import Played
from pages.ui.train_policy_figure import build
from pgcore import agents, playback
from pgcore.checkpoints import Checkpoint, take
from pgcore.config import TrainConfig
from pgcore.environments import OFFERED
from pgcore.jobs import Lease, TrainingJob
from pgcore.studies import policy_picture
from pgcore.train import Trainer
from tests.conftest import ROOT, assert_no_exception, wait_idle
from tests.pages import figures

TINY = {"n_updates": 2, "n_envs": 4, "n_steps": 16, "checkpoint_every": 1}
CARTPOLE = OFFERED["CartPole-v1"]


def finished(config: TrainConfig) -> AppTest:
    """The Train page of a session that has trained this."""
    runs = live.SessionRuns(Lease())
    runs.add(TrainingJob(config))
    runs.runs[-1].job.join(60)
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    at.session_state["session_runs"] = runs
    at.run().switch_page("pages/7_train.py").run()
    assert not at.exception
    return at


@pytest.fixture(scope="module")
def ppo():
    return finished(TrainConfig.fast("ppo", **TINY))


def kept(at: AppTest) -> tuple[Checkpoint, ...]:
    return at.session_state["session_runs"].runs[-1].job.snapshot().checkpoints


def caption(at: AppTest) -> str:
    return next(one.value for one in at.caption if "Move the cursor" in one.value)


def test_the_maps_are_each_checkpoints_own(ppo):
    (sent,) = figures.payloads(ppo)
    assert [one.update for one in kept(ppo)] == [0, 1, 2]
    for checkpoint in kept(ppo):
        lattice = policy_picture.plane(checkpoint.agent(), CARTPOLE.plane, np.zeros(4))
        rows = figures.rows(sent, "cells", checkpoint=checkpoint.update)
        for column in ("p1", "value"):
            got = [row[column] for row in rows]
            np.testing.assert_allclose(got, lattice[column], rtol=1e-5)
        # In degrees and rad/s.
        assert (rows[0]["x"], rows[-1]["x"]) == pytest.approx((-12, 12))
        assert (rows[0]["y"], rows[-1]["y"]) == pytest.approx((-2, 2))


def test_the_episode_belongs_to_the_checkpoint_that_played_it(ppo):
    (sent,) = figures.payloads(ppo)
    episode = playback.play(kept(ppo)[-1].agent(), "CartPole-v1", seed=0)
    rows = figures.rows(sent, "episode")
    assert [row["step"] for row in rows] == list(range(episode.length + 1))
    np.testing.assert_allclose(
        [row["x"] for row in rows], np.degrees(episode.observations[:, 2]), rtol=1e-5
    )
    np.testing.assert_allclose([row["p1"] for row in rows[:-1]], episode.probabilities[:, 1])
    np.testing.assert_allclose([row["value"] for row in rows], episode.values, rtol=1e-5)
    pictures, _ = policy_picture.stills(episode)
    for step in (0, 3, episode.length):
        (now,) = figures.rows(sent, "now", step=step)
        assert now["frame"] == pictures[step]
        tail = [row["at"] for row in figures.rows(sent, "tail", step=step)]
        assert tail == list(range(max(0, step - 20), step + 1))
    (now,) = figures.rows(sent, "now", step=3)
    assert now["took"] == CARTPOLE.actions[episode.actions[3]]
    assert figures.rows(sent, "now", step=episode.length)[0]["took"] == "none: the episode is over"
    taken = figures.rows(sent, "taken")
    assert [row["action"] for row in taken] == [CARTPOLE.actions[a] for a in episode.actions]
    for table in ("now", "episode", "taken", "chances", "tail"):
        assert figures.rows(sent, table, checkpoint=0) == []
    (there,), (here,) = (figures.rows(sent, "about", checkpoint=u) for u in (0, 2))
    assert there["words"].startswith("Untrained. On the map, P(push right) is ")
    assert there["words"].endswith("Let the slider go, and this agent plays an episode.")
    steps = f"Its episode: return {episode.length} in {episode.length} steps."
    assert here["words"].startswith("After update 2. ") and here["words"].endswith(steps)
    assert "hold cart position and cart velocity at 0" in caption(ppo)


def test_without_a_value_network_there_is_no_value():
    at = finished(TrainConfig.fast("reinforce", **TINY))
    (sent,) = figures.payloads(at)
    assert "value" not in sent["tables"]["cells"]["columns"]
    assert not [plot for plot in sent["plots"] if "value" in plot.get("alt", "")]
    assert "REINFORCE trains no value network, so there is no V to draw." in caption(at)


def test_without_two_telling_numbers_there_is_no_map():
    config = TrainConfig.fast("ppo", env_id="Acrobot-v1")
    episode = playback.play(agents.make(config, 6, 3), "Acrobot-v1", seed=0, max_steps=20)
    played = Played(5, episode, *policy_picture.stills(episode, most=7))
    made = build([0, 5], {}, played)
    length = int.from_bytes(made.packed[:4], "little")
    sent = json.loads(made.packed[4 : 4 + length])
    assert "cells" not in sent["tables"]
    assert [plot["alt"].split(" at ")[0] for plot in sent["plots"] if "alt" in plot] == [
        "The frame",
        "Probability of each action",
        "The value V",
    ]
    assert set(sent["tables"]["chances"]["columns"]["action"]["words"]) == set(played.actions)
    words = train_policy._explained(config, played)
    assert words.startswith("No map here") and "The picture changes every 3 steps." in words


def test_a_slider_that_was_touched_waits_for_the_button(ppo):
    """Until then it follows the run: the newest checkpoint arrives by itself."""
    job = ppo.session_state["session_runs"].runs[-1].job
    trainer = Trainer(job.config)

    def grow(update: int) -> list[str]:
        newer = Checkpoint(update, job.config, take(trainer).data)
        job._checkpoints.append(newer)
        ppo.run()
        assert not ppo.exception
        (sent,) = figures.payloads(ppo)
        return sent["controls"][0]["keys"]

    def shown() -> str:
        return ppo.get("image")[1].proto.imgs[0].caption.partition(":")[0]

    assert grow(3) == ["0", "1", "2", "3"] and shown() == "After update 3"
    ppo.session_state[f"policy_{job.number}_0 kept"]["now"] = {"checkpoint": "1"}
    assert grow(4) == ["0", "1", "2", "3"] and shown() == "After update 1"
    ppo.button(key="newest_checkpoint").click().run()
    (sent,) = figures.payloads(ppo)
    assert sent["controls"][0]["keys"] == ["0", "1", "2", "3", "4"]
    assert shown() == "After update 4"
    # What a browser makes up is not on the slider.
    ppo.session_state[f"policy_{job.number}_1 kept"]["now"] = {"checkpoint": "7"}
    ppo.run()
    assert not ppo.exception and shown() == "After update 4"


# In the browser -----------------------------------------------------------------------------------


def fills(page) -> list[str]:
    cells = figures.find(page, "policy").locator(".cells_marks").first
    return cells.evaluate("g => [...g.querySelectorAll('path')].map(p => p.getAttribute('fill'))")


def frame(page) -> str | None:
    image = figures.find(page, "policy").locator(".frame_marks image")
    return image.get_attribute("href") if image.count() else None


def painted(page) -> None:
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


@pytest.mark.browser
def test_the_pictures_follow_the_finger(open_page):
    page = open_page("train?n_updates=6&n_envs=8&n_steps=64&checkpoint_every=2&learning_rate=0.05")
    page.set_default_timeout(90_000)
    told: list[object] = []
    page.on("websocket", lambda wire: wire.on("framesent", lambda sent: told.append(sent)))
    page.reload()
    page.get_by_text("Full speed", exact=True).click()
    page.get_by_role("button", name="Start", exact=True).click()
    page.locator("[data-testid=stProgress]").get_by_text("Done").wait_for()
    page.get_by_text("After update 6: return").wait_for()
    wait_idle(page, 90_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    # The cursor: dragged on a chart, moved by keys, played. The server hears nothing of it.
    figures.find(page, "policy").scroll_into_view_if_needed()
    told.clear()
    first = frame(page)
    figures.drag(page, "policy", (0.3, 0.5), (0.7, 0.5), plot=3)
    painted(page)
    step = int(figures.state(page, "policy")["step"])
    assert step > 2 and frame(page) not in (None, first)
    assert figures.text(page, "policy", "now.took") in CARTPOLE.actions
    dot = figures.marker(page, "policy", "dot")
    before = frame(page)
    figures.slider(page, "policy", "step").press("ArrowLeft")
    painted(page)
    assert int(figures.state(page, "policy")["step"]) == step - 1
    assert frame(page) != before and figures.marker(page, "policy", "dot") != dot
    play = figures.find(page, "policy").locator("[data-control=step] .play:not(.step)")
    play.click()
    page.wait_for_function(
        "([e, step]) => JSON.parse(e.dataset.state).step >= step",
        arg=[figures.find(page, "policy").element_handle(), step],
    )
    # A film that ended while the slider below is held would settle both.
    if play.text_content() == "Pause":
        play.click()
    assert told == []
    # The checkpoint: while it is held, the map is that agent's and the episode is nobody's.
    trained = fills(page)
    assert len(trained) == policy_picture.CELLS**2
    thumb = figures.slider(page, "policy", "checkpoint")
    thumb.scroll_into_view_if_needed()
    box = thumb.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] - 6, middle)
    page.mouse.down()
    told.clear()
    page.mouse.move(box["x"] + 6, middle, steps=5)
    painted(page)
    assert figures.state(page, "policy")["checkpoint"] == "0"
    untrained = fills(page)
    assert len(untrained) == len(trained) and untrained != trained
    assert frame(page) is None and told == []
    # Released, it plays an episode; the map stays, and so does the slider under the finger.
    thumb.evaluate("element => { window.thumb = element }")
    page.mouse.up()
    page.get_by_text("After update 0: return").wait_for()
    figures.find(page, "policy").locator(".frame_marks image").wait_for()
    assert told and fills(page) == untrained
    assert thumb.evaluate("element => element === window.thumb")
    assert_no_exception(page)
    assert not errors
