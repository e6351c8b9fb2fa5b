import numpy as np
import pytest
import safetensors.torch
import torch

from pgcore import checkpoints, recording
from pgcore.config import ConfigError, TrainConfig
from pgcore.studies import update, update_again, update_dots
from pgcore.studies.ppo_clip import OBJECTIVES
from pgcore.train import Trainer

ARRAYS = (
    "epoch",
    "step",
    "row",
    "ratio",
    "objective",
    "gradient",
    "clip_active",
    "logits_gradient",
)


@pytest.fixture(scope="module")
def recorded():
    config = TrainConfig.fast("ppo", n_envs=8, n_steps=32, n_epochs=4, minibatch_size=128)
    return recording.record(checkpoints.take(Trainer(config.replace(learning_rate=0.03))), 3)


@pytest.fixture(scope="module")
def others(recorded):
    return {name: update_again.again(recorded, name) for name in update_again.OBJECTIVES}


def test_the_same_settings_give_the_same_update(recorded, others):
    again = others["PPO clip"]
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(recorded, name), name)
    one, other = (safetensors.torch.load(each.after.data) for each in (again, recorded))
    learned = [name for name in one if name.startswith(("policy", "value", "adam"))]
    assert learned and all(torch.equal(one[name], other[name]) for name in learned)


def test_another_try_leaves_the_recording_alone(recorded):
    log_probs, advantages = recorded.traj.log_probs.clone(), recorded.traj.advantages.clone()
    update_again.again(recorded, learning_rate=0.1, n_epochs=1)
    assert torch.equal(recorded.traj.log_probs, log_probs)
    assert torch.equal(recorded.traj.advantages, advantages)


def test_the_first_step_is_the_same_whatever_the_objective(recorded, others):
    first = recorded.step == 0
    for other in others.values():
        np.testing.assert_array_equal(other.row[other.step == 0], recorded.row[first])
        np.testing.assert_allclose(
            other.gradient[other.step == 0], recorded.gradient[first], rtol=1e-6
        )


@pytest.mark.parametrize("name", update_again.OBJECTIVES)
def test_each_objective_is_chapter_fives_and_its_gradient_autograds(others, name):
    other = others[name]
    sizes = np.bincount(other.step)[other.step]
    log_prob = torch.tensor(other.log_prob, dtype=torch.float64, requires_grad=True)
    old = torch.from_numpy(other.traj.log_probs.flatten().numpy()[other.row]).double()
    advantage = torch.tensor(other.advantage, dtype=torch.float64)
    value = OBJECTIVES[name](log_prob, old, advantage, other.config.clip_eps, 0.0)
    np.testing.assert_allclose(other.objective, value.detach(), rtol=1e-4, atol=1e-6)
    (slope,) = torch.autograd.grad(value.sum(), log_prob)
    eps = other.config.clip_eps
    off_kink = np.abs(np.abs(other.ratio - 1) - eps) > 1e-5
    wanted = -slope.numpy() / sizes
    np.testing.assert_allclose(other.gradient[off_kink], wanted[off_kink], rtol=1e-3, atol=1e-8)
    np.testing.assert_array_equal(other.gradient == 0, other.clip_active)


def test_without_min_the_gradient_is_zero_exactly_outside(others):
    other = others["clip without min"]
    np.testing.assert_array_equal(other.clip_active, update.outside(other))
    assert other.clip_active.any()
    assert not others["no clip"].clip_active.any()
    assert update.outside(others["no clip"]).mean() > update.outside(others["PPO clip"]).mean()


def test_a_tiny_step_leaves_nothing_outside(recorded):
    end = update_again.outcome(update_again.again(recorded, learning_rate=1e-5))
    assert end["clip_fraction"] == end["outside_by"] == end["zero_gradient_fraction"] == 0
    assert end["low"] == pytest.approx(1, abs=0.02) and end["high"] == pytest.approx(1, abs=0.02)


