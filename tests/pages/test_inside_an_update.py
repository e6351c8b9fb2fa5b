import re

import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.ui import live, update_escape, update_source, update_walk
from pgcore.config import TrainConfig
from pgcore.jobs import Lease, TrainingJob
from pgcore.studies import update_film
from pgcore.studies.update_walk import STAGES
from tests.conftest import ROOT, assert_no_exception, wait_idle
from tests.pages import chapters, figures

FILE = "8_inside_an_update.py"
KEY = "microscope"


def open_page_at(**query: str) -> AppTest:
    return chapters.open_chapter(FILE, **query)


def test_opens_and_the_first_minibatch_sits_at_ratio_one():
    at = open_page_at()
    assert not at.exception and not at.warning and not at.error
    sent = figures.payload(at)
    first = figures.rows(sent, "dots", step=1)
    assert len(first) > 200 and {dot["ratio"] for dot in first} == {1.0}
    last = figures.rows(sent, "dots")
    assert len({dot["ratio"] for dot in last}) > 200
    (picked,) = figures.rows(sent, "picked")
    assert picked["row"] == sent["controls"][1]["values"][sent["start"]["sample"]]
    assert picked["words"].startswith("No gradient")
    (dot,) = (
        dot
        for dot in figures.rows(sent, "dots", step=int(picked["used"]))
        if dot["sample"] == picked["row"]
    )
    assert dot["ratio"] == picked["ratio"] and dot["objective"] == picked["objective"]


def test_meters_count_what_is_drawn():
    sent = figures.payload(open_page_at())
    for step in ("1", "12", "20"):
        (now,) = figures.rows(sent, "now", step=step)
        dots = pd.DataFrame(figures.rows(sent, "dots", step=step))
        assert now["size"] == len(dots)  # all are drawn in this run
        assert now["zero_gradient_fraction"] == pytest.approx(
            (dots.effect == "gradient zero").mean()
        )
        rings = figures.rows(sent, "rings", step=step)
        assert now["pulled_back"] == pytest.approx(len(rings) / len(dots), abs=1e-6)
        assert {ring["sample"] for ring in rings} <= set(dots["sample"])


def test_every_control_at_its_ends():
    chapters.check_ends(FILE)


def test_bad_links_to_the_figures():
    chapters.check_bad_links(FILE)


def test_predictions():
    chapters.check_predictions(FILE)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"run": "#3 PPO fast, seed 9"}, "the page uses PPO fast, 10 epochs"),
        ({"update": "0"}, "outside 1 to 60"),
        ({"update": "many"}, "not a number"),
        ({"step": "21"}, "outside 1 to 20"),
        ({"eps": "2"}, "outside 0.05 to 0.5"),
        ({"kl": "nan"}, "not a number"),
    ],
)
def test_bad_link(query, says):
    at = open_page_at(**query)
    assert not at.exception and not at.error
    assert [says in notice.value for notice in at.warning] == [True]


def test_link_reproduces():
    at = open_page_at(run="PPO fast", update="2", step="3", sample="100", eps="0.1", epochs="5")
    assert not at.warning and not at.exception
    sent = figures.payload(at)
    assert len(sent["controls"][0]["keys"]) == 4
    assert sent["start"]["step"] == 2
    (picked,) = figures.rows(sent, "picked")
    assert picked["row"] == 100
    assert slider(at, "eps").value == "0.1"
    assert "With your settings" in escaped(at)


def slider(at: AppTest, name: str):
    """A control of the run that is looked at."""
    run = at.session_state["inside  run"]
    return at.select_slider(key=f"inside {run} {name}")


def escaped(at: AppTest) -> str:
    (words,) = (each.value for each in at.markdown if each.value.startswith("With "))
    return words


def test_another_run_starts_afresh():
    at = open_page_at(step="20", sample="100", eps="0.3")
    at.segmented_control(key="inside  run").select("PPO fast").run()
    assert not at.exception and not at.warning
    assert slider(at, "eps").value == "0.2"
    assert "run's own settings" in escaped(at)
    assert not {"step", "sample", "eps"} & set(at.query_params)
    slider(at, "update").set_value("7").run()
    assert not at.exception and not at.warning
    assert at.query_params["update"] == "7"
    at.segmented_control(key="inside  run").select("PPO fast, 10 epochs").run()
    assert slider(at, "eps").value == "0.3"


@pytest.mark.parametrize("end", [0, -1])
def test_every_setting_of_another_try_at_its_ends(end):
    at = open_page_at(run="PPO fast")
    before = escaped(at)
    for name in update_escape.NAMES:
        control = slider(at, name)
        control.set_value(control.options[end]).run()
        assert not at.exception and not at.error, name
    assert escaped(at) != before


