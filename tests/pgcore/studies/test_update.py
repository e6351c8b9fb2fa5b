import io

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import torch

from pgcore import checkpoints, recording
from pgcore.config import TrainConfig
from pgcore.losses import clipped_surrogate
from pgcore.studies import update, update_dots, update_film, update_sample, update_walk
from pgcore.train import Trainer

COLOURS = dict(zip(update.EFFECTS, ("#0072B2", "#D55E00", "#8A8F98"), strict=True))


@pytest.fixture(scope="module")
def recorded():
    """Six gradient steps that move far: minibatches, masked rows, samples in every category."""
    config = TrainConfig.fast("ppo", n_envs=8, n_steps=32, n_epochs=3, minibatch_size=128)
    return recording.record(checkpoints.take(Trainer(config.replace(learning_rate=0.05))), 2)


@pytest.fixture(scope="module")
def homework():
    """The homework's own size: 16,384 transitions, 10 epochs."""
    return recording.record_next(Trainer(TrainConfig.homework("ppo")))


@pytest.fixture(scope="module")
def samples(recorded):
    return update.samples(recorded)


def test_steps_epochs_and_minibatches_count_from_one(recorded, samples):
    assert samples["step"].unique().tolist() == [1, 2, 3, 4, 5, 6]
    assert samples.groupby("step")["epoch"].unique().map(list).tolist() == [
        *([1], [1], [2], [2], [3], [3])
    ]
    assert samples.groupby("step")["minibatch"].unique().map(list).tolist() == 3 * [[1], [2]]
    assert update.steps(recorded)[["step", "epoch", "minibatch"]].to_numpy().tolist() == [
        *([1, 1, 1], [2, 1, 2], [3, 2, 1], [4, 2, 2], [5, 3, 1], [6, 3, 2])
    ]


def test_minibatches_after_an_early_stop():
    config = TrainConfig.fast("ppo", n_envs=4, n_steps=8, minibatch_size=8, target_kl=1e-9)
    stopped = recording.record_next(Trainer(config.replace(n_epochs=5)))
    assert update.steps(stopped)["minibatch"].tolist() == list(range(1, stopped.step[-1] + 2))


def test_a_sample_is_the_transition_of_its_row(recorded, samples):
    traj = recorded.traj
    for sample in samples.iloc[::37].itertuples():
        assert sample.row == sample.t * traj.actions.shape[1] + sample.env
        assert sample.action == traj.actions[sample.t, sample.env]
        state = traj.states[sample.t, sample.env]
        assert sample.pole_angle == state[2] and sample.cart_velocity == state[1]
        assert sample.old_log_prob == traj.log_probs[sample.t, sample.env]
        assert bool(traj.valid[sample.t, sample.env]) == sample.happened


def test_the_push_is_ratio_times_advantage_or_nothing(samples):
    # d min(r A, clip(r) A) / d log pi, in closed form
    wanted = np.where(samples.clip_active, 0, samples.ratio * samples.advantage)
    np.testing.assert_allclose(samples.push, wanted, rtol=1e-4, atol=1e-6)
    assert set(samples.effect) == set(update.EFFECTS)
    assert (samples.loc[samples.effect == update.UP, "push"] > 0).all()
    assert (samples.loc[samples.effect == update.DOWN, "push"] < 0).all()
    assert (samples.loc[samples.effect == update.SILENT, "gradient"] == 0).all()


def test_pulled_back_is_the_difference_of_the_two_fractions(recorded, samples):
    steps = update.steps(recorded)
    for step in steps.itertuples():
        own = samples[samples.step == step.step]
        assert step.size == len(own)
        assert step.low == own.ratio.min() and step.high == own.ratio.max()
        assert step.clip_fraction == pytest.approx(own.outside.mean())
        assert step.zero_gradient_fraction == pytest.approx(own.clip_active.mean())
        assert step.pulled_back == pytest.approx(own.pulled_back.mean(), abs=1e-6)
        assert step.loss == pytest.approx(-own.objective.mean(), abs=1e-6)
        kl = (np.exp(own.log_prob - own.old_log_prob) - 1 - own.log_prob + own.old_log_prob).mean()
        assert step.approx_kl == pytest.approx(kl, abs=1e-6)
    assert (samples.pulled_back).any()


def test_the_sums_of_the_homework_are_what_it_logged(homework):
    for name, value in update.totals(homework).items():
        assert value == pytest.approx(getattr(homework.stats, name), rel=1e-6, abs=1e-6), name
    assert homework.stats.clip_fraction > 0.01


