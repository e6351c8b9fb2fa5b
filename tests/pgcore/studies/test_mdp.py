from itertools import pairwise

import numpy as np
import pytest
import torch

from pgcore.studies import mdp as study

COUNTS = (2, 10, 100, 500, 2000)


def test_values_hold_what_solve_gives_for_one_setting():
    every = study.values((0.0, 0.3), (-1.0, 0.1), (0.0, 0.9))
    assert len(every) == 2 * 2 * 2 * 2 * 9
    for (slip, step_reward, gamma, policy), part in every.groupby(
        ["slip", "step_reward", "gamma", "policy"]
    ):
        one = study.solve(slip, step_reward, gamma, policy)
        np.testing.assert_allclose(part.value, one.values[part.state.to_numpy() - 1])
        for row in part.itertuples():
            assert one.world.cells[row.state - 1] == (row.row - 1, row.col - 1)


def test_arrows_show_every_move_that_is_best():
    frame = study.values((0.0,), (-0.1,), (0.0, 0.9)).query("policy == 'optimal'")
    nearsighted, farsighted = (part.set_index("state") for _, part in frame.groupby("gamma"))
    # Without looking ahead every move costs the same, except beside an exit.
    assert nearsighted.arrow[8] == "any"
    assert nearsighted.arrow[3] == "→"
    assert nearsighted.arrow[6] == "↑↓←"
    # Up and around the wall are both five steps from the start.
    assert farsighted.arrow[8] == "↑→"
    assert farsighted.arrow[6] == "↑"


def test_without_discounting_ahead_only_the_next_reward_counts():
    values = study.solve(slip=0.0, step_reward=-0.1, gamma=0.0).values
    assert values[2] == pytest.approx(0.9)
    assert values[7] == pytest.approx(-0.1)


def test_no_slip_value_is_the_walk_of_five_steps():
    solved = study.solve(slip=0.0, step_reward=-0.1, gamma=0.9)
    by_hand = sum(-0.1 * 0.9**t for t in range(5)) + 0.9**4
    assert solved.start_value == pytest.approx(by_hand)


def test_a_paid_step_makes_the_agent_stay_forever():
    """With +0.1 a step and gamma 0.99, staying is worth 0.1 / 0.01 = 10, ten times the exit."""
    solved = study.solve(slip=0.2, step_reward=0.1, gamma=0.99)
    assert solved.start_value == pytest.approx(10)
    episodes, returns = study.play(solved, 0.99, 8, seed=0)
    assert study.endings(solved.world, episodes).tolist() == ["still walking"] * 8
    assert returns.tolist() == pytest.approx([10] * 8, rel=study.NEGLIGIBLE)
    assert study.walks(solved.world, episodes, (8,), longest=60).step.max() == 60


@pytest.mark.parametrize("policy", study.POLICIES)
def test_the_running_mean_closes_in_on_the_exact_value(policy):
    solved = study.solve(0.2, -0.04, 0.9, policy)
    _, returns = study.play(solved, 0.9, 2000, seed=3)
    frame = study.running_mean(returns, solved.start_value, COUNTS)
    last = frame.iloc[-1]
    assert abs(last["mean"] - solved.start_value) < 4 * last.standard_error
    # Half the error needs four times the episodes.
    early = frame[frame.episodes == 500].iloc[0]
    assert early.standard_error / last.standard_error == pytest.approx(2, rel=0.2)


def test_the_standard_error_of_four_returns_by_hand():
    returns = torch.tensor([1.0, 3.0, 1.0, 3.0], dtype=torch.float64)
    two, four = study.running_mean(returns, 2.0, (2, 4)).to_dict("records")
    assert (two["mean"], two["standard_error"]) == (2, pytest.approx(1))
    assert (two["low"], two["high"]) == (pytest.approx(0), pytest.approx(4))
    # Sample variance 4 / 3, so the standard error is sqrt(4 / 3 / 4).
    assert four["standard_error"] == pytest.approx((1 / 3) ** 0.5)


def test_walks_go_from_the_start_to_an_exit_one_cell_at_a_time():
    solved = study.solve(0.2, -0.04, 0.99, "random")
    episodes, returns = study.play(solved, 0.99, 40, seed=0)
    frame = study.walks(solved.world, episodes, (2, 40), each=5, longest=1000)
    assert frame.groupby("episodes").walk.nunique().to_dict() == {2: 2, 40: 5}
    bonus = {"ends at +1": 1.0, "ends at −1": -1.0}
    for walk, path in frame[frame.episodes == 40].groupby("walk"):
        aside = path.x.iloc[0] - 1
        cells = list(zip(path.x - aside, path.y - aside, strict=True))
        assert cells[0] == pytest.approx((1, 3))
        for (x0, y0), (x1, y1) in pairwise(cells):
            assert abs(x0 - x1) + abs(y0 - y1) < 1.001
        end = path.end.iloc[0]
        assert cells[-1] == pytest.approx((4, 1) if end == "ends at +1" else (4, 2))
        steps = len(cells) - 1
        by_hand = sum(-0.04 * 0.99**t for t in range(steps)) + bonus[end] * 0.99 ** (steps - 1)
        assert returns[35 + walk].item() == pytest.approx(by_hand)
