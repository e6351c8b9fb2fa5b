"""Chapter 5's numbers, against closed forms that are typed nowhere else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcore.studies import ppo_clip

EPS = 0.2


def closed_form(ratio, advantage, eps):
    """Objective and slope by hand; the slope is undefined on the bounds."""
    objective = np.minimum(ratio * advantage, np.clip(ratio, 1 - eps, 1 + eps) * advantage)
    dead = ((advantage > 0) & (ratio > 1 + eps)) | ((advantage < 0) & (ratio < 1 - eps))
    return objective, np.where(dead, 0.0, advantage)


def test_six_cases():
    cases = ppo_clip.six_cases(EPS)
    assert cases[["sign", "place", "branch", "slope", "effect"]].values.tolist() == [
        [1, "below 1 − ε", "unclipped", 1, "up"],
        [1, "inside the range", "both", 1, "up"],
        [1, "above 1 + ε", "clipped", 0, "nothing"],
        [-1, "below 1 − ε", "clipped", 0, "nothing"],
        [-1, "inside the range", "both", -1, "down"],
        [-1, "above 1 + ε", "unclipped", -1, "down"],
    ]


@given(
    ratio=st.floats(0.01, 3),
    advantage=st.floats(-3, 3).filter(lambda a: a == 0 or abs(a) > 1e-6),
    eps=st.floats(0.01, 0.9),
)
def test_objective_is_the_closed_form(ratio, advantage, eps):
    if abs(abs(ratio - 1) - eps) < 1e-9:  # a kink: either side's slope is right
        return
    row = ppo_clip.objective([ratio], [advantage], [eps]).iloc[0]
    value, slope = closed_form(ratio, advantage, eps)
    assert row.objective == pytest.approx(value, abs=1e-12)
    assert row.slope == pytest.approx(slope, abs=1e-12)
    assert (row.slope == 0) == (row.clip_active or advantage == 0)
    assert row.push == pytest.approx(ratio * slope, abs=1e-12)


@pytest.mark.parametrize(
    ("ratio", "advantage", "words"),
    [
        (1.4, 1, "Zero gradient because the advantage is positive and the ratio is already above"),
        (0.5, -1, "Zero gradient because the advantage is negative and the ratio is already below"),
        (0.5, 1, "gradient is alive: the advantage is positive and the ratio is below"),
        (1.4, -1, "pulls the ratio back down"),
        (1.0, 1, "makes the action more likely"),
        (1.0, -1, "makes the action less likely"),
        (1.9, 0, "the advantage is zero"),
        (1.2, 1, "Exactly on the bound"),
        (0.8, -1, "Exactly on the bound"),
    ],
)
def test_words(ratio, advantage, words):
    assert words in ppo_clip.objective([ratio], [advantage], [EPS]).words[0]


def test_compare_has_the_four_closed_forms():
    beta, ratios = 3.0, np.array([0.3, 0.9, 1.1, 1.7])
    rows = ppo_clip.compare(ratios, [1.0, -1.0], [beta], EPS).sort_values("ratio")
    assert set(rows.name) == set(ppo_clip.OBJECTIVES)
    for (name, advantage), group in rows.groupby(["name", "advantage"]):
        clipped, slope = closed_form(ratios, advantage, EPS)
        inside = abs(ratios - 1) < EPS
        value, slope = {
            "PPO clip": (clipped, slope),
            "no clip": (ratios * advantage, advantage + 0 * ratios),
            "clip without min": (
                np.clip(ratios, 1 - EPS, 1 + EPS) * advantage,
                advantage * inside,
            ),
            "KL penalty": (
                ratios * advantage - beta * (ratios - 1 - np.log(ratios)),
                advantage - beta * (1 - 1 / ratios),
            ),
        }[name]
        np.testing.assert_allclose(group.value, value, atol=1e-12)
        np.testing.assert_allclose(group.slope, slope, atol=1e-12)
        assert (
            group.effect
            == np.select([slope > 0, slope < 0], ["raises it", "lowers it"], "leaves it")
        ).all()


def meters(drift, agreement):
    rows = ppo_clip.batch([drift], [agreement], EPS, size=500, seed=0)
    first = rows.iloc[0]
    return rows, first.clip_fraction, first.zero_gradient_fraction


def test_meters_agree_only_where_every_ratio_went_with_its_advantage():
    _, outside, silent = meters(0.4, 1.0)
    assert outside == silent > 0.3
    _, outside, silent = meters(0.4, -1.0)
    assert outside > 0.3
    assert silent == 0
    _, outside, silent = meters(0.4, 0.0)
    assert silent / outside == pytest.approx(0.5, abs=0.08)


def test_meters_count_the_points_that_are_drawn():
    rows, outside, silent = meters(0.3, 0.5)
    shares = rows.state.value_counts(normalize=True)
    assert shares["outside, gradient zero"] == pytest.approx(silent)
    assert 1 - shares["inside"] == pytest.approx(outside)
    assert ((rows.state == "inside") == (abs(rows.ratio - 1) <= EPS)).all()
    assert rows.ratio.map(np.log).std() == pytest.approx(0.3, rel=0.1)
    assert np.corrcoef(np.log(rows.ratio), rows.advantage)[0, 1] == pytest.approx(0.5, abs=0.1)


def test_no_drift_is_the_old_policy():
    rows, outside, silent = meters(0.0, 0.5)
    assert (rows.ratio == 1).all()
    assert (outside, silent, rows.kl[0]) == (0, 0, 0)
