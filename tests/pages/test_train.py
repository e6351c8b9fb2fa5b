"""The Train page without a browser: its form, its link, its messages."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import get_type_hints

import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import live, train_charts, train_panels
from pgcore.config import ALGORITHMS, PRESETS, TrainConfig
from pgcore.forks import changeable
from pgcore.jobs import Lease, TrainingJob
from tests.conftest import ROOT
from tests.pages import figures

PAGE = "pages/7_train.py"
FORM = {"algorithm": "ppo", "preset": "fast", "env_id": "CartPole-v1", "seed": "0"}
FIELDS = [one.name for one in dataclasses.fields(TrainConfig) if one.name not in FORM]
HINTS = get_type_hints(TrainConfig)


@pytest.fixture
def open_train(request):
    """open_train(seed="3") -> the page as that link opens it; its jobs are stopped at the end.

    Jobs wait in line for ever, unless the test asks for `training`.
    """
    opened = []
    slots = live.slots()
    slots.count = 2 if "training" in request.fixturenames else 0

    def open_(**query: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
        for name, value in query.items():
            at.query_params[name] = value
        opened.append(at.switch_page(PAGE).run())
        assert not at.exception
        return at

    yield open_
    for at in opened:
        for run in at.session_state["session_runs"].runs:
            run.job.stop()
        for run in at.session_state["session_runs"].runs:
            run.job.join(60)
    slots.count = 2


@pytest.fixture
def training():
    """Named by the tests whose jobs do train."""


def link(at: AppTest) -> dict[str, str]:
    return dict(at.query_params)


def start_button(at: AppTest):
    return at.button(key="start")


def started(at: AppTest) -> TrainConfig:
    """The config that Start makes a run of."""
    start_button(at).click().run()
    assert not at.exception
    return at.session_state["session_runs"].runs[-1].job.config


def widget(at: AppTest, name: str, preset: str = "fast", algorithm: str = "ppo"):
    key = f"train_{preset}_{algorithm}_{name}"
    kinds = {bool: at.toggle, int: at.number_input, float: at.number_input}
    kind = at.text_input if name == "hidden" else kinds.get(HINTS[name], at.selectbox)
    return kind(key=key)


def test_opens(open_train):
    at = open_train()
    assert not at.warning and not at.error
    assert link(at) == FORM
    assert not start_button(at).disabled
    assert [at.button(key=key).disabled for key in ("pause", "stop", "reset")] == [True] * 3
    assert "Nothing trained yet" in at.info[0].value


def test_every_setting_is_in_the_form_with_its_help(open_train):
    at = open_train()
    from pgcore.config import field_help

    captions = [caption.value for caption in at.caption]
    for name in FIELDS:
        default = getattr(TrainConfig.fast("ppo"), name)
        shown = widget(at, name).value
        assert shown == (" ".join(map(str, default)) if name == "hidden" else default), name
        assert field_help()[name] in captions, name


def test_every_preset_starts_from_its_config(open_train):
    at = open_train()
    for algorithm in ALGORITHMS:
        for preset in PRESETS:
            at.segmented_control(key="train_algorithm").set_value(algorithm)
            at.segmented_control(key="train_preset").set_value(preset).run()
            assert link(at) == FORM | {"algorithm": algorithm, "preset": preset}
            assert started(at) == TrainConfig.preset(preset, algorithm)
            at.button(key="reset").click().run()


def test_choices_lead_to_the_config(open_train):
    at = open_train()
    at.segmented_control(key="train_algorithm").set_value("gae").run()
    at.segmented_control(key="train_preset").set_value("homework").run()
    at.selectbox(key="train_env_id").set_value("Acrobot-v1").run()
    at.number_input(key="train_seed").set_value(7).run()
    widget(at, "n_updates", "homework", "gae").set_value(12).run()
    widget(at, "hidden", "homework", "gae").set_value("32, 16").run()
    widget(at, "bootstrap", "homework", "gae").set_value(True).run()
    assert link(at) == {
        "algorithm": "gae",
        "preset": "homework",
        "env_id": "Acrobot-v1",
        "seed": "7",
        "n_updates": "12",
        "hidden": "32 16",
        "bootstrap": "true",
    }
    config = TrainConfig.homework("gae", env_id="Acrobot-v1", seed=7, n_updates=12)
    assert started(at) == config.replace(hidden=(32, 16), bootstrap=True)


def test_settings_of_a_preset_wait_for_it_to_come_back(open_train):
    at = open_train()
    widget(at, "clip_eps").set_value(0.3).run()
    at.segmented_control(key="train_preset").set_value("homework").run()
    assert "clip_eps" not in link(at)
    at.segmented_control(key="train_preset").set_value("fast").run()
    assert link(at)["clip_eps"] == "0.3"


# Bad input ----------------------------------------------------------------------------------------

BAD = {
    "n_updates": (0, -1, 100_001),
    "n_envs": (0, -5, 4097),
    "n_steps": (1, 0, 100_001),
    "gamma": (-0.1, 1.1),
    "lam": (-0.1, 1.5),
    "learning_rate": (0.0, -1.0, 10.0),
    "adam_eps": (0.0, 1.0),
    "n_epochs": (0, 1001),
    "minibatch_size": (-1, 2_000_001),
    "clip_eps": (0.0, 1.0, 2.0),
    "value_coef": (-1.0, 1001.0),
    "entropy_coef": (-0.1, 1001.0),
    "max_grad_norm": (-1.0, 1e10),
    "momentum": (-0.1, 1.0),
    "target_kl": (-0.1, 1001.0),
    "value_scale": (0.0, -1.0, 1e9),
    "checkpoint_every": (0, 100_001),
    "hidden": ("", "0", "513", "1 2 3 4", "abc", "64.5", "-3", "64 x"),
}


def test_every_number_has_a_bad_value_here():
    numbers = {name for name in FIELDS if HINTS[name] in (int, float)}
    assert set(BAD) == numbers | {"hidden"}


def assert_one_sentence(at: AppTest, about: str) -> None:
    assert not at.exception
    (error,) = at.error
    assert error.value.lower().startswith(about.lower()), error.value
    assert error.value.endswith(".") and "\n" not in error.value
    assert start_button(at).disabled


def test_bad_numbers_get_one_sentence_and_no_start(open_train):
    at = open_train()
    for name, values in BAD.items():
        good = widget(at, name).value
        for value in values:
            widget(at, name).set_value(value).run()
            assert_one_sentence(at, name)
        widget(at, name).set_value(good).run()
        assert not at.error and not start_button(at).disabled, name
    for seed in (-1, 2**31):
        at.number_input(key="train_seed").set_value(seed).run()
        assert_one_sentence(at, "seed")


def test_bad_combinations(open_train):
    at = open_train()
    widget(at, "n_envs").set_value(4096).run()
    widget(at, "n_steps").set_value(1000).run()
    assert_one_sentence(at, "n_envs times n_steps")
    at = open_train()
    widget(at, "detach_advantage").set_value(False).run()
    assert_one_sentence(at, "normalize_advantages needs detach_advantage")
    widget(at, "normalize_advantages").set_value(False).run()
    assert not at.error
    at.segmented_control(key="train_algorithm").set_value("reinforce").run()
    widget(at, "bootstrap", "fast", "reinforce").set_value(True).run()
    assert_one_sentence(at, "reinforce trains no value network")


# The link -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 3, "clip_eps": 0.3},
        {"hidden": (32, 16, 8), "activation": "tanh", "init": "orthogonal"},
        {"anneal_learning_rate": True, "learning_rate": 3e-4, "adam_eps": 1e-7},
        {"n_envs": 8, "n_steps": 128, "minibatch_size": 64, "n_epochs": 10, "n_updates": 100},
        {"gamma": 1, "lam": 0.0, "max_grad_norm": 0.0, "value_scale": 1.0, "value_coef": 0.5},
        # Valid together, and only together.
        {"detach_advantage": False, "normalize_advantages": False},
        {"mask_reset_rows": False, "bootstrap": False, "reset_each_rollout": True},
        {"advantage": "returns", "env_id": "Acrobot-v1"},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_a_link_reproduces_the_form(open_train, changes):
    first = open_train()
    for name, value in changes.items():
        if name == "seed":
            first.number_input(key="train_seed").set_value(value)
        elif name == "env_id":
            first.selectbox(key="train_env_id").set_value(value)
        else:
            text = " ".join(map(str, value)) if name == "hidden" else value
            widget(first, name).set_value(text)
    first.run()
    sent = link(first)
    assert set(sent) == set(FORM) | set(changes)
    second = open_train(**sent)
    assert not second.warning and not second.error
    assert link(second) == sent
    assert started(second) == started(first) == TrainConfig.fast("ppo", **changes)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("algorithm", "magic", "algorithm must be one of"),
        ("preset", "slow", "preset must be one of fast, homework"),
        ("env_id", "Pendulum-v1", "env_id must be one of CartPole-v1, Acrobot-v1"),
        ("seed", "abc", "seed must be a whole number, not 'abc'"),
        ("seed", "1.5", "seed must be a whole number"),
        ("seed", "-1", "seed must be from 0"),
        ("seed", "true", "seed must be a whole number"),
        ("seed", "", "seed must be a whole number"),
        ("seed", "[" * 5000, "seed must be a whole number"),
        ("seed", "9" * 5000, "seed must be a whole number"),
        ("clip_eps", "2", "clip_eps must be above 0 and below 1, not 2"),
        ("clip_eps", "NaN", "clip_eps must be above 0"),
        ("clip_eps", "1e999", "clip_eps must be above 0"),
        ("clip_eps", '{"a": 1}', "clip_eps must be a number"),
        ("n_envs", "0", "n_envs must be from 1"),
        ("n_envs", "null", "n_envs must be a whole number"),
        ("hidden", "64 many", "hidden must be a list of whole numbers"),
        ("hidden", "", "hidden must be 1 to 3 layers"),
        ("hidden", "²", "hidden must be a list of whole numbers"),
        ("activation", "sine", "activation must be one of relu, tanh"),
        ("bootstrap", "maybe", "bootstrap must be true or false"),
        ("detach_advantage", "false", "normalize_advantages needs detach_advantage"),
    ],
    ids=lambda value: value[:20],
)
def test_an_invalid_link_falls_back_with_a_notice(open_train, name, text, says):
    at = open_train(**{name: text, "gamma": "0.9"})
    (notice,) = at.warning
    assert says in notice.value
    assert len(notice.value) < 400
    assert not at.error
    # The good value of the same link is kept.
    assert link(at) == FORM | {"gamma": "0.9"}
    at.run()
    assert not at.warning


def test_two_invalid_values_are_both_named(open_train):
    at = open_train(seed="x", clip_eps="7", n_envs="8")
    (notice,) = at.warning
    assert "seed must be" in notice.value and "clip_eps must be" in notice.value
    assert link(at) == FORM | {"n_envs": "8"}


def test_an_unknown_name_in_the_link_is_left_out(open_train):
    at = open_train(colour="red", seed="4")
    assert link(at) == FORM | {"seed": "4"}


# Runs ---------------------------------------------------------------------------------------------


def wait_for_the_end(at: AppTest) -> None:
    run = at.session_state["session_runs"].runs[-1]
    deadline = time.monotonic() + 120
    while not run.job.snapshot().state.ended and time.monotonic() < deadline:
        time.sleep(0.02)
    at.run()
    assert not at.exception


SHORT = {"n_updates": "4", "n_envs": "4", "n_steps": "32", "checkpoint_every": "2"}


def test_a_run_from_start_to_end(training, open_train):
    at = open_train(**SHORT)
    at.segmented_control(key="train_pace").set_value("Full speed").run()
    started(at)
    wait_for_the_end(at)
    (run,) = at.session_state["session_runs"].runs
    assert run.job.snapshot().state == "done"
    assert "Done · update 4 of 4" in at.get("progress")[0].proto.text
    (sent,) = figures.payloads(at)
    assert sent["controls"][0]["keys"] == ["0", "2", "4"]
    captions = [image.proto.imgs[0].caption for image in at.get("image")]
    assert [caption.partition(":")[0] for caption in captions] == ["Untrained", "After update 4"]


def test_a_failed_run_says_why(training, open_train):
    values = {"learning_rate": "9.9", "value_scale": "1e-16"}
    at = open_train(preset="homework", algorithm="vpg", n_envs="8", n_steps="64", **values)
    started(at)
    wait_for_the_end(at)
    (error,) = at.error
    assert error.value.startswith("The run failed. update")
    assert "no longer a finite number" in error.value
    assert not start_button(at).disabled


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a b", "."])
def test_a_bad_folder_name(open_train, name):
    at = open_train(**SHORT)
    at.toggle(key="train_keep").set_value(True).run()
    at.text_input(key="train_name").set_value(name).run()
    start_button(at).click().run()
    assert not at.exception
    (error,) = at.error
    assert error.value.startswith("A run's name is made of letters")
    assert at.session_state["session_runs"].runs == []


def test_a_run_without_a_name_on_disk(training, open_train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    at = open_train(**SHORT)
    at.toggle(key="train_keep").set_value(True).run()
    started(at)
    wait_for_the_end(at)
    assert (tmp_path / "runs" / "ppo-edited-seed0" / "metrics.csv").exists()
    # The same again: refused, and the first one is still whole.
    started(at)
    wait_for_the_end(at)
    (error,) = at.error
    assert error.value == (
        "The run failed. runs/ppo-edited-seed0 already holds a run: choose another name, or "
        "resume that one."
    )
    assert len((tmp_path / "runs/ppo-edited-seed0/metrics.csv").read_text().splitlines()) == 5


def test_at_most_six_runs_stay_on_the_chart():
    runs = live.SessionRuns(Lease())
    config = TrainConfig.fast("reinforce", n_updates=1, n_envs=2, n_steps=2)
    for _ in range(8):
        runs.add(TrainingJob(config))
        runs.runs[-1].job.join(60)
    assert [run.number for run in runs.runs] == [3, 4, 5, 6, 7, 8]
    assert runs.active is None
    runs.reset()
    assert (runs.runs, runs.started) == ([], 0)


def test_start_does_nothing_while_a_run_is_going_on(open_train):
    """The second half of a double click may arrive before the button is greyed out."""
    open_train()
    runs, config = live.SessionRuns(Lease()), TrainConfig.fast("ppo")
    options = {"keep": False, "name": "", "rate": 0.0}
    for _ in range(2):
        train_panels.start(runs, config, options)
    assert len(runs.runs) == 1
    runs.reset()


def test_a_long_run_is_looked_at_less_often(training, open_train, monkeypatch):
    at = open_train(preset="homework")
    started(at)
    runs = at.session_state["session_runs"]
    assert train_charts.poll_seconds(runs) == train_charts.POLL_SECONDS
    monkeypatch.setattr(train_charts, "LONG_RUN_SECONDS", runs.active.snapshot().active_seconds)
    assert train_charts.poll_seconds(runs) == train_charts.LONG_RUN_POLL_SECONDS
    at.run()
    assert not at.exception
    runs.active.stop()
    runs.runs[-1].job.join(60)
    assert train_charts.poll_seconds(runs) is None


def test_reset(training, open_train):
    at = open_train(n_updates="100000")
    started(at)
    run = at.session_state["session_runs"].runs[0]
    at.button(key="reset").click().run()
    assert not at.exception
    assert "Nothing trained yet" in at.info[0].value
    run.job.join(60)
    assert run.job.snapshot().state == "stopped"


# Forks --------------------------------------------------------------------------------------------


@pytest.fixture
def trained(training, open_train):
    """A page whose run of 4 updates is done, with the slider at update 2."""
    at = open_train(**SHORT)
    at.segmented_control(key="train_pace").set_value("Full speed").run()
    started(at)
    wait_for_the_end(at)
    number = at.session_state["session_runs"].runs[-1].job.number
    at.session_state[f"policy_{number}_0 kept"]["now"]["checkpoint"] = "2"
    at.run()
    return at


def fork_box(at: AppTest, name: str):
    """The widget of a setting in "Fork from here", of the newest run."""
    number = at.session_state["session_runs"].runs[-1].job.number
    widgets = [*at.number_input, *at.selectbox, *at.toggle]
    return next(each for each in widgets if each.key == f"fork_{number}_{name}")


def said(at: AppTest) -> str:
    """The sentence beside the button."""
    texts = [each.value for each in at.markdown]
    return texts[next(i for i, text in enumerate(texts) if "**Fork from here**" in text) + 1]


def fork_of(at: AppTest, name: str, value) -> live.Run:
    fork_box(at, "setting").set_value(name).run()
    fork_box(at, name).set_value(value).run()
    assert not at.button(key="fork").disabled, said(at)
    at.button(key="fork").click().run()
    wait_for_the_end(at)
    return at.session_state["session_runs"].runs[-1]


def chart_rows(at: AppTest, title: str, run: str) -> pd.DataFrame:
    """A run's rows in a chart."""
    charts = [each.proto for each in at.get("vega_lite_chart")]
    (chart,) = (each for each in charts if each.alt.startswith(title))
    data = next(each.data.data for each in chart.datasets if each.name in ("curve", "meter"))
    frame = pa.ipc.open_stream(data).read_pandas()
    return frame[frame["run"] == run].reset_index(drop=True)


