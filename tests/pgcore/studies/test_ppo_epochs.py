"""Chapter 5's epochs: the first step by hand, and what may move a ratio afterwards."""

import numpy as np
import pytest

from pgcore.studies import ppo_clip, ppo_epochs

EPS, BETA, N = 0.2, 3.0, 12


@pytest.fixture(scope="module")
def rows():
    return ppo_epochs.paths(
        [0.1, 1.0], list(ppo_epochs.OPTIMIZERS), [0.0, 0.9], [1.0, 0.0, -1.0], N, EPS, BETA
    )


def run(rows, optimizer="plain SGD", rate=1.0, share=0.0, advantage=1.0, name="PPO clip"):
    found = rows[
        (rows.optimizer == optimizer)
        & (rows.rate == rate)
        & (rows.share == share)
        & (rows.advantage == advantage)
        & (rows.name == name)
    ]
    assert found.epoch.tolist() == list(range(N + 1))
    return found.reset_index(drop=True)


def first_ratio(step):
    """Softmax after one step along onehot - pi from three equal logits, over 1/3."""
    logits = step * (np.array([1, 0, 0]) - 1 / 3)
    return 3 * np.exp(logits[0]) / np.exp(logits).sum()


@pytest.mark.parametrize("name", ppo_clip.OBJECTIVES)
@pytest.mark.parametrize("advantage", [1.0, 0.0, -1.0])
def test_first_step_by_hand(rows, name, advantage):
    """At ratio 1 all four objectives have gradient A: half of it each, a mean over two samples."""
    path = run(rows, advantage=advantage, name=name)
    assert path.ratio[0] == 1
    assert path.push[0] == pytest.approx(advantage)
    assert path.ratio[1] == pytest.approx(first_ratio(advantage / 2))
    assert path.neighbour[1] == pytest.approx(first_ratio(ppo_epochs.NEIGHBOUR_ADVANTAGE / 2))
    assert path.prob[1] == pytest.approx(path.ratio[1] / ppo_epochs.N_ACTIONS)


def test_first_step_with_shared_weights_by_hand(rows):
    """Each pair takes the other's step too, times the overlap of their (unit) features."""
    share, other = 0.9, ppo_epochs.NEIGHBOUR_ADVANTAGE
    path = run(rows, share=share)
    assert path.ratio[1] == pytest.approx(first_ratio((1 + share * other) / 2))
    assert path.neighbour[1] == pytest.approx(first_ratio((share + other) / 2))


@pytest.mark.parametrize("advantage", [1.0, -1.0])
def test_overshoot_by_step_size_stays(rows, advantage):
    path = run(rows, advantage=advantage)
    past = abs(path.ratio - 1) > EPS
    assert past.any()
    first = past.idxmax()
    assert (path.push[first:] == 0).all()
    np.testing.assert_allclose(path.ratio[first:], path.ratio[first])
    assert "in one step" in path.words[first]
    assert "stays where it landed" in path.words[N]


def test_momentum_goes_on_without_a_gradient(rows):
    for optimizer in ("SGD, momentum 0.9", "Adam"):
        path = run(rows, optimizer=optimizer)
        silent = path.index[(path.push == 0)]
        assert (np.diff(path.ratio[silent[0] :]) > 0).all()
        assert path.words[silent[1]].endswith("carries it on, outside the range.")


def test_shared_weights_move_a_pair_without_an_advantage(rows):
    alone, shared = run(rows, advantage=0.0), run(rows, advantage=0.0, share=0.9)
    assert (alone.ratio == 1).all()
    assert (alone.push == 0).all()
    assert (shared.push == 0).all()
    assert shared.ratio[N] > 1.1
    assert "neighbour" in shared.words[1]


def test_push_is_the_closed_form(rows):
    some = rows[rows.epoch > 0]
    clip = some[some.name == "PPO clip"]
    dead = ((clip.advantage > 0) & (clip.ratio > 1 + EPS)) | (
        (clip.advantage < 0) & (clip.ratio < 1 - EPS)
    )
    np.testing.assert_allclose(clip.push, np.where(dead, 0, clip.ratio * clip.advantage))
    free = some[some.name == "no clip"]
    np.testing.assert_allclose(free.push, free.ratio * free.advantage)
    kl = some[some.name == "KL penalty"]
    np.testing.assert_allclose(
        kl.push, kl.ratio * kl.advantage - BETA * (kl.ratio - 1), rtol=1e-6, atol=1e-9
    )


def test_every_ratio_of_ppo_has_its_reason(rows):
    clip = rows[rows.name == "PPO clip"]
    assert (clip.words != "").all()
    assert (rows.words[rows.name != "PPO clip"] == "").all()
    assert np.isfinite(rows.select_dtypes("number").to_numpy()).all()
    calm = clip[(clip.epoch > 0) & (clip.place == "inside the range") & (clip.advantage != 0)]
    assert calm.words.str.startswith("Inside the range").all()
