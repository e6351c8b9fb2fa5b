"""Chapter 4: closed forms against autograd, and the claims about CartPole on real rollouts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pgcore.losses import policy_gradient_loss
from pgcore.studies import baselines, gradient_variance
from pgcore.studies.cartpole_rollout import collect, trained_agent

LOGITS = st.tuples(*[st.floats(-3, 3)] * 3)
REWARDS = st.tuples(*[st.floats(-20, 20)] * 3)
BASELINES = st.floats(-30, 30)


@settings(deadline=None)
@given(LOGITS, REWARDS, BASELINES)
def test_estimates_are_onehot_minus_pi_times_the_weight(logits, rewards, b):
    problem = baselines.bandit(logits, rewards)
    closed = (torch.eye(3) - problem.probs) * (problem.rewards - b)[:, None]
    torch.testing.assert_close(baselines.estimates(problem, b), closed)


@settings(deadline=None)
@given(LOGITS, REWARDS, BASELINES)
def test_no_constant_moves_the_mean(logits, rewards, b):
    problem = baselines.bandit(logits, rewards)
    mean, _ = baselines.moments(problem, b)
    # Against autograd through J itself, which knows nothing of log-probabilities or baselines.
    torch.testing.assert_close(mean, baselines.exact_gradient(problem), atol=1e-9, rtol=1e-9)


@settings(deadline=None)
@given(LOGITS, REWARDS, BASELINES)
def test_variance_is_a_parabola_around_the_optimum(logits, rewards, b):
    problem = baselines.bandit(logits, rewards)
    best = baselines.optimal_baseline(problem)
    steepness = float(problem.probs @ baselines.scores(problem).square().sum(-1))
    _, least = baselines.moments(problem, best)
    _, variance = baselines.moments(problem, b)
    assert variance == pytest.approx(least + steepness * (b - best) ** 2, abs=1e-6, rel=1e-6)


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(-20, 20), st.floats(-20, 20))
def test_two_actions_have_a_baseline_without_variance(logit, r0, r1):
    """Closed form for two: the rewards weighted by the OTHER action's probability."""
    problem = baselines.bandit((0.0, logit), (r0, r1))
    p = problem.probs
    best = baselines.optimal_baseline(problem)
    assert best == pytest.approx(float(p[1] * r0 + p[0] * r1), abs=1e-9)
    assert baselines.moments(problem, best)[1] == pytest.approx(0, abs=1e-9)


def test_a_case_by_hand():
    """pi = 1/3 each: |score|^2 = 2/3 for all, so the optimum is the mean reward, and Var there is
    2/3 * E[(r - 2)^2] - |grad J|^2 = 2/3 * 2/3 - 2 * (1/3)^2."""
    problem = baselines.bandit((0.0, 0.0, 0.0), (1.0, 2.0, 3.0))
    assert baselines.optimal_baseline(problem) == pytest.approx(2)
    expected = torch.tensor([-1 / 3, 0, 1 / 3], dtype=torch.float64)
    torch.testing.assert_close(baselines.exact_gradient(problem), expected)
    assert baselines.moments(problem, 2.0)[1] == pytest.approx(4 / 9 - 2 / 9)
    assert baselines.moments(problem, 0.0)[1] == pytest.approx(2 / 3 * 14 / 3 - 2 / 9)
    assert baselines.moments(problem, 4.0)[1] == pytest.approx(2 / 3 * 14 / 3 - 2 / 9)


def test_the_optimum_is_not_the_mean_reward():
    problem = baselines.bandit((0.0, 0.0, 1.5), (6.0, 8.0, 13.0))
    best, mean = baselines.optimal_baseline(problem), float(problem.expected_reward)
    assert best < mean - 1
    assert baselines.moments(problem, best)[1] < baselines.moments(problem, mean)[1]


def test_sampled_variance_agrees_with_the_exact_one():
    problem = baselines.bandit((0.0, 0.5, 1.0), (6.0, 8.0, 13.0))
    grid = np.linspace(-5, 25, 7)
    exact = baselines.variance_curve(problem, grid, batch=8)["variance"]
    sampled = baselines.sampled_variance(problem, grid, batch=8, n_batches=4000, seed=0)["variance"]
    np.testing.assert_allclose(sampled, exact, rtol=0.08)


def test_the_cloud_between_two_baselines_is_the_line_between():
    problem = baselines.bandit((0.0, 0.5, 1.0), (6.0, 8.0, 13.0))
    low, middle, high = (
        baselines.sampled_estimates(problem, b, batch=4, n_batches=50, seed=3) for b in (0, 5, 20)
    )
    torch.testing.assert_close(middle, low + 0.25 * (high - low))
    assert baselines.cloud(problem, 0, batch=4, n_batches=50, seed=3)["count"].sum() == 50


