import base64
import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from pgcore import agents, playback
from pgcore.config import TrainConfig
from pgcore.environments import OFFERED
from pgcore.studies import policy_picture
from pgcore.studies.cartpole import limits

CARTPOLE = "CartPole-v1"
PLANE = OFFERED[CARTPOLE].plane


def linear(weights, bias=(0.0, 0.0), algorithm="ppo"):
    """An agent whose logits are weights @ obs + bias, and whose V is 3 times obs[0]."""
    agent = agents.make(TrainConfig.fast(algorithm), len(weights[0]), len(weights))
    agent.policy = torch.nn.Linear(len(weights[0]), len(weights))
    agent.value = torch.nn.Linear(len(weights[0]), 1)
    with torch.no_grad():
        agent.policy.weight[:] = torch.tensor(weights)
        agent.policy.bias[:] = torch.tensor(bias)
        agent.value.weight[:] = 0
        agent.value.bias[:] = 0
        agent.value.weight[0, 0] = 3 / agent.config.value_scale
    return agent


@pytest.fixture(scope="module")
def agent():
    return agents.make(TrainConfig.fast("ppo", seed=3), 4, 2)


@pytest.fixture(scope="module")
def episode(agent):
    return playback.play(agent, CARTPOLE, seed=3)


def test_the_axes_end_where_an_episode_does():
    assert pytest.approx(limits()["angle"]) == PLANE.x_limit
    assert [OFFERED[CARTPOLE].observations[i].name for i in (PLANE.x, PLANE.y)] == [
        "pole angle",
        "pole angular velocity",
    ]


@pytest.mark.parametrize("held", [(0, 0, 0, 0), (1.5, -0.7, 9, 9)])
def test_a_map_is_what_the_agent_itself_says_at_each_point(agent, held):
    lattice = policy_picture.plane(agent, PLANE, np.array(held), cells=5)
    assert list(lattice) == ["x", "y", "p0", "p1", "value"] and len(lattice) == 25
    # x runs fastest, and both reach from minus to plus their limit through 0.
    assert lattice.x[:5].to_numpy() == pytest.approx(PLANE.x_limit * np.linspace(-1, 1, 5))
    assert lattice.y[::5].to_numpy() == pytest.approx(PLANE.y_limit * np.linspace(-1, 1, 5))
    for row in lattice.itertuples():
        obs = torch.tensor([held[0], held[1], row.x, row.y], dtype=torch.float32)
        with torch.no_grad():
            p0, p1 = agent.distribution(obs).probs.tolist()
            value = agent.predict_values(obs).item()
        assert (row.p0, row.p1, row.value) == pytest.approx((p0, p1, value), abs=1e-5)


def test_a_map_of_a_linear_policy_is_a_logistic_curve_across_its_line():
    agent = linear([[0, 0, 0, 0], [0, 0, 20.0, 1.2]], bias=(0, 0.5))
    lattice = policy_picture.plane(agent, PLANE, np.array([2.0, 0, 0, 0]))
    expected = 1 / (1 + np.exp(-(20 * lattice.x + 1.2 * lattice.y + 0.5)))
    assert lattice.p1.to_numpy() == pytest.approx(expected, abs=1e-6)
    assert lattice.value.to_numpy() == pytest.approx(np.full(len(lattice), 6.0))
    line = policy_picture.boundary(lattice)
    for x, y in (("x", "y"), ("x2", "y2")):
        # The curve is not straight between two points: right to a few hundredths of a cell.
        assert np.abs(20 * line[x] + 1.2 * line[y] + 0.5).max() < 0.02
    ends = pd.concat([line[["x", "y"]], line[["x2", "y2"]].set_axis(["x", "y"], axis=1)])
    assert (ends.y.min(), ends.y.max()) == pytest.approx((-PLANE.y_limit, PLANE.y_limit))