def test_homeworks_batch_is_drawn_down_and_says_so():
    at = open_page_at(run="PPO homework", update="1")
    assert not at.exception and not at.warning
    (told,) = (each.value for each in at.caption if each.value.startswith("Drawn: "))
    assert "512 of 16,384 transitions" in told and "163,840 samples in 9.0 MB" in told
    sent = figures.payload(at)
    assert len(figures.rows(sent, "dots", step=5)) == 512
    (now,) = figures.rows(sent, "now", step=5)
    assert now["size"] == 16_384
    assert len(sent["raw"]) < 1_000_000


@pytest.fixture
def session():
    """A page whose session has trained PPO and VPG."""
    runs = live.SessionRuns(Lease())
    small = {"n_envs": 4, "n_steps": 32, "n_updates": 12, "checkpoint_every": 4}
    for config in (TrainConfig.fast("ppo", **small), TrainConfig.fast("vpg", **small)):
        runs.add(TrainingJob(config))
        runs.runs[-1].job.join(60)
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    at.session_state["session_runs"] = runs
    return at, runs.runs[0].job.snapshot()


def test_an_update_of_this_sessions_run_adds_up_to_what_the_run_logged(session):
    at, snapshot = session
    at.switch_page(f"pages/{FILE}").run()
    control = at.segmented_control(key="inside  run")
    assert [option for option in control.options if option.startswith("#")] == [
        "#1 PPO edited, seed 0"
    ]
    assert any("1 of this session's runs cannot be chosen" in one.value for one in at.caption)
    control.select("#1 PPO edited, seed 0").run()
    for update in (6, 12):
        slider(at, "update").set_value(str(update)).run()
        assert not at.exception and not at.error
        (sums,) = (one.value for one in at.table if "Logged by the run" in one.value)
        stats = snapshot.stats[update - 1]
        for name in ("policy_loss", "approx_kl", "clip_fraction", "zero_gradient_fraction"):
            row = sums.loc[name.replace("_", " ")]
            assert float(row["Logged by the run"]) == pytest.approx(getattr(stats, name), abs=1e-6)
            assert float(row["Summed over the samples"]) == pytest.approx(
                getattr(stats, name), abs=1e-6
            )


def test_acrobot_has_its_own_picture_and_plane(session):
    at, _ = session
    small = {"n_envs": 2, "n_steps": 32, "n_updates": 2, "env_id": "Acrobot-v1"}
    runs = at.session_state["session_runs"]
    runs.add(TrainingJob(TrainConfig.fast("ppo", **small)))
    runs.runs[-1].job.join(60)
    at.query_params["run"] = "#3 PPO edited, seed 0"
    at.switch_page(f"pages/{FILE}").run()
    assert not at.exception and not at.error and not at.warning
    (look,) = figures.rows(figures.payload(at), "look")
    assert look["png"].startswith("data:image/png")
    assert any("“torque +1”" in each.value for each in at.markdown)


def test_too_many_steps_is_one_sentence(session):
    at, _ = session
    config = TrainConfig.fast("ppo", n_envs=4, n_steps=64, n_updates=1, minibatch_size=1)
    runs = at.session_state["session_runs"]
    runs.add(TrainingJob(config.replace(n_epochs=5)))
    runs.runs[-1].job.join(60)
    at.query_params["run"] = "#3 PPO edited, seed 0"
    at.switch_page(f"pages/{FILE}").run()
    assert not at.exception
    (error,) = at.error
    assert f"at most {update_source.MAX_STEPS:,}" in error.value


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_stage_has_its_line(stage):
    where, code = update_walk.line_of(stage.function, stage.line)
    path, line = re.fullmatch(r"(\S+), line (\d+)", where).groups()
    assert (ROOT / path).read_text().splitlines()[int(line) - 1].strip() == code


def test_a_stage_whose_line_is_gone_is_an_error():
    with pytest.raises(ValueError, match=r"no line of Trainer\.update"):
        update_walk.line_of(update_walk.update_walk.Trainer.update, "no such text")


def pressed_dot(page) -> tuple[str, str]:
    """Press a dot that is inside the range; what the figure then says of it."""
    figure = figures.find(page, KEY)
    before = figures.state(page, KEY)["sample"]
    dots = figure.locator(".dots_marks path")
    plot = figure.locator(".plot svg").first
    plot.scroll_into_view_if_needed()
    for i in range(0, dots.count(), 7):
        box = dots.nth(i).bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.evaluate("() => new Promise(requestAnimationFrame)")
        if figures.state(page, KEY)["sample"] != before:
            break
    now = figures.state(page, KEY)["sample"]
    assert now != before
    page.wait_for_function(
        "([e, row]) => e.querySelector('[data-text=\"picked.row\"]').textContent === row",
        arg=[figure.element_handle(), now],
        timeout=30_000,
    )
    return now, figures.text(page, KEY, "picked.words")


