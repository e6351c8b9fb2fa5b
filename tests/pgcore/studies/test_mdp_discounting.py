import pytest

from pgcore.studies import discounting as study


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


def test_strips_at_both_ends():
    steps, totals = study.strips((1, 20, 200))
    assert len(steps) == 3 * len(study.REWARDS) * study.STEPS
    total = totals.set_index(["horizon", "rewards"])
    assert total.gamma[1].tolist() == [0, 0, 0]
    assert total.total[1].tolist() == pytest.approx([1, 0, -1])
    assert total.within[1].tolist() == [1, 1, 1]
    assert total.gamma[200].iloc[0] == pytest.approx(0.995)
    paid = sum(0.995**t for t in range(50, 60))
    assert total.total[200, "+1 at steps 50 to 59"] == pytest.approx(paid)
    assert total.within[20].iloc[0] == pytest.approx(1 - 0.95**20)
    # About 1 - 1/e of the weight lies within the horizon.
    assert total.within[200].iloc[0] == pytest.approx(0.633, abs=1e-3)