def test_a_symmetric_policy_has_a_symmetric_map():
    # Logits +-(a x + b y): mirrored, left and right change places.
    agent = linear([[0, 0, -7.0, -0.8], [0, 0, 7.0, 0.8]])
    lattice = policy_picture.plane(agent, PLANE, np.zeros(4))
    assert lattice.p1.to_numpy()[::-1] == pytest.approx(lattice.p0.to_numpy(), abs=1e-6)
    assert lattice.p1[len(lattice) // 2] == pytest.approx(0.5)


def test_only_an_agent_that_trains_it_has_a_value():
    weights = [[0.0, 0, 0, 0], [0, 0, 1, 0]]
    for algorithm in ("reinforce", "vpg"):
        agent = linear(weights, algorithm=algorithm)
        shown = "value" in policy_picture.plane(agent, PLANE, np.zeros(4), cells=3)
        assert shown == agent.uses_value == (algorithm == "vpg")
        played = policy_picture.along(playback.play(agent, CARTPOLE, seed=0))
        assert ("value" in played) == shown


@pytest.mark.parametrize("held", [np.zeros(3), np.zeros((1, 4)), np.array(0.0)])
def test_axes_that_the_observation_has_not(agent, held):
    with pytest.raises(ValueError, match="has no entries 2, 3"):
        policy_picture.plane(agent, PLANE, held)


def square(*corners):
    """A map of one square: values at its corners, lower left and right, then upper."""
    return pd.DataFrame({"x": [0, 1, 0, 1], "y": [0, 0, 1, 1], "p1": corners})


@pytest.mark.parametrize(
    ("corners", "pieces"),
    [
        ((0.1, 0.2, 0.3, 0.4), []),
        ((0.9, 0.8, 0.7, 0.6), []),
        ((0.0, 1.0, 0.0, 1.0), [((0.5, 0), (0.5, 1))]),
        ((0.25, 0.25, 0.25, 1.0), [((1 / 3, 1), (1, 1 / 3))]),
        ((0.5, 0.0, 0.0, 0.0), [((0, 0), (0, 0))]),
        # Saddles: a high middle joins the high corners, a low one the low corners.
        ((1.0, 0.25, 0.25, 1.0), [((0, 2 / 3), (1 / 3, 1)), ((2 / 3, 0), (1, 1 / 3))]),
        ((0.75, 0.0, 0.0, 0.75), [((0, 1 / 3), (1 / 3, 0)), ((2 / 3, 1), (1, 2 / 3))]),
    ],
)
def test_the_boundary_of_one_square(corners, pieces):
    found = policy_picture.boundary(square(*corners))
    got = sorted(sorted([(r.x, r.y), (r.x2, r.y2)]) for r in found.itertuples())
    assert np.array(got).ravel() == pytest.approx(np.array(pieces).ravel())


def test_an_episode_step_by_step(agent, episode):
    rows = policy_picture.along(episode)
    assert rows.step.tolist() == list(range(episode.length + 1))
    assert list(rows)[1:7] == ["o0", "o1", "o2", "o3", "p0", "p1"]
    for row in rows[:-1].itertuples():
        obs = torch.tensor([row.o0, row.o1, row.o2, row.o3], dtype=torch.float32)
        with torch.no_grad():
            distribution = agent.distribution(obs)
            assert row.p1 == pytest.approx(distribution.probs[1].item(), abs=1e-6)
            assert row.entropy == pytest.approx(distribution.entropy().item(), abs=1e-6)
            assert row.value == pytest.approx(agent.predict_values(obs).item(), rel=1e-4)
    assert rows.action[:-1].tolist() == episode.actions.tolist()
    last = rows.iloc[-1]
    assert last[["p0", "p1", "entropy", "action"]].isna().all()
    assert last[["o0", "o1", "o2", "o3"]].tolist() == episode.observations[-1].tolist()


def decoded(picture: str) -> np.ndarray:
    kind, _, data = picture.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def test_the_stills_are_the_frames(episode):
    pictures, stride = policy_picture.stills(episode)
    assert stride == 1 and len(pictures) == episode.length + 1
    for t in (0, episode.length):
        # 32 colours for all frames: the same picture to the eye.
        off = np.abs(decoded(pictures[t]).astype(int) - playback.still(episode, t))
        assert off.mean() < 1
    assert sum(map(len, pictures)) / len(pictures) < 2_000_000 / policy_picture.MAX_STILLS


def test_a_long_episode_keeps_every_other_frame(episode):
    pictures, stride = policy_picture.stills(episode, most=episode.length // 2 + 1)
    assert stride == 2 and len(pictures) == episode.length // 2 + 1
    assert (decoded(pictures[3]) == decoded(policy_picture.stills(episode)[0][6])).all()


def test_words_for_an_environment_that_is_not_offered():
    assert policy_picture.action_names(CARTPOLE, 2) == ("push left", "push right")
    assert policy_picture.action_names("tests/Other-v0", 2) == ("action 0", "action 1")
    assert policy_picture.quantities(CARTPOLE, 4) == OFFERED[CARTPOLE].observations
    assert [one.name for one in policy_picture.quantities("tests/Other-v0", 2)] == [
        "observation 0",
        "observation 1",
    ]
    assert OFFERED["Acrobot-v1"].plane is None
