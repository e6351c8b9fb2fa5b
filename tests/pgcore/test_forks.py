"""Forks: the same numbers where nothing changed, and no difference but the changed setting's."""

from __future__ import annotations

import dataclasses
import json

import pytest
import safetensors.torch
import torch

from pgcore.checkpoints import Checkpoint, resume, take
from pgcore.config import ALGORITHMS, ConfigError, TrainConfig
from pgcore.forks import FIXED, Fork, changeable
from pgcore.jobs import JobState, TrainingJob
from pgcore.runs import RunFolder, RunFolderError, checkpoint_files, latest_checkpoint
from pgcore.train import Trainer
from tests.pgcore.test_runs import go_on, metrics, record, without_time

# Minibatches smaller than the rollout, so that the order of the rows is drawn too.
PPO = TrainConfig.fast("ppo", n_updates=5, n_envs=4, n_steps=24, minibatch_size=32, seed=3)
AT = 2
OTHER = {
    "algorithm": "vpg",
    "gamma": 0.9,
    "lam": 0.5,
    "learning_rate": 0.1,
    "anneal_learning_rate": True,
    "momentum": 0.2,
    "adam_eps": 0.01,
    "n_epochs": 5,
    "minibatch_size": 16,
    "clip_eps": 0.02,
    "target_kl": 1e-6,
    "value_coef": 0.1,
    "entropy_coef": 0.5,
    "max_grad_norm": 0.01,
    "advantage": "returns",
    "normalize_advantages": False,
    "mask_reset_rows": False,
    "bootstrap": False,
    "reset_each_rollout": True,
}


def at_the_fork(config: TrainConfig) -> tuple[Trainer, Checkpoint]:
    trainer = Trainer(config)
    for _, _stats in zip(range(AT), trainer.run(), strict=False):
        pass
    return trainer, take(trainer)


@pytest.fixture(scope="module")
def parent() -> Checkpoint:
    return at_the_fork(PPO)[1]


def branch(checkpoint: Checkpoint, **changes) -> Fork:
    return Fork("parent", checkpoint, checkpoint.config.replace(**changes))


# What it keeps, and what it changes ---------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nothing_changed_repeats_the_parent_bit_for_bit(algorithm):
    config = TrainConfig.fast(algorithm, n_updates=5, n_envs=4, n_steps=24, seed=3)
    trainer, checkpoint = at_the_fork(config)
    again = branch(checkpoint).trainer()
    assert list(again.run()) == list(trainer.run())
    ours, theirs = (safetensors.torch.load(take(one).data) for one in (again, trainer))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_every_setting_is_tried_here_or_fixed():
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    free = fields - FIXED.keys()
    # Turned off alone it is not valid: normalize_advantages needs it.
    assert free == OTHER.keys() | {"n_updates", "checkpoint_every", "detach_advantage"}


@pytest.mark.parametrize("name", OTHER)
def test_one_setting_changes_the_update_and_not_the_rollout(parent, name):
    own, other = resume(parent), branch(parent, **{name: OTHER[name]}).trainer()
    ours, theirs = own.rollout(), other.rollout()
    same = all(
        torch.equal(getattr(ours, each), getattr(theirs, each))
        for each in ("states", "actions", "rewards", "terminated", "truncated", "valid")
    )
    # Fresh episodes are another rollout; all else acts from the same state with the same noise.
    assert same == (name != "reset_each_rollout")
    stats, branched = own.update(), other.update()
    assert branched.update == stats.update == AT + 1
    assert branched.env_steps == stats.env_steps
    after = [trainer.agent.state_dict() for trainer in (own, other)]
    assert any(not torch.equal(after[0][each], after[1][each]) for each in after[0])


def test_the_optimizer_steps_with_the_changed_settings(parent):
    """Adam by hand, from the moments in the checkpoint."""
    changes = {"learning_rate": 0.1, "momentum": 0.2, "adam_eps": 0.01}
    full = {"n_epochs": 1, "minibatch_size": 0, "max_grad_norm": 0.0}
    trainer = branch(parent, **changes, **full).trainer()
    kept = safetensors.torch.load(parent.data)
    trainer.rollout()
    trainer.update()
    step = kept["adam.0.step"] + 1
    gradient = trainer.parameters[0].grad
    first = 0.2 * kept["adam.0.exp_avg"] + 0.8 * gradient
    second = 0.999 * kept["adam.0.exp_avg_sq"] + 0.001 * gradient**2
    size = (second / (1 - 0.999**step)).sqrt() + 0.01
    expected = kept["policy.0.weight"] - 0.1 * first / (1 - 0.2**step) / size
    torch.testing.assert_close(trainer.agent.policy[0].weight.detach(), expected)


def test_an_annealed_rate_follows_the_branch_own_length(parent):
    rates = [one.learning_rate for one in branch(parent, anneal_learning_rate=True).trainer().run()]
    assert rates == pytest.approx([0.025 * left / 5 for left in (3, 2, 1)])
    longer = branch(parent, anneal_learning_rate=True, n_updates=8)
    assert next(longer.trainer().run()).learning_rate == pytest.approx(0.025 * 6 / 8)


