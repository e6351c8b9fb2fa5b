"""Chapter 6: identities of GAE on real rows, and bias and variance where the truth is known."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pgcore.returns import gae
from pgcore.studies import gae as study
from pgcore.studies import gae_bias, gae_handling, gae_windows
from pgcore.studies import gae_figures as figures

UNIT = st.floats(0, 1)


@pytest.fixture(scope="module")
def played():
    return gae_windows.rollouts()


@pytest.fixture(scope="module")
def windows(played):
    return gae_windows.windows(played)


@pytest.fixture(scope="module")
def problem():
    return gae_bias.known(n_episodes=4000)


def _advantages(window, gamma, lam):
    return gae(
        window.rewards, window.values, window.next_values,
        window.terminated, window.truncated, gamma, lam,
    )[:, 0]  # fmt: skip


def test_windows_are_real_rows_with_one_end_and_a_reset_row(windows):
    for ending, window in windows.items():
        done = window.terminated | window.truncated
        assert done.sum() == 1 and window.end_row == gae_windows.ROWS_BEFORE - 1
        assert getattr(window, ending)[window.end_row]
        assert (~window.valid).nonzero().tolist() == [[window.end_row + 1, 0]]
        assert window.rewards[window.end_row + 1] == 0
        # Row t + 1 holds the successor of row t, up to the end and after it.
        torch.testing.assert_close(window.values[1:], window.next_values[:-1], rtol=0, atol=0)


def test_windows_regenerate(windows):
    for ending, again in gae_windows.windows().items():
        for field in fields(again):
            assert np.array_equal(getattr(again, field.name), getattr(windows[ending], field.name))


@settings(deadline=None)
@given(UNIT, UNIT, st.integers(1, 12))
def test_td_weights_are_powers_of_gamma_lambda(gamma, lam, steps):
    weights = study.td_weights(torch.ones(steps, dtype=torch.bool), gamma, lam)
    for t in range(steps):
        for j in range(steps):
            assert weights[t, j] == pytest.approx((gamma * lam) ** (j - t) if j >= t else 0)


def test_td_weights_stop_at_an_end():
    going_on = torch.tensor([True, False, True])
    expected = [[1, 0.25, 0], [0, 1, 0], [0, 0, 1]]
    assert study.td_weights(going_on, 0.5, 0.5).tolist() == expected


@settings(deadline=None)
@given(UNIT, st.integers(1, 12))
def test_n_step_weights(lam, horizon):
    weights = study.n_step_weights(horizon, lam).tolist()
    assert sum(weights) == pytest.approx(1)
    for n, weight in enumerate(weights[:-1], start=1):
        assert weight == pytest.approx((1 - lam) * lam ** (n - 1), abs=1e-12)
    assert weights[-1] == pytest.approx(lam ** (horizon - 1))


def test_n_step_weights_at_both_ends():
    assert study.n_step_weights(4, 0.0).tolist() == [1, 0, 0, 0]
    assert study.n_step_weights(4, 1.0).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("ending", ["terminated", "truncated"])
@pytest.mark.parametrize("t", [0, 20, 26, 28, 39])
def test_gae_is_the_weighted_mean_of_n_step_advantages(windows, ending, t):
    window = windows[ending]
    for gamma, lam in ((0.99, 0.95), (0.9, 0.5), (1.0, 1.0), (0.0, 0.3)):
        steps = study.n_step_advantages(window, t, gamma)
        expected = study.n_step_weights(len(steps), lam).float() @ steps
        torch.testing.assert_close(
            _advantages(window, gamma, lam)[t], expected, rtol=1e-4, atol=1e-3
        )


def test_n_step_advantages_by_hand(windows):
    window, gamma, t = windows["terminated"], 0.9, 24
    r, v = window.rewards[:, 0].tolist(), window.values[:, 0].tolist()
    expected = [
        r[24] + gamma * v[25] - v[24],
        r[24] + gamma * r[25] + gamma**2 * v[26] - v[24],
        r[24] + gamma * r[25] + gamma**2 * r[26] - v[24],  # terminated: nothing to bootstrap
    ]
    np.testing.assert_allclose(study.n_step_advantages(window, t, gamma), expected, rtol=1e-5)


def test_right_handling_changes_nothing_but_leaves_the_reset_row_out(windows):
    frame = gae_handling.rows(windows["terminated"], 0.99, 0.95)
    expected = _advantages(windows["terminated"], 0.99, 0.95)
    reset = gae_windows.ROWS_BEFORE
    assert frame["advantage"].isna().to_numpy().nonzero()[0].tolist() == [reset]
    kept = [t for t in range(gae_windows.WINDOW) if t != reset]
    np.testing.assert_allclose(frame["advantage"][kept], expected[kept], rtol=0)


def test_a_time_limit_taken_for_a_termination_punishes_the_last_row(windows):
    window, gamma = windows["truncated"], 0.99
    end = window.end_row
    wrong = gae_handling.rows(
        window, gamma, 0.95, gae_handling.Handling(truncation="treated as termination")
    )
    lost = wrong["correct"] - wrong["advantage"]
    assert lost[end] == pytest.approx(gamma * float(window.next_values[end]), rel=1e-4)
    # It fades backwards by gamma * lam a row, and never reaches the next episode.
    assert lost[end - 5] == pytest.approx(lost[end] * (gamma * 0.95) ** 5, rel=1e-3)
    assert (lost[end + 2 :] == 0).all()


@pytest.mark.parametrize(
    ("ending", "handling"),
    [
        ("terminated", gae_handling.Handling(termination="ignored")),
        ("truncated", gae_handling.Handling(truncation="ignored")),
    ],
)
def test_an_ignored_end_lets_the_next_episode_leak_back(windows, ending, handling):
    window = windows[ending]
    frame = gae_handling.rows(window, 0.99, 0.95, handling)
    off = (frame["advantage"] - frame["correct"]).abs()
    assert (off[: window.end_row + 1] > 1e-3).all() and (off[window.end_row + 2 :] == 0).all()
    # At lambda 0 nothing leaks back; only a termination's own row is off, by its bootstrap.
    alone = gae_handling.rows(window, 0.99, 0.0, handling)
    off = (alone["advantage"] - alone["correct"]).fillna(0)
    expected = 0.99 * float(window.next_values[window.end_row]) * (ending == "terminated")
    assert off[window.end_row] == pytest.approx(expected, abs=1e-3)
    assert (off.drop(window.end_row) == 0).all()


def test_a_kept_reset_row_gets_the_difference_of_two_episodes(windows):
    window = windows["terminated"]
    reset = window.end_row + 1
    frame = gae_handling.rows(window, 0.99, 0.0, gae_handling.Handling(reset_rows="kept"))
    nonsense = 0.99 * float(window.next_values[reset]) - float(window.values[reset])
    assert frame["advantage"][reset] == pytest.approx(nonsense, abs=1e-3)
    assert (frame["advantage"] == frame["correct"]).drop(reset).all()


@pytest.mark.parametrize("ending", ["terminated", "truncated"])
def test_handling_of_what_is_not_there_changes_nothing(windows, ending):
    other = {
        "terminated": gae_handling.Handling(truncation="ignored"),
        "truncated": gae_handling.Handling(termination="ignored"),
    }[ending]
    frame = gae_handling.rows(windows[ending], 0.99, 0.95, other)
    assert frame["advantage"].equals(frame["correct"])


def test_a_window_that_is_not_there_is_said(windows):
    from pgcore.studies.cartpole_rollout import collect, trained_agent

    short = collect(trained_agent(0), n_steps=8, n_envs=2)
    with pytest.raises(ValueError, match="no environment has 40 rows"):
        gae_windows.find_window(short, "truncated")


GAMMAS, LAMBDAS = (0.9, 0.99), (0.0, 0.5, 0.95, 1.0)


def test_the_table_of_terms_adds_up(windows):
    frame = figures.advantages(windows["terminated"], GAMMAS, LAMBDAS)
    assert len(frame) == 2 * 4 * gae_windows.WINDOW
    delta = frame["reward"] + frame["gamma"] * frame["alive"] * frame["next_value"] - frame["value"]
    np.testing.assert_allclose(frame["delta"], delta, rtol=1e-5, atol=1e-4)
    kept = frame[frame["advantage"].notna()]
    total = kept["delta"] + kept["decay"] * kept["following"]
    np.testing.assert_allclose(kept["advantage"], total, rtol=1e-5, atol=1e-4)
    end = frame[frame["t"] == gae_windows.ROWS_BEFORE - 1]
    assert (end["alive"] == 0).all() and (end["decay"] == 0).all()
    assert (frame["advantage"].isna() == (frame["t"] == gae_windows.ROWS_BEFORE)).all()


def test_both_ways_of_writing_the_sum_give_the_advantage(windows):
    window = windows["terminated"]
    parts = figures.sums(window, GAMMAS, LAMBDAS)
    keys = ["gamma", "lam", "t"]
    table = figures.advantages(window, GAMMAS, LAMBDAS).set_index(keys)["advantage"].dropna()
    by_td = parts.groupby(keys)["contribution"].sum()
    by_n = (parts["n_step"] * parts["n_weight"]).groupby([parts[key] for key in keys]).sum()
    assert len(by_td) == len(table)
    for total in (by_td, by_n):
        np.testing.assert_allclose(total.to_numpy(), table.sort_index(), rtol=1e-4, atol=1e-3)
    assert set(parts["row"]) <= set(range(gae_windows.WINDOW))
    before = parts[parts["t"] < gae_windows.ROWS_BEFORE]
    assert before["row"].max() == gae_windows.ROWS_BEFORE - 1  # nothing from the next episode


def test_handling_of_the_switches():
    fall, limit = gae_windows.ENDINGS
    right = gae_handling.Handling()
    assert gae_handling.handling(fall, "right", "left out") == right
    assert gae_handling.handling(limit, "right", "left out") == right
    assert gae_handling.handling(fall, "as a termination", "kept") == gae_handling.Handling(
        reset_rows="kept"
    )
    assert gae_handling.handling(fall, "ignored", "left out") == gae_handling.Handling(
        termination="ignored"
    )
    assert gae_handling.handling(limit, "ignored", "left out") == gae_handling.Handling(
        truncation="ignored"
    )
    wrong = gae_handling.Handling(truncation="treated as termination")
    assert gae_handling.handling(limit, "as a termination", "left out") == wrong


def test_verdicts(windows):
    frame = gae_handling.mishandled(windows, 0.99, [0.0, 0.95])
    verdicts = gae_handling.verdicts(frame).set_index(["ending", "end", "reset_row", "lam"])
    assert len(verdicts) == 2 * 3 * 2 * 2
    fall, limit = gae_windows.ENDINGS
    for ending, end in ((fall, "right"), (fall, "as a termination"), (limit, "right")):
        good = verdicts.loc[ending, end, "left out", 0.95]
        assert good["tone"] == "good" and good["rows_off"] == 0 and good["worst"] == 0
        assert np.isnan(good["extra"])
    punished = verdicts.loc[limit, "as a termination", "left out", 0.95]
    assert punished["tone"] == "bad" and punished["rows_off"] == gae_windows.ROWS_BEFORE
    assert punished["worst"] < -50
    unnoticed = verdicts.loc[fall, "ignored", "left out", 0.95]
    assert unnoticed["worst"] > 10 and "unnoticed" in unnoticed["words"]
    kept = verdicts.loc[fall, "right", "kept", 0.0]
    window = windows["terminated"]
    reset = window.end_row + 1
    nonsense = 0.99 * float(window.next_values[reset]) - float(window.values[reset])
    assert kept["tone"] == "bad" and kept["extra"] == pytest.approx(nonsense, abs=1e-3)


def test_ends_are_where_the_flags_are(played):
    frame = gae_windows.ends(played)
    for ending, flag in gae_windows.ENDINGS.items():
        traj = played[flag].traj
        part = frame[frame["ending"] == ending]
        kinds = part["kind"].value_counts()
        assert kinds["reset row"] == (~traj.valid).sum()
        assert kinds.get("termination", 0) == traj.terminated.sum()
        assert kinds.get("time limit", 0) == traj.truncated.sum()
    shown = gae_windows.frames_of(gae_windows.windows(played))
    assert (shown["last"] - shown["first"] == gae_windows.WINDOW - 1).all()


def test_true_values_give_no_bias_at_any_lambda(problem):
    for lam in (0.0, 0.5, 1.0):
        off = gae_bias.expected_estimates(problem, problem.values, lam) - problem.advantages
        assert off.abs().max() < 1e-12


@settings(deadline=None)
@given(UNIT)
def test_lambda_1_is_unbiased_whatever_the_values(problem_error):
    problem = gae_bias.known(n_episodes=10)
    values = gae_bias.wrong_values(problem, problem_error)
    assert gae_bias.bias(problem, values, 1.0).abs().max() < 1e-9
    # As an estimate of Q - V it is off, by the same amount for every action: a baseline.
    off = gae_bias.expected_estimates(problem, values, 1.0) - problem.advantages
    torch.testing.assert_close(off, (problem.values - values)[:, None].expand_as(off))


def test_lambda_0_has_the_bias_of_its_bootstrap(problem):
    values = gae_bias.wrong_values(problem, 0.5)
    error = problem.mdp.transitions @ (values - problem.values) * gae_bias.GAMMA
    error[problem.mdp.terminal] = 0
    expected = error - error.mean(-1, keepdim=True)  # uniform policy
    torch.testing.assert_close(gae_bias.bias(problem, values, 0.0), expected)


@pytest.mark.parametrize("lam", [0.0, 0.5, 0.95, 1.0])
def test_sampled_means_agree_with_the_exact_expectation(problem, lam):
    values = gae_bias.wrong_values(problem, 0.7)
    exact = gae_bias.expected_estimates(problem, values, lam)
    states, actions, advantages = gae_bias.sampled_estimates(problem, values, lam)
    spread = gae_bias.variance(problem, values, lam)
    for s in range(1, gae_bias.N_STATES + 1):
        for a in range(2):
            mine = advantages[(states == s) & (actions == a)]
            standard_error = (spread[s, a] / len(mine)).sqrt()
            assert spread[s, a] == pytest.approx(float(mine.var()))
            assert abs(mine.mean() - exact[s, a]) < 4.5 * standard_error


def test_bias_falls_and_variance_rises_with_lambda(problem):
    frame = gae_bias.bias_variance(problem, [0.6], [0.0, 0.3, 0.6, 0.9, 1.0], [1])
    assert frame["bias"].is_monotonic_decreasing and frame["spread"].is_monotonic_increasing
    np.testing.assert_allclose(frame["rmse"] ** 2, frame["bias"] ** 2 + frame["spread"] ** 2)


def test_averaging_shrinks_the_spread_by_the_root_of_the_batch(problem):
    one, many = gae_bias.bias_variance(problem, [0.6], [0.9], [1, 64]).to_dict("records")
    assert many["spread"] == pytest.approx(one["spread"] / 8) and many["bias"] == one["bias"]


def test_value_tables(problem):
    frame = gae_bias.value_tables(problem, [0.0, 1.0])
    truth = frame[frame["error"] == 0]
    assert truth["state"].tolist() == [1, 2, 3, 4, 5] and (truth["true"] == truth["said"]).all()
    assert (frame[frame["error"] == 1]["said"] == 0).all()
    assert truth["true"].iloc[2] == pytest.approx(0, abs=1e-12)  # the middle, by symmetry


def test_the_best_lambda_rises_with_the_error_and_with_the_batch(problem):
    lambdas = [i / 20 for i in range(21)]
    frame = gae_bias.bias_variance(problem, [0.0, 0.2, 1.0], lambdas, [1, 64])
    best = frame[frame["best"]].pivot(index="error", columns="batch", values="lam")
    assert best.shape == (3, 2) and (best.loc[0.0] == 0).all()
    assert best.loc[0.2, 64] > best.loc[0.2, 1] and best.loc[1.0, 1] > best.loc[0.2, 1]


def test_the_split_is_of_the_living_states_only(problem):
    """A terminal state holds no decision: filling its values with noise must change nothing."""
    frame = gae_bias.bias_variance(problem, [0.5], [0.5], [1])
    noisy = problem.advantages.clone()
    noisy[problem.mdp.terminal] = 99.0
    again = gae_bias.bias_variance(replace(problem, advantages=noisy), [0.5], [0.5], [1])
    assert frame.equals(again)
