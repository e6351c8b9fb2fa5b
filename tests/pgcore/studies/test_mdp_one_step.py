import pytest

from pgcore.studies import one_step as study


def test_the_probabilities_of_a_step_by_hand():
    outcomes, choices = study.one_step((0.2,))
    up = outcomes[(outcomes.state == 8) & (outcomes.move == "up")]
    found = dict(zip(up.to, up.probability, strict=True))
    assert found == pytest.approx({5: 0.8, 8: 0.1, 9: 0.1})
    words = choices[(choices.state == 8) & (choices.move == "up")].words.item()
    assert words.startswith("State 8, action up: to state 5 with probability 0.8, ")
    assert "back to where it was with probability 0.1" in words


def test_probabilities_sum_to_one_and_none_is_zero():
    outcomes, choices = study.one_step((0.0, 0.3, 1.0))
    total = outcomes.groupby(["slip", "state", "move"]).probability.sum()
    assert total.tolist() == pytest.approx([1.0] * len(total))
    assert (outcomes.probability > 0).all()
    assert len(total) == len(choices) == 3 * 9 * 4


def test_without_slip_an_action_is_certain():
    outcomes, _ = study.one_step((0.0,))
    assert (outcomes.probability == 1).all()


def test_squares_are_the_picture_in_the_book():
    frame = study.squares()
    assert len(frame) == 12
    kinds = frame.set_index(["row", "col"]).kind
    assert kinds[1, 4] == "goal"
    assert kinds[2, 4] == "pit"
    assert kinds[2, 2] == "wall"
    assert kinds[3, 1] == "start"
    assert sorted(frame.state) == list(range(12))


def test_in_an_exit_there_is_nothing_to_decide():
    assert study.decisions() == (1, 2, 3, 5, 6, 8, 9, 10, 11)
