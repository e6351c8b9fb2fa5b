"""From words to the configs of a sweep."""

from __future__ import annotations

import pytest

from pgcore.config import ConfigError, TrainConfig
from pgcore.plan import grid, seeds_from, settings_from_words, value_from_text, value_to_text


def test_a_grid_is_every_combination_once():
    configs = grid(["fast"], ["ppo", "vpg"], {"learning_rate": [0.01, 0.02, 0.01]}, range(2))
    assert len(configs) == 2 * 2 * 2
    assert {(one.algorithm, one.learning_rate, one.seed) for one in configs} == {
        (algorithm, rate, seed)
        for algorithm in ("ppo", "vpg")
        for rate in (0.01, 0.02)
        for seed in (0, 1)
    }
    with pytest.raises(ConfigError, match="no setting named 'colour'"):
        grid(["fast"], ["ppo"], {"colour": ["red"]}, [0])


def test_words_become_values_of_the_setting_s_type():
    lines = [
        ("clip-eps", "0.1", "0.2"),
        ("gamma", "1"),
        ("n_envs", "8"),
        ("hidden", "64", "64x32"),
        ("bootstrap", "True", "false"),
        ("activation", "tanh"),
    ]
    settings = settings_from_words(lines)
    assert settings == {
        "clip_eps": (0.1, 0.2),
        "gamma": (1.0,),
        "n_envs": (8,),
        "hidden": ((64,), (64, 32)),
        "bootstrap": (True, False),
        "activation": ("tanh",),
    }
    assert type(settings["gamma"][0]) is float
    for name, values in settings.items():
        for value in values:
            assert value_from_text(name, value_to_text(value)) == value
    assert len(grid(["fast"], ["ppo"], settings, [0])) == 2 * 2 * 2


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["colour", "red"], "there is no setting named 'colour'."),
        (["clip_eps"], "clip_eps needs at least one value."),
        (["clip_eps", "2"], "clip_eps must be above 0 and below 1, not 2.0."),
        (["clip_eps", "abc"], "clip_eps must be a number, not 'abc'."),
        (["n_envs", "1.5"], "n_envs must be a whole number, not 1.5."),
        (["n_envs", "[" * 5000], "n_envs must be a whole number"),
        (["hidden", "64y"], "hidden must be a list of whole numbers"),
        (["bootstrap", "maybe"], "bootstrap must be true or false"),
        (["seed", "3"], "seed is not a setting to vary: choose seeds."),
        (["algorithm", "vpg"], "algorithm is not a setting to vary: choose algorithms."),
    ],
    ids=lambda value: " ".join(value)[:24] if isinstance(value, list) else "",
)
def test_nonsense_is_one_sentence(line, says):
    with pytest.raises(ConfigError) as caught:
        grid(["fast"], ["ppo"], settings_from_words([line]), [0])
    assert str(caught.value).startswith(says)
    assert len(str(caught.value)) < 200


def test_a_setting_comes_once():
    with pytest.raises(ConfigError, match="gamma is varied twice"):
        settings_from_words([("gamma", "0.9"), ("gamma", "0.99")])


def test_seeds():
    assert seeds_from([3]) == (0, 1, 2)
    assert seeds_from([3, 8]) == (3, 8)
    for nothing in ([], [0], [-2]):
        with pytest.raises(ConfigError, match="at least one seed"):
            seeds_from(nothing)
    assert TrainConfig.fast("ppo", seed=8) in grid(["fast"], ["ppo"], {}, seeds_from([3, 8]))
