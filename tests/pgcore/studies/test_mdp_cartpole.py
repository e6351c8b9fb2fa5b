import gymnasium as gym
import numpy as np
import pytest

from pgcore.studies import cartpole, markov


@pytest.fixture(scope="module")
def transitions():
    return cartpole.random_episodes(1000, seed=0)


def scalar_step(state, action):
    """gymnasium's other implementation of CartPole, one copy at a time."""
    env = gym.make("CartPole-v1").unwrapped
    env.reset(seed=0)
    env.state = np.array(state, dtype=np.float64)
    _, _, terminated, _, _ = env.step(action)
    return env.state, terminated


@pytest.mark.parametrize("action", [0, 1])
def test_the_vectorised_class_agrees_with_the_single_one(action):
    expected = np.array((0.3, -1.2, 0.05, 0.7))
    states, ended = cartpole.rollout_from(expected[None], np.full((4, 1), action))
    for step in range(4):
        expected, terminated = scalar_step(expected, action)
        np.testing.assert_allclose(states[step, 0], expected)
        assert ended[step, 0] == terminated


def test_after_the_end_nothing_moves():
    states, ended = cartpole.rollout_from(np.array([[2.39, 3.0, 0.0, 0.0]]), np.ones((5, 1), int))
    assert ended[:, 0].tolist() == [True] * 5
    assert states[:, 0, 0].tolist() == [pytest.approx(2.45)] * 5


def test_limits_are_the_documented_ones():
    limits = cartpole.limits()
    assert limits["position"] == 2.4
    assert limits["angle"] == pytest.approx(np.radians(12))
    assert limits["steps"] == 500


def test_futures_hold_every_sequence_of_actions():
    state, depth = cartpole.first_state(seed=5), 3
    states, ended = cartpole.futures(state, depth)
    assert states.shape == (14, 4)
    for number in range(2**depth):
        walked = state
        for d in range(1, depth + 1):
            prefix = number >> (depth - d)
            walked, terminated = scalar_step(walked, prefix & 1)
            row = 2**d - 2 + prefix
            np.testing.assert_allclose(states[row], walked, rtol=1e-12)
            assert ended[row] == terminated


def test_futures_stop_where_the_episode_does():
    _, ended = cartpole.futures(np.array([0.0, 0.0, 0.2, 3.0]), 4)
    assert ended.all()


def test_first_state_is_the_environments_own():
    observation, _ = cartpole.make_vec("CartPole-v1", 1).reset(seed=11)
    assert cartpole.first_state(11).astype(np.float32).tolist() == observation[0].tolist()


def test_random_episodes_are_whole_and_connected(transitions):
    t = transitions
    assert t.groupby("episode").terminated.sum().eq(1).all()
    assert t.groupby("episode").step.max().add(1).equals(t.groupby("episode").size())
    goes_on = ~t.terminated
    following = t[["position", "angle"]].shift(-1)[goes_on]
    np.testing.assert_array_equal(following, t.loc[goes_on, ["next_position", "next_angle"]])


def test_random_scores_are_near_the_known_mean(transitions):
    scores = cartpole.random_scores(1000, seed=0)
    assert scores.tolist() == transitions.groupby("episode").size().tolist()
    # A coin-flipping policy lasts about 22 steps.
    assert abs(scores.mean() - 22.3) < 4 * scores.std() / len(scores) ** 0.5


def test_twins_look_alike_act_alike_and_part(transitions):
    pair = markov.twins(transitions)
    a, b = (pair[pair.twin == name].reset_index(drop=True) for name in "AB")
    assert abs(a.position[0] - b.position[0]) <= 0.005
    assert abs(a.angle[0] - b.angle[0]) <= 0.002
    assert a.action.tolist() == b.action.tolist()
    assert abs(a.angle[8] - b.angle[8]) > 50 * abs(a.angle[0] - b.angle[0])


def test_twins_happened(transitions):
    """Both are stored transitions, and each step of theirs is gymnasium's."""
    pair = markov.twins(transitions)
    for _, twin in pair.groupby("twin"):
        states = twin[list(cartpole.COLUMNS)].to_numpy()
        for now, action, after in zip(states, twin.action, states[1:], strict=False):
            np.testing.assert_allclose(scalar_step(now, int(action))[0], after, atol=1e-6)


def test_no_twins_in_one_short_episode():
    with pytest.raises(ValueError, match="more episodes"):
        markov.twins(cartpole.random_episodes(1, seed=0))


def test_full_state_explains_the_next_movement_and_the_picture_alone_does_not(transitions):
    changes = markov.angle_changes(transitions)
    # The pole's change of angle is its angular velocity times the step of 0.02 s, exactly.
    np.testing.assert_allclose(changes.change, 0.02 * changes.angular_velocity, atol=1e-6)
    share = markov.unexplained(changes).set_index("shown")["share"].tolist()
    assert share == sorted(share, reverse=True)
    assert share[0] > 0.4
    assert share[2] < 0.01
    assert share[3] < 1e-9