def test_after_the_update_is_one_more_epoch(recorded):
    epochs = update.epochs(recorded)
    assert epochs["epoch"].tolist() == [1, 2, 3, 4]
    pieces = update.after(recorded)
    rows = np.unique(recorded.row)
    states = recorded.traj.states.flatten(0, 1)[rows]
    actions = recorded.traj.actions.flatten()[rows]
    log_probs = recorded.after.agent().distribution(states).log_prob(actions)
    ratio = (log_probs - recorded.traj.log_probs.flatten()[rows]).exp().detach()
    torch.testing.assert_close(pieces.ratio, ratio)
    assert epochs["high"].iloc[-1] == pieces.ratio.max()
    alone = update.after(recorded, int(rows[5])).ratio
    torch.testing.assert_close(alone, pieces.ratio[5:6])
    middle = epochs.iloc[1]
    own = recorded.ratio[recorded.epoch == 1]
    assert middle["q25"] == np.quantile(own, 0.25)
    beyond = np.abs(own - 1)[np.abs(own - 1) > recorded.config.clip_eps] - recorded.config.clip_eps
    assert middle["outside_by"] == pytest.approx(beyond.mean(), rel=1e-4)


def test_all_are_drawn_where_they_are_few(recorded):
    np.testing.assert_array_equal(update_dots.drawn(recorded), np.unique(recorded.row))


def test_a_large_batch_is_drawn_down_to_the_furthest_and_some_others(homework):
    rows = update_dots.drawn(homework)
    assert len(rows) == len(set(rows)) == update_dots.DOTS_A_STEP
    assert np.isin(homework.row, rows).sum() <= update_dots.DOTS
    distance = np.abs(np.log(homework.ratio))
    furthest = homework.row[np.argsort(-distance)][: int(update_dots.FURTHEST * len(rows))]
    assert np.isin(furthest, rows).all()
    np.testing.assert_array_equal(rows, update_dots.drawn(homework))
    assert homework.nbytes < 10_000_000  # 163,840 samples


def test_dots_lie_on_their_curves(recorded, samples):
    for sample in samples.iloc[::53].itertuples():
        curve = update_dots.curve(recorded, np.array([sample.advantage]), np.array([0.01, 9.0]))
        assert curve["ratio"].tolist() == pytest.approx([0.01, 0.8, 1.2, 9.0])
        there = np.interp(sample.ratio, curve["ratio"], curve["objective"])
        assert there == pytest.approx(sample.objective, rel=1e-4, abs=1e-5)


SAMPLE = {
    "ratio": 1.0,
    "advantage": 1.5,
    "outside": False,
    "gradient": -0.1,
    "happened": True,
    "clip_active": False,
}
SILENT = {"outside": True, "gradient": 0.0, "clip_active": True}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "The ratio is exactly 1"),
        ({"ratio": 1.1}, "The ratio 1.100 is inside 0.80 to 1.20. Both products are equal, and"),
        ({"advantage": -2.0}, "action less likely, because its advantage is negative (−2.00)"),
        ({"advantage": 0.0, "gradient": 0.0}, "not because of the clip: its advantage is zero"),
        (
            {"ratio": 1.3, **SILENT},
            "No gradient: the advantage is positive (+1.50) and the ratio is already 1.300, above",
        ),
        (
            {"ratio": 0.7, "advantage": -1.0, **SILENT},
            "the advantage is negative (−1.00) and the ratio is already 0.700, below 0.80",
        ),
        (
            {"ratio": 1.3, "advantage": -1.0, "outside": True},
            "still pulled back: the advantage is negative (−1.00), yet the action has become more",
        ),
        (
            {"ratio": 0.7, "outside": True},
            "still pulled back: the advantage is positive (+1.50), yet the action has become less",
        ),
        ({"ratio": 0.0, **SILENT, "clip_active": False}, "the action's probability has shrunk so"),
        ({"happened": False}, "never happened: the environment only reset itself"),
    ],
)
def test_one_sentence_why(recorded, changes, words):
    assert words in update_sample.why(pd.Series(SAMPLE | changes), recorded)


