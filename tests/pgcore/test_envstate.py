"""The inner state of environments: captured, written down, put back, and the run goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pgcore.environments import make_vec
from pgcore.envstate import EnvStateError, capture, restore
from tests.pgcore import toys

ENVIRONMENTS = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", toys.COUNTER, toys.RANDOM_LENGTH]


def play(envs, steps: int, seed: int) -> list[tuple[np.ndarray, ...]]:
    rng = np.random.default_rng(seed)
    return [envs.step(rng.integers(2, size=envs.num_envs))[:4] for _ in range(steps)]


def assert_same(ours, theirs) -> None:
    for mine, given in zip(ours, theirs, strict=True):
        for a, b in zip(mine, given, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
@pytest.mark.parametrize("steps", [0, 37])
def test_a_copy_goes_on_bit_for_bit(env_id, steps):
    envs, copy = make_vec(env_id, 3), make_vec(env_id, 3)
    envs.reset(seed=5)
    play(envs, steps, seed=0)
    arrays, values = capture(envs)
    copy.reset(seed=99)
    restore(copy, arrays, json.dumps(json.loads(values)))
    # Long enough for episodes to end: the resets draw from the restored generators.
    expected = play(envs, 60, seed=1)
    assert_same(play(copy, 60, seed=1), expected)


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_what_was_captured_does_not_change_with_the_environment(env_id):
    envs = make_vec(env_id, 2)
    envs.reset(seed=0)
    arrays, values = capture(envs)
    frozen = {name: array.copy() for name, array in arrays.items()}
    expected = play(envs, 30, seed=0)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, frozen[name])
    restore(envs, arrays, values)
    assert_same(play(envs, 30, seed=0), expected)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, frozen[name])


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_it_is_plain_data(env_id):
    envs = make_vec(env_id, 2)
    envs.reset(seed=0)
    arrays, values = capture(envs)
    assert all(array.dtype != object for array in arrays.values())
    assert isinstance(json.loads(values), dict)


def test_what_is_not_plain_data_is_named():
    envs = make_vec(toys.NOTEBOOK, 2)
    envs.reset(seed=0)
    with pytest.raises(EnvStateError, match=r"Notebook\.notes is a set"):
        capture(envs)


@pytest.mark.parametrize(
    ("source", "n_source", "target", "n_target"),
    [
        ("CartPole-v1", 4, "CartPole-v1", 2),
        ("CartPole-v1", 2, "CartPole-v1", 4),
        ("Acrobot-v1", 4, "Acrobot-v1", 2),
        ("Acrobot-v1", 2, "Acrobot-v1", 4),
        ("Acrobot-v1", 2, "MountainCar-v0", 2),
        ("CartPole-v1", 2, "Acrobot-v1", 2),
        ("Acrobot-v1", 2, "CartPole-v1", 2),
    ],
)
def test_state_of_other_environments_is_refused_and_nothing_changes(
    source, n_source, target, n_target
):
    theirs, ours, same = make_vec(source, n_source), *(make_vec(target, n_target) for _ in "ab")
    theirs.reset(seed=0)
    state = capture(theirs)
    ours.reset(seed=1)
    same.reset(seed=1)
    with pytest.raises(EnvStateError):
        restore(ours, *state)
    assert_same(play(ours, 40, seed=0), play(same, 40, seed=0))


@pytest.mark.parametrize(
    "values",
    [
        *("", "[]", "3", "{}", '{"vector/num_envs": {"neither": 1}}', "[" * 100_000),
        '{"vector/_np_random": {"generator": {"bit_generator": "MT19937"}}}',
    ],
    ids=lambda values: values[:24],
)
def test_damaged_state_is_refused_in_one_sentence(values):
    envs = make_vec("CartPole-v1", 2)
    envs.reset(seed=0)
    arrays, _ = capture(envs)
    with pytest.raises(EnvStateError) as caught:
        restore(envs, arrays, values)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