@settings(deadline=None)
@given(LOGITS, REWARDS, BASELINES)
def test_terms_of_a_constant_sum_to_zero(logits, rewards, b):
    terms = baselines.baseline_terms(baselines.bandit(logits, rewards), b)
    sums = terms[["term_A", "term_B", "term_C"]].sum()
    np.testing.assert_allclose(sums, 0, atol=1e-12 * max(abs(b), 1))


@settings(deadline=None)
@given(LOGITS, REWARDS, BASELINES, st.floats(0, 1))
def test_looking_at_the_action_takes_that_share_of_the_gradient(logits, rewards, b, c):
    problem = baselines.bandit(logits, rewards)
    truth = baselines.exact_gradient(problem)
    mean, _ = baselines.moments(problem, baselines.action_dependent(problem, b, c))
    torch.testing.assert_close(mean, (1 - c) * truth, atol=1e-9, rtol=1e-9)
    sums = baselines.baseline_terms(problem, b, c)[["term_A", "term_B", "term_C"]].sum()
    np.testing.assert_allclose(sums, c * truth, atol=1e-9)


def test_the_reward_itself_as_baseline_has_no_variance_and_no_gradient():
    problem = baselines.bandit((0.0, 0.0, 1.5), (6.0, 8.0, 13.0))
    level = float(problem.expected_reward)
    last = baselines.dependence_curve(problem, level, np.array([0.0, 1.0])).iloc[-1]
    assert last["variance"] == pytest.approx(0, abs=1e-12)
    assert last["bias"] == pytest.approx(last["true_length"])


@pytest.fixture(scope="module")
def trained():
    return collect(trained_agent(4, gamma=1.0), n_steps=120, n_envs=16)


def test_a_rollout_is_the_trainers_and_regenerates(trained):
    again = collect(trained_agent(4, gamma=1.0), n_steps=120, n_envs=16)
    torch.testing.assert_close(again.traj.states, trained.traj.states, rtol=0, atol=0)
    torch.testing.assert_close(again.values, trained.values, rtol=0, atol=0)
    assert not torch.equal(trained.traj.states[0, 0], trained.traj.states[0, 1])


def test_the_first_episode_ends_at_the_first_end(trained):
    done = trained.traj.terminated | trained.traj.truncated
    for env in range(done.shape[1]):
        ends = done[:, env].nonzero().flatten().tolist()
        length = ends[0] + 1 if ends else len(done)
        assert trained.first_episode[:, env].tolist() == [t < length for t in range(len(done))]


def test_episode_gradients_equal_one_backward_an_episode(trained):
    agent, traj = trained.agent, trained.traj
    weight = gradient_variance.weights(trained)["value baseline"]
    together = gradient_variance.episode_gradients(agent, traj.states, traj.actions, weight)
    for env in (0, 7):
        log_probs = agent.distribution(traj.states[:, env]).log_prob(traj.actions[:, env])
        loss = policy_gradient_loss(log_probs, weight[:, env]) * len(weight)
        parts = torch.autograd.grad(loss, list(agent.policy.parameters()))
        alone = -torch.cat([part.flatten() for part in parts])
        torch.testing.assert_close(together[env], alone, rtol=1e-3, atol=1e-3)


def test_weights_say_what_they_are(trained):
    by_name = gradient_variance.weights(trained)
    assert tuple(by_name) == gradient_variance.WEIGHTS
    mask = trained.first_episode
    length = mask.sum(0)
    env = int(length.argmin())  # certainly ended inside the rollout
    T = int(length[env])
    steps = torch.arange(T, dtype=torch.float32)
    assert trained.traj.terminated[T - 1, env]
    assert by_name["full return"][:T, env].tolist() == [T] * T
    torch.testing.assert_close(by_name["reward-to-go"][:T, env], T - steps)
    torch.testing.assert_close(
        by_name["value baseline"][:T, env], T - steps - trained.values[:T, env]
    )
    assert by_name["constant baseline"][mask].mean().abs() < 1e-3
    for weight in by_name.values():
        assert (weight[~mask] == 0).all()


def test_each_idea_takes_variance_away_once_the_value_network_has_learned():
    frame = gradient_variance.measure(10, n_episodes=100).set_index("method")
    variance = frame["variance"]
    order = ("full return", "reward-to-go", "constant baseline", "value baseline", "GAE")
    for more, less in pairwise(order):
        assert variance[less] < variance[more]
    assert (frame["low"] < variance).all() and (variance < frame["high"]).all()
    assert frame["relative"]["full return"] == 1
    # The four unbiased ones point the same way, as far as 100 episodes can tell.
    assert (frame["cosine"][["reward-to-go", "constant baseline"]] > 0.8).all()


def test_an_untrained_value_network_is_no_better_than_none():
    frame = gradient_variance.measure(0, n_episodes=100).set_index("method")
    assert frame["explained_variance"].iloc[0] < 0.1
    assert frame["variance"]["value baseline"] > 0.8 * frame["variance"]["reward-to-go"]