def test_the_parent_is_untouched():
    trainer, checkpoint = at_the_fork(PPO)
    data = bytes(checkpoint.data)
    plain = list(resume(checkpoint).run())
    updates, branched = trainer.run(), branch(checkpoint, learning_rate=0.1).trainer().run()
    # Turn and turn about, in one process.
    assert [one for one, _ in zip(updates, branched, strict=True)] == plain
    assert checkpoint.data == data


def test_a_fork_of_a_fork(parent):
    first = branch(parent, learning_rate=0.1).trainer()
    next(first.run())
    second = Fork("branch", take(first), first.config.replace(gamma=0.9))
    assert (second.update, second.config.learning_rate) == (AT + 1, 0.1)
    assert second.changes == {"gamma": (0.99, 0.9)}
    assert [one.update for one in second.trainer().run()] == [4, 5]


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 4),
        ("env_id", "Acrobot-v1"),
        ("n_envs", 8),
        ("n_steps", 48),
        ("hidden", (32,)),
        ("activation", "tanh"),
        ("init", "orthogonal"),
        ("value_scale", 1.0),
    ],
)
def test_what_is_fixed(parent, name, value):
    with pytest.raises(ConfigError, match=rf"^{name} cannot change at a fork: .*\.$"):
        branch(parent, **{name: value})
    assert name in FIXED and name not in changeable(PPO)


def test_algorithms_that_train_different_networks(parent):
    with pytest.raises(ConfigError, match="only one of them trains a value network"):
        branch(parent, algorithm="reinforce", advantage="returns", bootstrap=False)


def test_no_update_left(parent):
    with pytest.raises(ConfigError, match="n_updates must be above 2, the update of the fork"):
        branch(parent, n_updates=AT)


def test_what_is_offered_makes_a_difference():
    assert set(changeable(PPO)) == OTHER.keys() | {"detach_advantage"}
    vpg = changeable(TrainConfig.fast("vpg"))
    assert not {"clip_eps", "target_kl", "lam"} & set(vpg) and "value_coef" in vpg
    reinforce = changeable(TrainConfig.fast("reinforce"))
    assert not {"value_coef", "bootstrap", "advantage", "algorithm"} & set(reinforce)


# Said and kept ------------------------------------------------------------------------------------


def test_what_is_said(parent):
    assert branch(parent, learning_rate=0.1).describe() == "learning rate 0.025 → 0.1"
    assert branch(parent, bootstrap=False, n_updates=9).describe() == "bootstrap on → off"
    assert branch(parent, n_updates=9).describe() == "nothing changed"
    # The rate of every update depends on the length here.
    annealed = Fork("p", at_the_fork(PPO.replace(anneal_learning_rate=True))[1], PPO)
    assert annealed.describe() == "anneal learning rate on → off"
    longer = branch(annealed.checkpoint, n_updates=9)
    assert longer.describe() == "n updates 5 → 9"
    assert branch(parent, lam=0.5).folder_name("x") == "x-at2-lam-0.5"


def test_a_folder_of_its_own(tmp_path):
    config = PPO.replace(checkpoint_every=2)
    record(tmp_path / "a", config)
    before = {one: one.read_bytes() for one in (tmp_path / "a").rglob("*") if one.is_file()}
    checkpoint = Checkpoint.load(checkpoint_files(tmp_path / "a")[AT])
    fork = Fork("runs/a", checkpoint, config.replace(learning_rate=0.1))
    with RunFolder(tmp_path / "b", fork.config, fork=fork) as folder:
        updates = folder.record(fork.trainer())
        next(updates)
        updates.close()
    kept = json.loads((tmp_path / "b" / "fork.json").read_text())
    changes = {"learning_rate": {"from": 0.025, "to": 0.1}}
    assert kept == {"parent": "runs/a", "update": AT, "changes": changes}
    assert [row["update"] for row in metrics(tmp_path / "b")] == ["3"]
    # Interrupted, and continued as any run: the same numbers as in one go.
    assert latest_checkpoint(tmp_path / "b").update == 3
    go_on(tmp_path / "b")
    with RunFolder(tmp_path / "c", fork.config, fork=fork) as folder:
        list(folder.record(fork.trainer()))
    assert without_time(metrics(tmp_path / "b")) == without_time(metrics(tmp_path / "c"))
    assert json.loads((tmp_path / "b" / "fork.json").read_text()) == kept
    with pytest.raises(RunFolderError, match="already holds a run"):
        RunFolder(tmp_path / "a", checkpoint.config, fork=branch(checkpoint))
    assert {one: one.read_bytes() for one in before} == before


def test_a_job_trains_the_branch(tmp_path, parent):
    fork = branch(parent, learning_rate=0.1)
    job = TrainingJob(fork.config, folder=tmp_path / "branch", fork=fork)
    job.start()
    job.join(60)
    done = job.snapshot()
    assert (done.state, done.error, done.fork) == (JobState.DONE, None, fork)
    assert list(done.stats) == list(fork.trainer().run())
    assert [one.update for one in done.checkpoints] == [AT, 5]
    assert [one.env_steps for one in done.scores] == [AT * 96, 5 * 96]
    assert json.loads((tmp_path / "branch" / "fork.json").read_text())["update"] == AT