def test_history_shows_the_latest_use(recorded, samples):
    row = int(samples.loc[samples.step == 2, "row"].iloc[0])
    own = samples[samples.row == row]
    history = update_sample.history(recorded, row)
    assert history["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert "Not used yet: its first minibatch is gradient step 2" in history["words"].iloc[0]
    assert np.isnan(history["ratio"].iloc[0])
    for now in history.iloc[1:].itertuples():
        latest = own[own.step <= now.step].iloc[-1]
        assert (now.used, now.ratio, now.gradient) == (latest.step, latest.ratio, latest.gradient)
        took = {"clipped": now.clip_active, "both are equal": now.clipped == now.unclipped}
        assert took.get(now.took, now.unclipped < now.clipped)


def test_path_ends_after_the_update(recorded, samples):
    row = int(samples["row"].iloc[0])
    path = update_sample.path(recorded, row)
    assert path["epoch"].tolist() == [1, 2, 3, 4]
    assert path["ratio"].tolist()[:3] == samples.loc[samples.row == row, "ratio"].tolist()
    assert path["effect"].iloc[-1] == update_sample.AFTER


def test_the_picture_is_of_the_state(recorded):
    angles = recorded.traj.states.flatten(0, 1)[:, 2].numpy()
    left, right = (update_sample.picture(recorded, int(row)) for row in np.argsort(angles)[[0, -1]])
    assert left.startswith("data:image/png;base64,") and left != right


def test_acrobot_is_drawn_as_it_hangs():
    config = TrainConfig.fast("ppo", env_id="Acrobot-v1", n_envs=2, n_steps=8, minibatch_size=0)
    acrobot = recording.record_next(Trainer(config))
    assert update_sample.picture(acrobot, 3).startswith("data:image/png")
    assert update.action_names(acrobot) == ["torque -1", "no torque", "torque +1"]
    assert acrobot.logits.shape[1] == 3
    value = update_walk.walk(acrobot, 3, 1)["value"]
    assert value[1].count(",") == 2


@pytest.mark.parametrize("effect", update.EFFECTS)
def test_the_walk_is_what_the_lines_of_pgcore_give(recorded, samples, effect):
    sample = samples[samples.effect == effect].iloc[0]
    walk = update_walk.walk(recorded, int(sample.row), int(sample.step))
    assert walk["stage"].tolist() == list(range(1, len(update_walk.STAGES) + 1))
    name = dict(zip((stage.name for stage in update_walk.STAGES), walk["value"], strict=True))
    pieces = clipped_surrogate(
        torch.tensor([sample.log_prob]),
        torch.tensor([sample.old_log_prob]),
        torch.tensor([sample.advantage]),
        recorded.config.clip_eps,
    )
    for stage in ("ratio", "unclipped", "clipped", "objective"):
        assert number(name[stage]) == pytest.approx(getattr(pieces, stage).item(), abs=6e-5)
    assert number(name["log-ratio"]) == pytest.approx(np.log(sample.ratio), abs=6e-5)
    loss = update.steps(recorded)["loss"][sample.step - 1]
    assert number(name["loss"]) == pytest.approx(loss, abs=6e-5)
    gradient = number(name["gradient by log-probability"])
    assert gradient == pytest.approx(sample.gradient, rel=1e-2)
    # onehot - pi, in closed form
    logits = recorded.logits[(recorded.step == sample.step - 1) & (recorded.row == sample.row)][0]
    probabilities = np.exp(logits) / np.exp(logits).sum()
    wanted = gradient * (np.eye(len(logits))[int(sample.action)] - probabilities)
    by_logits = name["gradient by logits"].strip("[]").split(", ")
    assert [number(each) for each in by_logits] == pytest.approx(wanted, rel=2e-2, abs=1e-9)


def number(text):
    return float(text.replace("−", "-"))


def test_a_walk_needs_a_minibatch_with_the_transition(recorded, samples):
    row = int(samples.loc[samples.step == 2, "row"].iloc[0])
    with pytest.raises(ValueError, match=f"transition {row} is not in the minibatch"):
        update_walk.walk(recorded, row, 1)


def test_the_film_has_a_frame_a_step_and_a_dot_a_sample(recorded):
    axes = update_film.Axes((0.0, 3.0), (-3.0, 3.0))
    everything = np.unique(recorded.row)
    full, empty = (
        iio.imread(io.BytesIO(update_film.film(recorded, rows, axes, COLOURS)), mode="RGB")
        for rows in (everything, everything[:0])
    )
    assert full.shape == (6, *update_film.SIZE[::-1], 3)
    blue = np.array([0x00, 0x72, 0xB2])
    assert not (empty == blue).all(-1).any()
    # In the first step nothing has moved: every dot is at ratio 1.
    columns = np.flatnonzero((full[0] == blue).all(-1).any(0))
    assert abs(columns.mean() - axes.across(1.0)) < 1 and np.ptp(columns) <= 7
    assert np.ptp(np.flatnonzero((full[-1] == blue).all(-1).any(0))) > 30


def test_a_long_film_keeps_its_ends():
    config = TrainConfig.fast("ppo", n_envs=4, n_steps=32, minibatch_size=8, n_epochs=10)
    long = recording.record_next(Trainer(config))
    axes = update_film.Axes((0.0, 3.0), (-3.0, 3.0))
    gif = update_film.film(long, np.unique(long.row), axes, COLOURS)
    assert long.step[-1] + 1 > update_film.MAX_FRAMES
    assert len(iio.imread(io.BytesIO(gif))) <= update_film.MAX_FRAMES
    assert len(gif) < 1_000_000


@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.2, 2.4), (-3.3, 61.0), (-1e-4, 2e-4), (0, 9.5)])
def test_ticks_are_few_and_inside(ends):
    ticks = update_film._ticks(ends)
    assert 3 <= len(ticks) <= 10
    assert ends[0] - 1e-9 <= min(ticks) and max(ticks) <= ends[1] + 1e-9
