from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch

from pgcore import checkpoints, recording
from pgcore.config import ConfigError, TrainConfig
from pgcore.studies import update
from pgcore.train import Trainer

SMALL = {"n_envs": 8, "n_steps": 24, "n_updates": 6}
PRESETS = {
    "fast": TrainConfig.fast("ppo", **SMALL, n_epochs=3, minibatch_size=50),
    "homework": TrainConfig.homework("ppo", **SMALL, n_epochs=4, learning_rate=0.02),
    "entropy": TrainConfig.fast("ppo", **SMALL, entropy_coef=0.3, learning_rate=0.05, n_epochs=5),
}


@pytest.fixture(scope="module", params=PRESETS)
def recorded(request):
    config = PRESETS[request.param]
    start = checkpoints.take(Trainer(config))
    return recording.record(start, 3)


def weights(checkpoint):
    return safetensors.torch.load(checkpoint.data)


def assert_same_state(one, other):
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_recording_leaves_training_bit_identical():
    config = PRESETS["fast"]
    plain, watched = Trainer(config), Trainer(config)
    for update_number in range(4):
        plain.rollout()
        logged = plain.update()
        if update_number in (1, 2):
            assert recording.record_next(watched).stats == logged
        else:
            watched.rollout()
            assert watched.update() == logged
    assert_same_state(checkpoints.take(plain), checkpoints.take(watched))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("since", [0, 2, 3])
def test_an_update_is_repeated_from_any_checkpoint_before_it(preset, since):
    trainer = Trainer(PRESETS[preset])
    kept, logged = [checkpoints.take(trainer)], []
    for stats in trainer.run():
        logged.append(stats)
        kept.append(checkpoints.take(trainer))
    again = recording.record(kept[since], 4)
    assert again.stats == logged[3]
    assert_same_state(again.before, kept[3])
    assert_same_state(again.after, kept[4])


def loss_of(recorded, step):
    """The minibatch's policy loss as a function of its log-probabilities, in float64."""
    mine = recorded.step == step
    batch = recorded.traj.rows(torch.from_numpy(recorded.row[mine].astype(np.int64)))
    advantages = torch.from_numpy(recorded.advantage[mine].astype(np.float64))
    old = SimpleNamespace(log_probs=batch.log_probs.double(), advantages=advantages)
    old.returns = batch.returns.double()
    agent = recorded.before.agent()
    return lambda log_probs: agent.loss(log_probs, torch.zeros_like(log_probs), old).policy


def test_gradients_equal_finite_differences_of_the_loss(recorded):
    h = 1e-6
    for step in np.unique(recorded.step):
        mine = recorded.step == step
        loss = loss_of(recorded, step)
        at = torch.from_numpy(recorded.log_prob[mine].astype(np.float64))
        eps = recorded.config.clip_eps
        for i in range(len(at)):
            if abs(abs(recorded.ratio[mine][i] - 1) - eps) < 1e-4:
                continue  # a kink between the two points
            shift = torch.zeros_like(at)
            shift[i] = h
            slope = (loss(at + shift) - loss(at - shift)).item() / (2 * h)
            assert recorded.gradient[mine][i] == pytest.approx(slope, rel=1e-3, abs=1e-8)


def test_logit_gradients_equal_finite_differences_of_the_loss(recorded):
    h, coef = 1e-6, recorded.config.entropy_coef
    for step in (0, int(recorded.step[-1])):
        mine = recorded.step == step
        loss = loss_of(recorded, step)
        actions = recorded.traj.actions.flatten()[recorded.row[mine].astype(np.int64)][:, None]
        at = torch.from_numpy(recorded.logits[mine].astype(np.float64))

        def total(logits, loss=loss, actions=actions):
            every = logits.log_softmax(-1)
            entropy = -(every.exp() * every).sum(-1).mean()
            return (loss(every.gather(-1, actions).squeeze(-1)) - coef * entropy).item()

        eps = recorded.config.clip_eps
        for i in range(0, len(at), 7):
            if abs(abs(recorded.ratio[mine][i] - 1) - eps) < 1e-4:
                continue
            for action in range(at.shape[1]):
                shift = torch.zeros_like(at)
                shift[i, action] = h
                slope = (total(at + shift) - total(at - shift)) / (2 * h)
                found = recorded.logits_gradient[mine][i, action]
                assert found == pytest.approx(slope, rel=2e-3, abs=1e-7)


