"""TrainConfig: what is refused, in which words, and that it survives JSON."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcore.config import ALGORITHMS, MAX_ROWS, PRESETS, ConfigError, TrainConfig, field_help
from tests.conftest import ROOT

NAN, INF = float("nan"), float("inf")

# One setting, a value that makes no sense for it.
BAD = [
    ("algorithm", "dqn"),
    ("algorithm", None),
    ("env_id", ""),
    ("env_id", 3),
    *((name, value) for name in ("seed", "minibatch_size") for value in (-1, 1.0, "1", None, True)),
    ("seed", 2**31),
    *(
        (name, value)
        for name in ("n_updates", "n_envs", "n_epochs", "checkpoint_every", "n_steps")
        for value in (0, -1, 2.5, "8", 10**9)
    ),
    ("n_steps", 1),
    *((name, value) for name in ("gamma", "lam") for value in (-0.1, 1.1, NAN, "0.9", None)),
    *((name, value) for name in ("clip_eps",) for value in (0, 0.0, 1.0, 2, -0.2, NAN)),
    *((name, value) for name in ("learning_rate", "adam_eps") for value in (0.0, -1e-3, NAN, INF)),
    *(
        (name, value)
        for name in ("value_coef", "entropy_coef", "max_grad_norm", "target_kl")
        for value in (-1.0, NAN, INF, "1")
    ),
    *(("momentum", value) for value in (-0.1, 1.0, NAN)),
    *(("value_scale", value) for value in (0.0, -1.0, NAN, INF)),
    *((name, 10**400) for name in ("gamma", "learning_rate", "value_scale", "max_grad_norm")),
    *(("hidden", value) for value in ((), (0,), (64, -1), (2.5,), ("64",), (True,), (8,) * 9)),
    *(("hidden", value) for value in (64, "64", None, [None], (10**6,))),
    *((name, value) for name in ("activation", "init", "advantage") for value in ("", "x", None)),
    ("activation", ["relu"]),
    *(
        (name, value)
        for name in ("detach_advantage", "bootstrap", "mask_reset_rows", "reset_each_rollout")
        for value in (1, "yes", None)
    ),
]


def assert_one_clear_sentence(error: ConfigError, about: str) -> None:
    message = str(error)
    assert about in message
    assert message.endswith(".") and "\n" not in message
    assert "Traceback" not in message and "Error" not in message


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda part: str(part)[:20])
def test_a_bad_value_is_refused_in_one_sentence_that_names_it(name, value):
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**{name: value})
    assert_one_clear_sentence(caught.value, name)
    text = json.loads(TrainConfig().to_json()) | {name: value}
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_json(json.dumps(text))
    assert_one_clear_sentence(caught.value, name)


def test_the_sentence_says_what_would_be_right():
    with pytest.raises(ConfigError, match=r"^clip_eps must be above 0 and below 1, not 2\.$"):
        TrainConfig(clip_eps=2)
    with pytest.raises(ConfigError, match=r"^n_envs must be from 1 to 4,096, not 0\.$"):
        TrainConfig(n_envs=0)
    with pytest.raises(ConfigError, match=r"^seed must be a whole number, not 'seven'\.$"):
        TrainConfig(seed="seven")
    with pytest.raises(ConfigError, match=r"reinforce.*vpg"):
        TrainConfig(algorithm="sarsa")


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"n_envs": 4096, "n_steps": 1000}, f"at most {MAX_ROWS:,}"),
        ({"detach_advantage": False}, "normalize_advantages"),
        ({"algorithm": "reinforce"}, "bootstrap"),
        ({"algorithm": "reinforce", "bootstrap": False, "advantage": "gae"}, "advantage"),
        ({"algorithm": "gae"}, "advantage"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, about):
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**settings)
    assert_one_clear_sentence(caught.value, about)


@pytest.mark.parametrize("name", ["gamma", "lam"])
@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0])
def test_both_ends_of_a_closed_range_are_allowed(name, value):
    assert getattr(TrainConfig(**{name: value}), name) == value


def test_it_is_frozen_and_replace_validates_again():
    config = TrainConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 3
    assert config.replace(seed=3).seed == 3 and config.seed == 0
    with pytest.raises(ConfigError):
        config.replace(seed=-3)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_preset_survives_json(preset, algorithm):
    config = TrainConfig.preset(preset, algorithm, seed=7)
    assert config.algorithm == algorithm and config.seed == 7
    again = TrainConfig.from_json(config.to_json())
    assert again == config
    assert hash(again) == hash(config)
    assert again.to_json() == config.to_json()


@given(
    seed=st.integers(0, 2**31 - 1),
    gamma=st.floats(0, 1),
    learning_rate=st.floats(1e-300, 9.9),
    hidden=st.lists(st.integers(1, 512), min_size=1, max_size=3),
)
def test_json_loses_no_bit(**settings):
    config = TrainConfig(**settings)
    assert TrainConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "null", "[]", "3", '"ppo"', "[" * 100_000),
        *('{"gamma": NaN}', '{"gamma": "x"}', '{"learning_rate": 1e999}', '{"gama": 0.9}'),
        '{"seed": ' + "9" * 5000 + "}",
    ],
    ids=lambda text: text[:16],
)
def test_a_text_that_is_no_config_is_refused_in_one_sentence(text):
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_json(text)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


@given(st.text() | st.binary())
def test_no_text_gets_past_the_check_with_another_error(text):
    with suppress(ConfigError):
        assert TrainConfig.from_json(text) == TrainConfig(), "only {} is a config by accident"


def test_an_unknown_setting_is_named():
    with pytest.raises(ConfigError, match="'gama'"):
        TrainConfig.from_json('{"gama": 0.9}')
    with pytest.raises(ConfigError, match="'gama'"):
        TrainConfig.preset("fast", "ppo", gama=0.9)
    with pytest.raises(ConfigError, match="fast, homework"):
        TrainConfig.preset("slow", "ppo")
    for preset in PRESETS:
        with pytest.raises(ConfigError, match="algorithm must be one of"):
            TrainConfig.preset(preset, "dqn")


def test_the_presets_differ_by_fields_alone():
    for algorithm in ALGORITHMS:
        fast, homework = TrainConfig.fast(algorithm), TrainConfig.homework(algorithm)
        assert type(fast) is type(homework) is TrainConfig
        assert fast.mask_reset_rows and not homework.mask_reset_rows
        assert fast.detach_advantage and not homework.detach_advantage
        assert fast.normalize_advantages and not homework.normalize_advantages
        assert fast.max_grad_norm > 0 and homework.max_grad_norm == 0
        assert fast.bootstrap == (algorithm != "reinforce") and not homework.bootstrap
        assert fast.total_steps <= homework.total_steps / 4


def test_every_field_has_one_line_of_help():
    for field in dataclasses.fields(TrainConfig):
        line = field_help()[field.name]
        assert line.endswith(".") and "\n" not in line and len(line) < 120, field.name


def test_the_config_and_the_environments_load_without_torch():
    code = (
        "import sys, pgcore.config, pgcore.environments; "
        "print([name for name in ('torch', 'streamlit', 'altair') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
