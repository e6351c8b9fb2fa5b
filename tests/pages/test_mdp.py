"""Chapter 1 as a reader meets it."""

from __future__ import annotations

import json

import pytest
import torch

from pages.ui.mdp_game import Play
from pgcore.studies import attempt, discounting, mdp
from pgcore.worlds import gridworld
from tests.conftest import assert_no_exception, wait_idle
from tests.pages import chapters, figures

FILE = "1_mdp.py"
FIGURES = ("step", "values", "strip", "cartpole", "twins", "missing", "game-scores")


@pytest.fixture(scope="module")
def sent():
    return dict(zip(FIGURES, chapters.sent_figures(chapters.open_chapter(FILE)), strict=True))


def ends(sent, figure, *names):
    """Every combination of these controls' first and last values."""
    controls = {each["name"]: each["keys"] for each in sent[figure]["controls"]}
    combinations = [{}]
    for name in names:
        combinations = [
            done | {name: controls[name][end]} for done in combinations for end in (0, -1)
        ]
    return combinations


def test_every_control_at_both_ends():
    chapters.check_ends(FILE)


def test_bad_links_fall_back_with_a_notice():
    chapters.check_bad_links(FILE)


def test_predictions():
    chapters.check_predictions(FILE)


def test_no_table_is_empty_at_either_end():
    at = chapters.open_chapter(FILE)
    for link in figures.ends(at):
        at = chapters.open_chapter(FILE, **link)
        assert figures.empty_tables(at) == []
        sampled = figures.payloads(at)[FIGURES.index("values")]
        for table in sampled["live"]["tables"]:
            assert figures.rows(sampled, table)


def test_the_grid_shows_pgcores_values(sent):
    for setting in ends(sent, "values", "slip", "step_reward", "gamma", "policy"):
        numbers = {name: float(setting[name]) for name in ("slip", "step_reward", "gamma")}
        solved = mdp.solve(**numbers, policy=setting["policy"])
        shown = figures.rows(sent["values"], "values", **setting)
        assert len(shown) == 9
        for row in shown:
            exact = solved.values[int(row["state"]) - 1].item()
            assert row["value"] == pytest.approx(exact, rel=1e-5, abs=1e-6)
        (start,) = figures.rows(sent["values"], "start", **setting)
        assert start["value"] == pytest.approx(solved.start_value, rel=1e-5)


@pytest.mark.parametrize("policy", mdp.POLICIES)
def test_the_samples_are_those_of_the_setting(policy):
    at = chapters.open_chapter(FILE, slip="0.4", gamma="0.9", policy=policy, sample="3")
    shown = figures.payloads(at)[FIGURES.index("values")]
    solved = mdp.solve(0.4, -0.04, 0.9, policy)
    _, returns = mdp.play(solved, 0.9, 1024, seed=3)
    for n in ("2", "64", "1024"):
        (now,) = figures.rows(shown, "now", episodes=n)
        assert now["mean"] == pytest.approx(returns[: int(n)].mean().item(), abs=1e-5)
        assert now["exact"] == pytest.approx(solved.start_value, rel=1e-5)
    assert abs(now["off"]) < 4


def test_transition_probabilities_are_the_worlds(sent):
    for setting in ends(sent, "step", "ice", "state", "move"):
        world = gridworld(float(setting["ice"]), 0.0)
        move = ["up", "right", "down", "left"].index(setting["move"])
        exact = world.mdp.transitions[int(setting["state"]) - 1, move]
        shown = torch.zeros_like(exact)
        for row in figures.rows(sent["step"], "outcomes", **setting):
            shown[int(row["to"]) - 1] = row["probability"]
            assert row["said"] == f"P = {100 * row['probability']:.0f}%"
        torch.testing.assert_close(shown, exact, atol=1e-6, rtol=0)


def test_the_strip_adds_up(sent):
    for setting in ends(sent, "strip", "horizon", "rewards"):
        steps = figures.rows(sent["strip"], "steps", **setting)
        (total,) = figures.rows(sent["strip"], "total", **setting)
        assert len(steps) == discounting.STEPS
        assert sum(row["contribution"] for row in steps) == pytest.approx(total["total"], rel=1e-4)


def test_cartpole_has_a_picture_and_both_pushes_everywhere(sent):
    for setting in ends(sent, "cartpole", "position", "velocity", "degrees", "spin"):
        (look,) = figures.rows(
            sent["cartpole"],
            "looks",
            **{name: setting[name] for name in ("position", "degrees")},
        )
        assert look["png"].startswith("data:image/png;base64,")
        held = figures.rows(sent["cartpole"], "held", **setting)
        assert [row["push"] for row in held] == ["push left", "push right"]
        (after,) = figures.rows(sent["cartpole"], "after", **setting)
        assert after["left_velocity"] < after["right_velocity"]
        assert after["left_end"] in ("no", "pole fell", "off the track")


def test_velocities_are_hidden_until_they_are_shown(sent):
    hidden = figures.rows(sent["twins"], "told", seen="hidden", ahead="0")
    shown = figures.rows(sent["twins"], "told", seen="shown", ahead="0")
    assert [row["velocity"] for row in hidden] == ["?", "?"]
    assert [row["angular_velocity"][0] for row in shown] == ["−", "+"]


