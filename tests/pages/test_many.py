"""Many runs on the Train page, without a browser: form, link, messages, results."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import live, many_form, many_panel
from pgcore.config import TrainConfig
from pgcore.plan import grid
from pgcore.sweep import sweep
from tests.conftest import ROOT

FORM = {
    "mode": "many",
    "algorithms": "ppo,vpg",
    "presets": "fast",
    "env": "CartPole-v1",
    "seeds": "5",
}


@pytest.fixture
def open_many():
    """open_many(seeds="3") -> the page as that link opens it; sweeps wait in line for ever."""
    opened = []
    slots = live.slots()
    slots.count = 0

    def open_(**query: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
        for name, value in ({"mode": "many"} | query).items():
            at.query_params[name] = value
        opened.append(at.switch_page("pages/7_train.py").run())
        assert not at.exception
        return at

    yield open_
    for at in opened:
        job = at.session_state["session_runs"].sweep
        if job is not None:
            job.stop()
            job.join(60)
    slots.count = 2


def link(at: AppTest) -> dict[str, str]:
    return dict(at.query_params)


def vary(at: AppTest, number: int, name: str, values: str) -> None:
    # The box of values opens once there is a setting.
    at.selectbox(key=f"many_vary{number}").set_value(name).run()
    at.text_input(key=f"many_values{number}").set_value(values)


def started(at: AppTest) -> list[TrainConfig]:
    """The runs that Start begins."""
    at.button(key="many_start").click().run()
    assert not at.exception
    return list(at.session_state["session_runs"].sweep.configs)


def test_opens(open_many):
    at = open_many()
    assert not at.warning and not at.error
    assert link(at) == FORM
    assert "2 groups × 5 seeds = 10 runs" in at.caption[0].value
    assert "Nothing has run yet" in at.info[0].value
    assert at.button(key="many_stop").disabled
    assert started(at) == grid(["fast"], ["ppo", "vpg"], {}, range(5))
    assert at.button(key="many_start").disabled and not at.button(key="many_stop").disabled
    assert at.get("progress")[0].proto.text.startswith("Waiting · number 1 in line")


def test_between_one_run_and_many(open_many):
    at = open_many(seeds="7")
    at.segmented_control(key="train_mode").set_value(many_form.ONE).run()
    assert link(at) == {
        "algorithm": "ppo",
        "preset": "fast",
        "env_id": "CartPole-v1",
        "seed": "0",
    }
    assert not at.warning and at.button(key="start")
    at.segmented_control(key="train_mode").set_value(many_form.MANY).run()
    assert link(at) == FORM | {"seeds": "7"}
    assert not at.exception and not at.warning


def test_another_mode_is_one_run(open_many):
    at = open_many(mode="several")
    assert at.button(key="start") and "mode" not in link(at)


def test_a_link_reproduces_the_form(open_many):
    first = open_many()
    first.segmented_control(key="many_algorithms").set_value(["gae"])
    first.segmented_control(key="many_presets").set_value(["fast", "homework"])
    first.selectbox(key="many_env").set_value("Acrobot-v1")
    first.number_input(key="many_seeds").set_value(2)
    vary(first, 1, "hidden", "64, 32x16")
    vary(first, 2, "n_updates", "2")
    first.run()
    sent = link(first)
    assert sent["vary1"] == "hidden" and sent["values1"] == "64, 32x16"
    second = open_many(**sent)
    assert not second.warning and not second.error
    assert link(second) == sent
    settings = {"env_id": ["Acrobot-v1"], "hidden": [(64,), (32, 16)], "n_updates": [2]}
    expected = grid(["fast", "homework"], ["gae"], settings, range(2))
    assert started(second) == started(first) == expected


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"vary1": "clip_eps", "values1": ""}, "Clip_eps needs at least one value."),
        ({"vary1": "clip_eps", "values1": "2"}, "Clip_eps must be above 0 and below 1, not 2.0."),
        ({"vary1": "clip_eps", "values1": "a b"}, "Clip_eps must be a number, not 'a'."),
        ({"vary1": "hidden", "values1": "64y"}, "Hidden must be a list of whole numbers"),
        ({"vary1": "bootstrap", "values1": "maybe"}, "Bootstrap must be true or false"),
        (
            {"vary1": "gamma", "values1": "0.9", "vary2": "gamma", "values2": "0.8"},
            "Gamma is varied twice: put all its values together.",
        ),
        (
            {"algorithms": "reinforce", "vary1": "bootstrap", "values1": "true"},
            "Reinforce trains no value network",
        ),
        ({"seeds": "0"}, "Seeds must be from 1 to 1,000."),
        ({"seeds": "9999"}, "Seeds must be from 1 to 1,000."),
        ({"seeds": "101"}, "These are 202 runs; on this page a sweep has at most 200"),
        (
            {"seeds": "1", "vary1": "lam", "values1": "0 .1 .2 .3 .4 .5 .6".replace(" .", " 0.")},
            "These are 14 groups; a chart tells at most 12 apart",
        ),
        (
            {"presets": "homework", "seeds": "25"},
            "These runs take 205 million environment steps together; on this page",
        ),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_nonsense_is_one_sentence_and_no_start(open_many, changes, says):
    at = open_many(**changes)
    (error,) = at.error
    assert error.value.startswith(says) and error.value.endswith(".")
    assert at.button(key="many_start").disabled and not at.warning


def test_nothing_chosen(open_many):
    at = open_many()
    at.segmented_control(key="many_algorithms").set_value([]).run()
    assert at.error[0].value == "A sweep needs at least one algorithm."
    at.segmented_control(key="many_algorithms").set_value(["ppo"])
    at.segmented_control(key="many_presets").set_value([]).run()
    assert at.error[0].value == "A sweep needs at least one preset."
    at.segmented_control(key="many_presets").set_value(["fast"]).run()
    assert not at.error and not at.exception


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("algorithms", "ppo,magic", "algorithms must be some of"),
        ("presets", "slow", "presets must be some of fast, homework"),
        ("env", "Pendulum-v1", "env must be one of CartPole-v1, Acrobot-v1"),
        ("seeds", "abc", "seeds must be a number from 1"),
        ("seeds", "9" * 5000, "seeds must be a number from 1"),
        ("seeds", "-3", "seeds must be a number from 1"),
        ("vary1", "colour" * 100, "vary1 must be a setting, not “colour"),
        ("vary2", "seed", "vary2 must be a setting, not “seed”"),
    ],
    ids=lambda value: value[:20],
)
def test_an_invalid_link_falls_back_with_a_notice(open_many, name, text, says):
    at = open_many(**{name: text})
    (notice,) = at.warning
    assert says in notice.value and len(notice.value) < 300
    assert link(at) == FORM and not at.error
    at.run()
    assert not at.warning


def test_start_does_nothing_while_a_sweep_is_going_on(open_many):
    """The second half of a double click may arrive before the button is greyed out."""
    at = open_many()
    started(at)
    runs = at.session_state["session_runs"]
    first = runs.sweep
    many_panel.start(runs, grid(["fast"], ["gae"], {}, [0]))
    assert runs.sweep is first
    # The browser keeps the session's lease while it is alive.
    assert runs.active_sweep is first and runs.active is None
    at.button(key="many_stop").click().run()
    first.join(60)
    at.run()
    assert runs.active_sweep is None and not at.exception
    assert "Stopped · 0 of 10 runs · Start goes on from here" in at.get("progress")[0].proto.text


def test_what_the_runs_say_together(open_many):
    """The runs are there already, so that Start only reads them."""
    tiny = {"vary1": "n_updates", "values1": "2", "vary2": "n_envs", "values2": "2"}
    settings = {"n_updates": [2], "n_envs": [2]}
    configs = grid(["fast"], ["ppo", "vpg"], settings, range(2))
    results = list(sweep(configs, Path(many_panel._folder().name), "serial"))
    at = open_many(seeds="2", **tiny)
    live.slots().count = 2
    assert started(at) == configs
    job = at.session_state["session_runs"].sweep
    job.join(60)
    at.run()
    assert not at.exception and not at.error
    assert at.get("progress")[0].proto.text == "Done · 4 of 4 runs"
    assert job.snapshot().results == tuple(results)
    table = at.dataframe[0].value
    assert table["group"].tolist() == [
        "PPO fast · n_updates 2 · n_envs 2",
        "VPG fast · n_updates 2 · n_envs 2",
    ]
    assert table["solved"].tolist() == ["0 of 2", "0 of 2"]
    curves, _ = at.get("vega_lite_chart")
    datasets = {one.name: one for one in curves.proto.datasets}
    assert {"curves", "single", "labels"} <= set(datasets)
    sentence = next(one.value for one in at.markdown if one.value.startswith("A run of"))
    assert "**PPO fast" in sentence and "(2 × 2 pairs of runs, ties count half)" in sentence
    at.selectbox(key="many_y").set_value(at.selectbox(key="many_x").value).run()
    assert any(one.value == "Choose two different groups." for one in at.markdown)
    at.toggle(key="many_every_seed").set_value(True).run()
    assert not at.exception