@pytest.mark.browser
def test_play_step_press_a_dot_read_its_sentence(open_page):
    page = open_page("inside_an_update?update=3&step=1")
    wait_idle(page, 120_000)
    figure = figures.find(page, KEY)
    step = figure.locator('[data-control="step"]')
    step.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "e => Number(JSON.parse(e.dataset.state).step) >= 4", arg=figure.element_handle()
    )
    step.get_by_role("button", name="Pause").click()
    at = int(figures.state(page, KEY)["step"])
    assert step.get_by_role("button", name="Play").count() == 1
    step.get_by_role("button", name="One step forward").click()
    assert figures.state(page, KEY)["step"] == str(at + 1)
    step.get_by_role("button", name="One step back").click()
    assert figures.state(page, KEY)["step"] == str(at)
    figures.slider(page, KEY, "step").press("Home")
    assert figures.text(page, KEY, "now.high") == "1.000"
    row, words = pressed_dot(page)
    assert words.startswith("The ratio is exactly 1")
    figures.wait_url(page, "sample", row)
    figures.slider(page, KEY, "step").press("End")
    row, words = pressed_dot(page)
    ratio = figures.text(page, KEY, "picked.ratio")
    assert f"{float(ratio):.2f}"[:4] in words or "exactly" in words
    wait_idle(page)
    assert_no_exception(page)
    # The walk is of the same transition, and so is the page after a reload.
    page.get_by_text(f"Transition {int(row):,} in gradient step").wait_for()
    page.reload()
    wait_idle(page, 60_000)
    assert figures.state(page, KEY)["sample"] == row
    assert figures.text(page, KEY, "picked.words") == words


@pytest.mark.browser
def test_the_next_step_moves_the_dots_that_are_there(open_page):
    """New marks for every frame of a drag took longer than all else in it."""
    page = open_page("inside_an_update?update=3&step=1")
    wait_idle(page, 120_000)
    find_dots = ".st-key-microscope .figure .dots_marks path"
    page.locator(find_dots).first.wait_for(state="attached")
    dots = page.locator(find_dots).element_handles()
    before = [dot.get_attribute("transform") for dot in dots]
    figures.slider(page, KEY, "step").press("ArrowRight")
    assert figures.state(page, KEY)["step"] == "2"
    shown = page.locator(find_dots).evaluate_all("dots => dots.map(dot => dot.isConnected)")
    kept = [dot.evaluate("dot => dot.isConnected") for dot in dots]
    assert sum(kept) == min(len(dots), len(shown)) > 100
    after = [dot.get_attribute("transform") for dot, here in zip(dots, kept, strict=True) if here]
    assert sum(now != then for now, then in zip(after, before, strict=False)) > 100


@pytest.mark.browser
def test_files_to_take_along_and_the_walk_goes_forward_and_back(open_page):
    page = open_page("inside_an_update?run=PPO+fast&update=2&stage=5")
    wait_idle(page, 120_000)
    with page.expect_download(timeout=60_000) as waiting:
        page.get_by_role("button", name="The batch as CSV").click()
    table = pd.read_csv(waiting.value.path())
    assert len(table) > 1900 and table["step"].max() == 4
    assert (table.loc[table.step == 1, "ratio"] == 1).all()
    with page.expect_download(timeout=60_000) as waiting:
        page.get_by_role("button", name="The animation as GIF").click()
    gif = Image.open(waiting.value.path())
    assert gif.n_frames == 4 and gif.size == update_film.SIZE
    walk = page.locator(".st-key-walk .figure")
    walk.locator('[data-text="here.name"]').wait_for()
    assert walk.locator('[data-text="here.name"]').text_content() == "ratio"
    assert "torch.exp" in walk.locator('[data-text="here.code"]').text_content()
    walk.get_by_role("button", name="One step forward").click()
    page.wait_for_function(
        "e => e.querySelector('[data-text=\"here.name\"]').textContent === 'unclipped'",
        arg=walk.element_handle(),
    )
    walk.get_by_role("button", name="One step back").click()
    walk.get_by_role("button", name="One step back").click()
    page.wait_for_function(
        "e => e.querySelector('[data-text=\"here.name\"]').textContent === 'log-ratio'",
        arg=walk.element_handle(),
    )
    assert_no_exception(page)


@pytest.mark.browser
def test_fits_a_phone(open_page):
    page = open_page("inside_an_update", width=390, height=844, has_touch=True, is_mobile=True)
    wait_idle(page, 120_000)
    figures.find(page, KEY)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