def test_a_fork_and_a_fork_of_the_fork(trained, tmp_path, monkeypatch):
    at = trained
    monkeypatch.chdir(tmp_path)
    run = fork_of(at, "learning_rate", 0.1)
    parent = at.session_state["session_runs"].runs[0].job.snapshot()
    done = run.job.snapshot()
    assert (done.state, [one.update for one in done.checkpoints]) == ("done", [*range(2, 23, 2)])
    assert done.config == parent.config.replace(learning_rate=0.1, n_updates=22)
    label = "#2 fork of #1 at update 2: learning rate 0.025 → 0.1"
    assert [each.label for each in at.get("download_button")][-1] == f"Metrics of {label} as CSV"
    # It begins on the parent's curve, at the fork, with the parent's numbers.
    own, branch = (
        chart_rows(at, "Episode return by", name) for name in ("#1 PPO edited, seed 0", label)
    )
    assert branch.loc[0, "env_steps"] == 2 * 128
    assert branch.loc[0].drop("run").equals(own.loc[1].drop("run"))
    # The first rollout is the parent's too, so the second point is; its update is not.
    assert branch.loc[1].drop("run").equals(own.loc[2].drop("run"))
    branch_end = branch.iloc[-1]
    own, branch = (
        chart_rows(at, "Entropy", name)["value"] for name in ("#1 PPO edited, seed 0", label)
    )
    assert branch[0] == own[1] and branch[1] != own[2]
    # Its own first checkpoint is the parent's, so the dots begin there, too.
    assert done.scores[0] == parent.scores[1]
    at.toggle(key="train_keep").set_value(True).run()
    fork_of(at, "gamma", 0.9)
    third = chart_rows(at, "Episode return by", "#3 fork of #2 at update 22: gamma 0.99 → 0.9")
    assert third.loc[0, "env_steps"] == 22 * 128
    assert third.loc[0].drop("run").equals(branch_end.drop("run"))
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name == "ppo-edited-seed0-at22-gamma-0.9"
    kept = json.loads((folder / "fork.json").read_text())
    assert (kept["parent"], kept["update"]) == (label, 22)
    at.button(key="reset").click().run()
    assert not at.exception
    assert all(button.key != "fork" for button in at.button)


