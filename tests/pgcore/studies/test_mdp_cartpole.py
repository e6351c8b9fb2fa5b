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


def test_limits_are_the_documented_ones():
    limits = cartpole.limits()
    assert limits["position"] == 2.4
    assert limits["angle"] == pytest.approx(np.radians(12))
    assert limits["steps"] == 500


def test_one_push_from_rest():
    """From rest, a push of 10 N: the cart gains 0.195 m/s, the pole tips the other way."""
    after = cartpole.outcomes((0.0, 0.0, 0.0, 0.0))
    left, right = after[after.step == 1].to_dict("records")
    assert left["action"] == "push left"
    assert left["velocity"] == pytest.approx(-0.1951, abs=1e-4)
    assert left["angular_velocity"] == pytest.approx(0.2927, abs=1e-4)
    assert right["velocity"] == -left["velocity"]
    # The position has not moved yet: it follows the velocity from before the push.
    assert left["position"] == 0


@pytest.mark.parametrize("action", [0, 1])
def test_outcomes_are_those_of_the_single_environment(action):
    state = (0.3, -1.2, 0.1, 0.7)
    expected = np.array(state)
    frame = cartpole.outcomes(state, hold=4)
    mine = frame[frame.action == cartpole.OFFERED["CartPole-v1"].actions[action]]
    for step in range(1, 5):
        expected, terminated = scalar_step(expected, action)
        row = mine[mine.step == step].iloc[0]
        np.testing.assert_allclose(row[list(cartpole.COLUMNS)].to_numpy(float), expected)
        assert row.terminated == terminated


def test_after_the_end_nothing_moves():
    frame = cartpole.outcomes((2.39, 3.0, 0.0, 0.0), hold=5)
    right = frame[frame.action == "push right"].reset_index(drop=True)
    assert right.terminated.tolist() == [False, True, True, True, True, True]
    assert right.position.tolist()[1:] == [pytest.approx(2.45)] * 5


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


def test_render_shows_the_state():
    upright, moved = cartpole.render([(0, 0, 0, 0), (1.0, 0, 0, 0)])
    assert upright.shape == (400, 600, 3)
    dark = [np.flatnonzero((f[285:300] < 50).all(-1).sum(0) > 8).mean() for f in (upright, moved)]
    assert dark[1] - dark[0] == pytest.approx(600 / 4.8, abs=2)


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
