import numpy as np
import pytest

from pgcore.studies import attempt, cartpole
from pgcore.studies.attempt import DEPTH, Attempt


def test_advancing_is_gymnasiums_episode():
    """The attempt follows, push by push, an episode of the environment with the same seed."""
    coin = np.random.default_rng(0)
    envs = cartpole.make_vec("CartPole-v1", 1)
    envs.reset(seed=3)
    now, steps = Attempt.start(seed=3), 0
    while not now.over:
        pushes = coin.integers(0, 2, size=coin.integers(1, DEPTH + 1)).tolist()
        now = now.advance(pushes)
        for push in pushes:
            observation, reward, terminated, _, _ = envs.step(np.array([push]))
            steps += int(reward[0])
            np.testing.assert_equal(now.terminated and terminated[0], terminated[0])
            if terminated[0]:
                break
        np.testing.assert_allclose(now.state, observation[0], rtol=1e-6)
    assert now.steps == steps
    assert now.ending() == "the pole fell past its limit"


def test_in_one_go_or_one_by_one():
    together = Attempt.start(1).advance([0, 1, 1, 0])
    apart = Attempt.start(1)
    for push in [0, 1, 1, 0]:
        apart = apart.advance([push])
    np.testing.assert_array_equal(together.state, apart.state)
    assert together.steps == apart.steps == 4


def test_pushes_after_the_end_change_nothing():
    now = Attempt.start(1)
    while not now.over:
        now = now.advance([0] * DEPTH)
    assert now.steps < 3 * DEPTH
    assert now.advance([1]) is now


def test_the_time_limit_ends_it():
    start = Attempt.start(1)
    late = Attempt(1, 499, start.state, False, start.states, start.ended)
    assert late.advance([0, 1, 0]).steps == 500
    assert late.advance([0, 1, 0]).ending() == "the time limit is reached"


def test_leaving_the_track_is_told_apart():
    state = np.array([2.39, 3.0, 0.0, 0.0])
    here = Attempt(1, 10, state, False, *cartpole.futures(state, DEPTH))
    assert here.advance([1]).ending() == "the cart left the track"
    assert here.ending() == ""


@pytest.mark.parametrize("pushes", [[0] * (DEPTH + 1), [2], [-1]])
def test_what_no_player_can_do_is_refused(pushes):
    with pytest.raises(ValueError, match="pushes"):
        Attempt.start(1).advance(pushes)


def test_shares_by_hand():
    scores = np.array([10, 20, 20, 30])
    assert attempt.beaten(20, scores) == 0.25
    assert attempt.beaten(31, scores) == 1
    steps, share = attempt.lasted(scores, 31)
    assert steps.tolist() == list(range(1, 32))
    assert share[[0, 9, 10, 19, 20, 29, 30]].tolist() == [1, 1, 0.75, 0.75, 0.25, 0.25, 0]