NOT_FORKED = [
    ("learning_rate", 0.0, "Learning_rate must be above 0 and below 10, not 0.0."),
    ("learning_rate", 0.025, "This is the run's own value: the branch would repeat it"),
    ("clip_eps", 2.0, "Clip_eps must be above 0 and below 1, not 2.0."),
    ("algorithm", "reinforce", "Reinforce trains no value network"),
    ("detach_advantage", False, "Normalize_advantages needs detach_advantage"),
    ("2_until", 2, "N_updates must be above 2, the update of the fork, not 2."),
    ("2_until", 100_001, "N_updates must be from 1 to 100,000"),
]


def test_what_cannot_be_forked_says_so(trained):
    at = trained
    titles = [each.replace("_", " ").capitalize() for each in changeable(TrainConfig.fast("ppo"))]
    assert fork_box(at, "setting").options == titles
    for name in ("n_epochs", "momentum", "bootstrap", "advantage", "algorithm"):
        fork_box(at, "setting").set_value(name).run()
        # Every type has its widget, which starts at the run's own value.
        assert fork_box(at, name).value == getattr(TrainConfig.fast("ppo"), name)
        assert not at.exception and at.button(key="fork").disabled
    for name, value, says in NOT_FORKED:
        if name in HINTS:
            fork_box(at, "setting").set_value(name).run()
        good = fork_box(at, name).value
        fork_box(at, name).set_value(value).run()
        assert not at.exception
        assert said(at).startswith(says)
        assert at.button(key="fork").disabled
        fork_box(at, name).set_value(good)
    live.slots().count = 0
    started(at)
    assert said(at) == "A run is going on: fork when it has ended."
    assert at.button(key="fork").disabled


def test_runs_of_another_environment_leave_the_axis(training, open_train):
    at = open_train(**SHORT)
    started(at)
    wait_for_the_end(at)
    assert any("Solved: mean return 475" in caption.value for caption in at.caption)
    at.selectbox(key="train_env_id").set_value("Acrobot-v1").run()
    started(at)
    legend = next(caption.value for caption in at.caption if "Solved" in caption.value)
    assert "Solved: mean return -100" in legend
