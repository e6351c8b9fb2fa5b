import math
from itertools import pairwise

import pytest
import torch

from pgcore.studies import mdp as study


def test_every_solution_holds_what_solve_gives_for_one_setting():
    for policy in study.POLICIES:
        every = study.every_solution(policy)
        for i, j, k in [(0, 0, 0), (2, 6, 9), (6, 10, 11)]:
            one = study.solve(study.SLIPS[i], study.STEP_REWARDS[j], study.GAMMAS[k], policy)
            torch.testing.assert_close(every.values[i, j, k], one.values)
            torch.testing.assert_close(every.q_values[i, j, k], one.q_values)
            assert torch.equal(every.greedy[i, j, k], one.greedy)


def test_without_discounting_ahead_only_the_next_reward_counts():
    frame = study.cells(study.solve(slip=0.0, step_reward=-0.1, gamma=0.0))
    beside_the_goal = frame[(frame.row == 0) & (frame.col == 2)].iloc[0]
    assert beside_the_goal.value == pytest.approx(0.9)
    assert beside_the_goal.arrow == "right"
    assert frame[frame.kind == "S"].value.item() == pytest.approx(-0.1)


def test_no_slip_value_is_the_walk_of_five_steps():
    solved = study.solve(slip=0.0, step_reward=-0.1, gamma=0.9)
    by_hand = sum(-0.1 * 0.9**t for t in range(5)) + 0.9**4
    assert solved.start_value == pytest.approx(by_hand)


def test_a_paid_step_makes_the_agent_stay_forever():
    """With +0.1 a step and gamma 0.99, staying is worth 0.1 / 0.01 = 10, ten times the exit."""
    solved = study.solve(slip=0.2, step_reward=0.1, gamma=0.99)
    assert solved.start_value == pytest.approx(10)
    episodes, returns = study.play(solved, 0.99, 8, seed=0)
    assert not episodes.terminated.any()
    assert returns.tolist() == pytest.approx([10] * 8, rel=study.NEGLIGIBLE)


def test_exits_have_no_arrow_and_no_value():
    frame = study.cells(study.solve(0.2, -0.04, 0.99))
    exits = frame[frame.kind.isin(["+", "-"])]
    assert exits.arrow.tolist() == ["", ""]
    assert exits.value.tolist() == [0, 0]
    assert len(frame) == 11


@pytest.mark.parametrize("policy", study.POLICIES)
def test_the_running_mean_closes_in_on_the_exact_value(policy):
    solved = study.solve(0.2, -0.04, 0.9, policy)
    _, returns = study.play(solved, 0.9, 2000, seed=3)
    frame = study.running_mean(returns, solved.start_value)
    last = frame.iloc[-1]
    assert last.episodes == 2000
    assert abs(last["mean"] - solved.start_value) < 4 * last.standard_error
    # Half the error needs four times the episodes.
    early = frame[frame.episodes >= 500].iloc[0]
    assert early.standard_error / last.standard_error == pytest.approx(2, rel=0.2)


def test_the_standard_error_of_two_returns_by_hand():
    frame = study.running_mean(torch.tensor([1.0, 3.0], dtype=torch.float64), exact=2.0)
    assert frame["mean"].tolist() == [2]
    assert frame.standard_error.item() == pytest.approx(math.sqrt(2) / math.sqrt(2))
    assert frame.low.item() == pytest.approx(0)
    assert frame.high.item() == pytest.approx(4)


def test_paths_walk_from_the_start_to_an_exit_one_cell_at_a_time():
    solved = study.solve(0.2, -0.04, 0.99)
    episodes, returns = study.play(solved, 0.99, 6, seed=0)
    cells = solved.world.cells
    for path in study.paths(episodes, returns, 6):
        visited = [cells[s] for s in path["states"]]
        assert visited[0] == (2, 0)
        assert solved.world.mdp.terminal[path["states"][-1]]
        for (r0, c0), (r1, c1) in pairwise(visited):
            assert abs(r0 - r1) + abs(c0 - c1) <= 1
        steps = len(visited) - 1
        bonus = 1 if visited[-1] == (0, 3) else -1
        by_hand = sum(-0.04 * 0.99**t for t in range(steps)) + bonus * 0.99 ** (steps - 1)
        assert path["return"] == pytest.approx(by_hand)


def test_discounted_sum_by_hand():
    frame = study.discounted_sum((1.0, 2.0, 4.0), 0.5)
    assert frame.weight.tolist() == [1, 0.5, 0.25]
    assert frame.contribution.tolist() == [1, 1, 1]
    assert frame.so_far.tolist() == [1, 2, 3]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9, 0.99])
def test_weights_are_gamma_to_the_t_and_sum_to_the_horizon(gamma):
    frame = study.discounted_sum((1.0,) * 60, gamma)
    assert frame.weight.tolist() == pytest.approx([gamma**t for t in range(60)])
    geometric = study.effective_horizon(gamma) * (1 - gamma**60)
    assert frame.so_far.iloc[-1] == pytest.approx(geometric)


def test_transitions_leave_out_what_cannot_happen():
    mdp = study.solve(0.2, 0.0, 0.9).world.mdp
    assert study.transitions_from(mdp, 7, 0) == pytest.approx({4: 0.8, 7: 0.1, 8: 0.1})