def message(play: Play, *pushes: int, number: int = 0, step: int | None = None) -> dict:
    step = play.attempt.steps if step is None else step
    return {"number": number or play.number, "step": step, "pushes": list(pushes), "serial": 1}


def first_play() -> Play:
    return Play(attempt.Attempt.start(1))


def test_the_game_follows_the_pushes_and_keeps_the_score():
    play = first_play()
    while not play.attempt.over:
        play = play.heard(message(play, 1, 1, 1))
    assert play.scores == (play.attempt.steps,)
    assert play.heard(message(play, 1)) is play
    again = play.heard(message(play, number=2, step=0))
    assert (again.number, again.attempt.steps, again.scores) == (2, 0, play.scores)


@pytest.mark.parametrize(
    "said",
    [
        None,
        "left",
        {},
        {"number": 1, "step": 0},
        {"number": 1, "step": 0, "pushes": [3]},
        {"number": 1, "step": 0, "pushes": ["left"]},
        {"number": 1, "step": 0, "pushes": [0] * 100},
        {"number": 1, "step": 4, "pushes": [0]},
        {"number": 7, "step": 0, "pushes": [0]},
    ],
)
def test_a_message_without_sense_changes_nothing(said):
    play = first_play()
    assert play.heard(said) is play


def test_speeds():
    for speed in ("one push at a time", "real time"):
        at = chapters.open_chapter(FILE, speed=speed)
        assert not at.exception
        assert not at.warning
        (game,) = (c.proto for c in at.get("bidi_component") if not c.proto.bytes)
        paces = {"one push at a time": 0, "real time": 20}
        assert json.loads(game.json)["milliseconds"] == paces[speed]
    at = chapters.open_chapter(FILE, speed="warp")
    assert not at.exception
    assert ["warp" in notice.value for notice in at.warning] == [True]


@pytest.mark.browser
def test_dragging_the_agent_moves_the_marker(open_page):
    page = open_page("mdp")
    x0, y0 = figures.marker(page, "step")
    figures.drag(page, "step", (0.12, 0.85), (0.62, 0.15))
    assert figures.state(page, "step")["state"] == "3"
    x1, y1 = figures.marker(page, "step")
    assert x1 > x0 + 100
    assert y1 < y0 - 100
    assert figures.text(page, "step", "choice.words").startswith("State 3, action up: ")
    figures.wait_url(page, "state", "3")
    wait_idle(page)
    page.reload()
    wait_idle(page)
    assert figures.marker(page, "step") == (x1, y1)
    assert_no_exception(page)


@pytest.mark.browser
def test_values_follow_the_slider_samples_the_release_and_every_figure_works(open_page):
    page = open_page("mdp")
    mean = figures.text(page, "values", "now.mean")
    figures.slider(page, "values", "step_reward").press("End")
    assert figures.state(page, "values")["step_reward"] == "0.1"
    assert figures.text(page, "values", "start.value") == "+10.000"
    figures.wait_url(page, "step_reward", "0.1")
    found = figures.find(page, "values").locator('[data-text="now.mean"]').element_handle()
    # The samples of the old setting are gone at once; the new ones come from the server.
    page.wait_for_function("element => element.textContent === '+9.990'", arg=found)
    assert mean != "+9.990"
    before = figures.marker(page, "values", "mean")[0]
    figures.drag(page, "values", (0.5, 0.5), (0.95, 0.5), plot=1)
    assert figures.state(page, "values")["episodes"] == "1024"
    assert figures.marker(page, "values", "mean")[0] > before + 50
    assert_no_exception(page)
    chapters.check_in_browser(page, list(FIGURES))


@pytest.mark.browser
def test_play_by_hand(open_page):
    page = open_page("mdp?speed=one push at a time")
    game = page.locator(".st-key-game .game")
    game.focus()
    for expected in ("1", "2", "3"):
        page.keyboard.press("ArrowRight")
        assert game.get_attribute("data-steps") == expected
    assert float(game.get_attribute("data-position")) > 0
    # Only one way, until it falls: the browser runs out of known states and has to wait at times.
    for _ in range(200):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(20)
        if "after" in game.locator(".said").text_content():
            break
    said = game.locator(".said").text_content()
    steps = game.get_attribute("data-steps")
    assert said.startswith(f"The pole fell past its limit after {steps} steps")
    assert "beat" in said
    wait_idle(page)
    page.locator(".st-key-game-scores .figure .plot path[transform]").first.wait_for()
    game.locator(".again").click()
    page.wait_for_function(
        "element => element.dataset.steps === '0'", arg=game.element_handle(), timeout=10_000
    )
    assert_no_exception(page)


@pytest.mark.browser
def test_play_by_touch_in_slow_motion(open_page):
    page = open_page("mdp?speed=slow motion", width=390, height=844, has_touch=True)
    game = page.locator(".st-key-game .game")
    game.locator("[data-push='0']").tap()
    page.wait_for_function(
        "element => Number(element.dataset.steps) >= 4", arg=game.element_handle()
    )
    assert float(game.get_attribute("data-position")) < 0
    assert_no_exception(page)