def test_outcome_tells_the_end(recorded):
    end, after = update_again.outcome(recorded), update.after(recorded)
    ratio = after.ratio.numpy()
    off = np.abs(ratio - 1) > recorded.config.clip_eps
    assert end["clip_fraction"] == pytest.approx(off.mean())
    assert end["outside_by"] == pytest.approx(
        (np.abs(ratio - 1)[off] - recorded.config.clip_eps).mean(), rel=1e-4
    )
    assert (end["low"], end["high"]) == (ratio.min(), ratio.max())
    assert end["steps"] == recorded.step[-1] + 1 == 8
    assert end["objective"] == pytest.approx(after.unclipped.mean().item())


def test_the_kl_stop_and_the_epochs_are_taken(recorded):
    stopped = update_again.again(recorded, target_kl=1e-6, n_epochs=20)
    assert stopped.epoch.max() == 0
    assert update_again.again(recorded, n_epochs=7).epoch.max() == 6
    assert update_again.again(recorded, minibatch_size=0).step.max() == 3


def test_without_momentum_adam_keeps_the_last_gradient_alone(recorded):
    whole = {"n_epochs": 1, "minibatch_size": 0, "max_grad_norm": 0.0}
    none = update_again.again(recorded, momentum=0, **whole)
    moments = safetensors.torch.load(none.after.data)
    of_the_output = f"adam.{2 * len(none.config.hidden) + 1}.exp_avg"  # its bias, after its weight
    gradient = torch.from_numpy(none.logits_gradient.sum(0))
    torch.testing.assert_close(moments[of_the_output], gradient)
    some = safetensors.torch.load(update_again.again(recorded, **whole).after.data)
    assert not torch.allclose(some[of_the_output], gradient)


def test_wild_settings_end_in_numbers(recorded):
    """A ratio of 0, as float32 has it, is no error anywhere."""
    wild = update_again.again(recorded, "no clip", learning_rate=1.0, n_epochs=20)
    assert wild.ratio.min() == 0 and wild.ratio.max() > 2
    end = update_again.outcome(wild)
    assert 0 <= end["low"] < end["high"] < np.inf and end["clip_fraction"] > 0.5
    assert len(update_dots.drawn(wild)) and len(update.steps(wild)) == wild.step[-1] + 1
    update_again.spread(wild, [0, 1, 2])
    assert update_again.policy_map(wild)["after"].between(0, 1).all()


def test_spread_counts_everything_once(recorded):
    spread = update_again.spread(recorded, [0.9, 1.0, 1.1])
    ratio = update.after(recorded).ratio.numpy()
    assert spread["middle"].tolist() == pytest.approx([0.95, 1.05])
    assert spread["share"].tolist() == pytest.approx([(ratio < 1).mean(), (ratio >= 1).mean()])


def test_the_policy_map_is_the_policy(recorded):
    rows = update_again.policy_map(recorded, cells=4)
    assert len(rows) == 16
    cell = rows.iloc[6]
    angle, spin = (cell.x + cell.x2) / 2, (cell.y + cell.y2) / 2
    obs = torch.tensor([[0, 0, np.radians(angle), spin]], dtype=torch.float32)
    for when in ("before", "after"):
        agent = getattr(recorded, when).agent()
        right = torch.softmax(agent.policy(obs), dim=-1)[0, 1].item()
        assert cell[when] == pytest.approx(right, abs=1e-6)
    assert cell.change == pytest.approx(cell.after - cell.before)
    assert (rows.change != 0).any()


def test_acrobots_plane_makes_observations():
    config = TrainConfig.fast("ppo", env_id="Acrobot-v1", n_envs=2, n_steps=8)
    rows = update_again.policy_map(recording.record_next(Trainer(config)), cells=3)
    assert rows["before"].between(0, 1).all()
    plane = update_again.plane("Acrobot-v1")
    middle = torch.zeros(1)
    obs = torch.stack(list(plane.observe(middle, middle + 90)), dim=-1)
    torch.testing.assert_close(obs, torch.tensor([[1.0, 0, 0, 1, 0, 0]]), atol=1e-6, rtol=0)
    assert update_again.plane("MountainCar-v0") is None


def test_settings_that_make_no_sense_say_so(recorded):
    with pytest.raises(ConfigError, match="clip_eps must be above 0"):
        update_again.again(recorded, clip_eps=0.0)
