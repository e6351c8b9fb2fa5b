"""Chapter 3's trajectory: returns that restart, the loss, each step's push, one gradient step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pgcore.agents import REINFORCE
from pgcore.studies import reinforce as study
from pgcore.studies.reinforce import Step
from pgcore.trajectory import TrajData

TWO_EPISODES = (Step(0, 0), Step(2, 1), Step(1, 2, ends=True), Step(2, -1), Step(0, 3, ends=True))
UNIFORM = (0.0, 0.0, 0.0)
some_steps = st.lists(
    st.builds(Step, st.integers(0, 2), st.floats(-100, 100), st.booleans()),
    min_size=1,
    max_size=study.MAX_STEPS,
)
some_logits = st.lists(st.floats(-5, 5), min_size=3, max_size=3)
gammas = st.floats(0, 1)


def table(steps: Sequence[Step], gamma: float) -> pd.DataFrame:
    return study.step_table([study.update(steps, gamma, UNIFORM)])


def after_one_step(steps: Sequence[Step], gamma: float, learning_rate: float) -> pd.DataFrame:
    update = study.update(steps, gamma, UNIFORM)
    return study.gradient_steps([update], [learning_rate]).set_index("action")


def test_returns_restart_where_an_episode_ends() -> None:
    frame = table(TWO_EPISODES, 0.9)
    assert frame["return"].tolist() == pytest.approx([2.52, 2.8, 2.0, 1.7, 3.0])
    assert frame.episode.tolist() == [1, 1, 1, 2, 2]
    assert frame.action.tolist() == ["left", "right", "stay", "right", "left"]


def test_without_ends_the_returns_run_on() -> None:
    steps = [Step(0, 1.0)] * 3
    assert table(steps, 1.0)["return"].tolist() == [3, 2, 1]
    assert table(steps, 0.0)["return"].tolist() == [1, 1, 1]


@settings(deadline=None, max_examples=40)
@given(some_steps, gammas, some_logits)
def test_the_loss_and_its_gradient_are_the_agents(
    steps: list[Step], gamma: float, logits: list[float]
) -> None:
    agent = REINFORCE(1, 3)
    agent.policy = nn.Linear(1, 3, bias=False)
    agent.policy.weight.data = torch.tensor(logits).unsqueeze(-1)
    traj = TrajData(len(steps), 1, 1, 3)
    traj.states[:] = 1
    traj.actions = torch.tensor([[step.action] for step in steps])
    traj.rewards = torch.tensor([[step.reward] for step in steps])
    traj.not_dones = torch.tensor([[1.0 - step.ends] for step in steps])
    traj.log_probs = agent.distribution(traj.states).log_prob(traj.actions)
    traj.calc_returns(gamma)
    loss = agent.get_loss(traj)
    loss.backward()

    ours = study.update(steps, gamma, logits)
    assert ours.loss == pytest.approx(float(loss.detach()), rel=1e-4, abs=1e-2)
    gradient = agent.policy.weight.grad.squeeze(-1)
    assert -ours.push.numpy() == pytest.approx(gradient.numpy(), rel=1e-4, abs=1e-2)
    frame = study.step_table([ours])
    assert frame.loss_term.mean() == pytest.approx(ours.loss, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(some_steps, gammas, some_logits)
def test_a_push_is_the_return_times_onehot_minus_pi(
    steps: list[Step], gamma: float, logits: list[float]
) -> None:
    result = study.update(steps, gamma, logits)
    pi = torch.tensor(logits, dtype=torch.float64).softmax(-1)
    one_hot = torch.eye(3, dtype=torch.float64)[[step.action for step in steps]]
    expected = result.returns[:, None] * (one_hot - pi) / len(steps)
    assert result.pushes.numpy() == pytest.approx(expected.numpy(), abs=1e-9)
    frame = study.pushes([result])
    assert frame.push.to_numpy() == pytest.approx(expected.flatten().numpy(), abs=1e-9)


def test_positive_returns_cannot_raise_every_probability() -> None:
    steps = [Step(0, 1.0, True), Step(1, 2.0, True), Step(2, 3.0, True)]
    frame = after_one_step(steps, 0.9, 1.0)
    assert frame.before.tolist() == pytest.approx([1 / 3] * 3)
    assert frame.after.sum() == pytest.approx(1)
    assert frame.push.tolist() == pytest.approx([-1 / 3, 0, 1 / 3])
    assert frame.after["left"] < 1 / 3 < frame.after["right"]


def test_an_action_never_taken_falls_when_the_returns_are_positive() -> None:
    frame = after_one_step([Step(0, 1.0)], 1.0, 0.5)
    assert frame.after["stay"] == frame.after["right"] < 1 / 3 < frame.after["left"]
    assert frame.logit_after.tolist() == pytest.approx([1 / 3, -1 / 6, -1 / 6])


def test_no_step_leaves_the_policy_alone() -> None:
    frame = after_one_step(TWO_EPISODES, 0.9, 0.0)
    assert frame.after.tolist() == frame.before.tolist()


def test_many_updates_in_one_frame_stay_apart() -> None:
    gammas, logits = (0.0, 0.9, 1.0), (1.0, 0.0, -1.0)
    updates = [study.update(TWO_EPISODES, gamma, logits) for gamma in gammas]
    steps = study.gradient_steps(updates, [0.0, 1.5]).groupby("gamma", sort=False)
    rows = study.step_table(updates).groupby("gamma", sort=False)
    shares = study.pushes(updates).groupby("gamma", sort=False)
    for gamma, update in zip(gammas, updates, strict=True):
        assert rows.get_group(gamma).equals(
            study.step_table([update]).set_index(rows.groups[gamma])
        )
        alone = study.pushes([update])
        assert shares.get_group(gamma).push.tolist() == alone.push.tolist()
        chosen = steps.get_group(gamma).query("learning_rate == 1.5")
        assert chosen.after.tolist() == study.gradient_steps([update], [1.5]).after.tolist()


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([], "needs 1 to 20 steps"),
        ([Step(0, 1.0)] * 21, "has 21"),
        ([Step(0, 1.0), Step(3, 1.0)], "Step 1 needs an action"),
        ([Step(0, math.nan)], "Step 0 needs a reward"),
        ([Step(0, 101.0)], "from -100 to 100"),
    ],
)
def test_a_trajectory_that_makes_no_sense_is_one_sentence(steps: list[Step], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        study.update(steps, 0.9, UNIFORM)
