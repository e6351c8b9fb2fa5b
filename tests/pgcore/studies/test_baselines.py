"""Chapter 4: closed forms against autograd, and the claims about CartPole on real rollouts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pgcore.losses import policy_gradient_loss
from pgcore.studies import baseline_figures as figures
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
    exact = figures.variances([0.3, 0.7], [0.0, 10.0, 20.0])["variance"]
    sampled = figures.sampled_variances([0.3, 0.7], [0.0, 10.0, 20.0], n_samples=20_000)
    np.testing.assert_allclose(sampled["variance"], exact, rtol=0.05)


def test_clouds_keep_their_middle_and_their_samples():
    frame = figures.clouds([0.5], [0.0, 10.0], [1, 16], n_batches=2000)
    problem = baselines.problem_with(0.5)
    truth = baselines.exact_gradient(problem)
    for (level, batch), part in frame.groupby(["baseline", "batch"]):
        assert part["count"].sum() == 2000
        standard_error = (baselines.moments(problem, level)[1] / batch / 2000) ** 0.5
        for i, name in enumerate(("grad_A", "grad_B")):
            mean = np.average(part[name], weights=part["count"])
            assert abs(mean - float(truth[i])) < 4 * standard_error
    single = frame[(frame["batch"] == 1) & (frame["baseline"] == 0)]
    possible = baselines.estimates(problem, 0.0)[:, :2].numpy()
    assert {tuple(row) for row in single[["grad_A", "grad_B"]].to_numpy().round(9)} == {
        tuple(row) for row in possible.round(9)
    }


def test_variance_table():
    frame = figures.variances([0.5], [0.0, 8.0, 10.0, 20.0])
    np.testing.assert_allclose(frame[["mean_A", "mean_B", "mean_C"]].std(), 0, atol=1e-12)
    assert frame["pushes"].tolist() == [
        "Every reward beats the baseline: any sampled action is pushed up, the worst too.",
        "C is pushed up when sampled; B is left alone when sampled; A is pushed down when sampled.",
        "C is pushed up when sampled; A and B are pushed down when sampled.",
        "No reward reaches the baseline: any sampled action is pushed down, the best too.",
    ]
    marks = figures.landmarks([0.5]).set_index("name")
    assert marks["baseline"]["mean reward"] == pytest.approx(10)
    assert marks["baseline"]["least variance"] == pytest.approx(8.8)
    least = marks["variance"]["least variance"]
    np.testing.assert_allclose(frame["excess"], frame["variance"] / least)
    lengths = figures.score_lengths([0.5])
    assert lengths["weight"] @ lengths["reward"] == pytest.approx(8.8)
    assert lengths["weight"].sum() == pytest.approx(1)


@settings(deadline=None)
@given(st.floats(0.05, 0.95), st.floats(-30, 30))
def test_terms_of_a_constant_sum_to_zero(prob_c, level):
    frame = figures.terms([level], [0.0], prob_c).set_index("action")
    columns = ["term_A", "term_B", "term_C"]
    total = frame.loc["sum", columns].astype(float)
    np.testing.assert_allclose(total, 0, atol=1e-12 * max(abs(level), 1))
    np.testing.assert_allclose(frame.loc[["A", "B", "C"], columns].sum(), total, atol=1e-12)


@settings(deadline=None)
@given(LOGITS, REWARDS, BASELINES, st.floats(0, 1))
def test_looking_at_the_action_takes_that_share_of_the_gradient(logits, rewards, b, c):
    problem = baselines.bandit(logits, rewards)
    truth = baselines.exact_gradient(problem)
    mean, _ = baselines.moments(problem, baselines.action_dependent(problem, b, c))
    torch.testing.assert_close(mean, (1 - c) * truth, atol=1e-9, rtol=1e-9)


def test_terms_that_look_at_the_action_end_off_the_start_by_the_bias():
    frame = figures.terms([3.0], [0.4]).set_index("action")
    truth = baselines.exact_gradient(baselines.problem_with(figures.MIDDLE))
    total = frame.loc["sum", ["term_A", "term_B", "term_C"]].astype(float)
    np.testing.assert_allclose(total, 0.4 * truth)
    for before, after in pairwise(("A", "B", "C")):
        assert frame["to_A"][before] == frame["from_A"][after]
    ends = ["from_A", "from_B", "to_A", "to_B"]
    assert frame.loc["sum", ends].tolist() == [0, 0, *frame.loc["C", ends[2:]]]
    assert frame.loc["sum", ends[2:]].tolist() == pytest.approx(total.tolist()[:2])


def test_the_reward_itself_as_baseline_has_no_variance_and_no_gradient():
    level = float(baselines.problem_with(figures.MIDDLE).expected_reward)
    constant, reward = figures.dependence([level], [0.0, 1.0]).to_dict("records")
    assert constant["bias"] == pytest.approx(0, abs=1e-12)
    assert constant["gradient_left"] == pytest.approx(1) and constant["variance_left"] == 1
    assert reward["variance"] == pytest.approx(0, abs=1e-12)
    assert reward["gradient_left"] == pytest.approx(0, abs=1e-12) and reward["bias"] > 1


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


@pytest.fixture(scope="module")
def stored():
    return gradient_variance.stored().set_index(["updates", "method"])


@pytest.mark.parametrize("updates", [0, 4])
def test_the_stored_numbers_regenerate(stored, updates):
    again = gradient_variance.measure(updates).set_index("method")
    kept = stored.loc[updates]
    assert again.index.tolist() == kept.index.tolist()
    assert sorted(again.columns) == sorted([*kept.columns, "updates"])
    # Another processor may round otherwise and so play other episodes: their spread says how far.
    assert (again["share"] >= kept["share_low"]).all()
    assert (again["share"] <= kept["share_high"]).all()


def test_every_stage_is_stored(stored):
    assert tuple(stored.index.unique("updates")) == gradient_variance.UPDATES
    assert len(stored) == 5 * len(gradient_variance.UPDATES)


def test_each_idea_takes_variance_away_once_the_value_network_has_learned(stored):
    for updates in gradient_variance.UPDATES[1:]:
        for more, less in pairwise(stored.loc[updates]["variance"]):
            assert less < more
    shares = stored["share"]
    assert (stored["share_low"] < shares).all() and (shares < stored["share_high"]).all()


def test_the_unbiased_ones_point_the_same_way(stored):
    unbiased = stored["cosine"].unstack()[["reward-to-go", "constant baseline"]]
    assert (unbiased > 0.9).all(axis=None)


def test_an_untrained_value_network_is_no_better_than_none(stored):
    untrained = stored.loc[0]
    assert untrained["explained_variance"].iloc[0] < 0.1
    assert untrained["variance"]["value baseline"] > 0.9 * untrained["variance"]["reward-to-go"]