def test_the_sum_over_samples_is_what_was_logged(recorded):
    summed = update.totals(recorded)
    for name, value in summed.items():
        assert value == pytest.approx(getattr(recorded.stats, name), rel=1e-6, abs=1e-6), name
    assert recorded.stats.clip_fraction > 0  # nothing to compare otherwise


def test_the_pieces_fit_each_other(recorded):
    np.testing.assert_array_equal(recorded.unclipped, recorded.ratio * recorded.advantage)
    np.testing.assert_array_equal(
        recorded.objective, np.minimum(recorded.unclipped, recorded.clipped)
    )
    np.testing.assert_array_equal(recorded.clip_active, recorded.clipped < recorded.unclipped)
    # Zero where min took the clipped product and nowhere else, in the real update.
    np.testing.assert_array_equal(recorded.gradient == 0, recorded.clip_active)
    old = recorded.traj.log_probs.flatten().numpy()[recorded.row]
    np.testing.assert_allclose(recorded.ratio, np.exp(recorded.log_prob - old), rtol=1e-6)
    actions = recorded.traj.actions.flatten().numpy()[recorded.row]
    every = torch.from_numpy(recorded.logits.copy()).log_softmax(-1).numpy()
    np.testing.assert_allclose(
        recorded.log_prob, every[np.arange(len(actions)), actions], rtol=1e-5, atol=1e-6
    )


def test_the_first_minibatch_sits_at_ratio_one(recorded):
    first = recorded.ratio[recorded.step == 0]
    np.testing.assert_array_equal(first, 1)
    assert (recorded.ratio[recorded.step > 0] != 1).any()


def test_every_used_transition_is_in_every_epoch_once(recorded):
    valid = recorded.traj.valid.flatten().numpy()
    used = np.flatnonzero(valid) if recorded.config.mask_reset_rows else np.arange(len(valid))
    for epoch in range(recorded.config.n_epochs):
        np.testing.assert_array_equal(np.sort(recorded.row[recorded.epoch == epoch]), used)
    assert (np.diff(recorded.step) >= 0).all() and (np.diff(recorded.epoch) >= 0).all()


def test_memory_is_as_stated(recorded):
    n_actions = recorded.logits.shape[1]
    assert recorded.nbytes == len(recorded.row) * recording.sample_bytes(n_actions)
    homework = TrainConfig.homework("ppo")
    samples = homework.rows_per_update * homework.n_epochs
    assert samples * recording.sample_bytes(2) < recording.MAX_BYTES


def test_nothing_recorded_can_be_written_to(recorded):
    with pytest.raises(ValueError, match="read-only"):
        recorded.ratio[0] = 2


def test_a_given_rollout_is_left_as_it_is():
    trainer = Trainer(PRESETS["fast"])
    traj = trainer.rollout()
    recorded = recording.record_next(trainer, traj)
    assert traj.advantages is None and not traj.log_probs.any()
    assert recorded.traj.advantages is not None


def test_an_early_stop_is_recorded_as_it_was():
    config = PRESETS["fast"].replace(target_kl=1e-6)
    recorded = recording.record_next(Trainer(config))
    assert recorded.epoch.max() == 0


@pytest.mark.parametrize("number", [0, 2, 7])
def test_only_updates_after_the_checkpoint_and_of_the_run(number):
    trainer = Trainer(PRESETS["fast"])
    for _ in range(2):
        trainer.rollout()
        trainer.update()
    with pytest.raises(ConfigError, match=f"update {number} is not among updates 3 to 6"):
        recording.record(checkpoints.take(trainer), number)


def test_what_cannot_be_recorded_says_why():
    with pytest.raises(ConfigError, match="VPG has no ratio"):
        recording.record_next(Trainer(TrainConfig.fast("vpg", **SMALL)))
    large = TrainConfig.fast("ppo", n_envs=64, n_steps=1024, n_epochs=100)
    with pytest.raises(ConfigError, match=r"6,553,600 samples .* 64 MB"):
        recording.record(checkpoints.take(Trainer(large)), 1)
