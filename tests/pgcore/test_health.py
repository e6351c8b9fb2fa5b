"""Each check fires on real sick runs, and is silent on their healthy twins."""

from __future__ import annotations

from itertools import islice

import pytest
from torch import Tensor

from pgcore import health
from pgcore.bugs import discover
from pgcore.config import ALGORITHMS, PRESETS, TrainConfig
from pgcore.health import meters
from pgcore.train import Trainer
from pgcore.trajectory import TrajData

BUGS = discover()
# Bug -> what must fire, and how many updates that takes; None: the whole run.
FIRES = {
    "advantage_not_detached": ({"Policy loss pushes the values"}, 1),
    "argmax": ({"Actions not sampled from the policy"}, 1),
    "broadcast": ({"Tiny gradient on the policy", "Pushes do not follow the advantages"}, 1),
    "clip_without_min": ({"No way back from outside the range", "Approximate KL too high"}, 15),
    "detached_log_probs": ({"No gradient reaches the policy"}, 1),
    "epochs_without_ratio": ({"Rows reused without a ratio", "Approximate KL too high"}, 2),
    "last_row": ({"Last row taken for an end", "Explained variance low all along"}, None),
    "leaking_returns": ({"Returns leak across episodes"}, 1),
    "missing_minus": ({"Pushes do not follow the advantages"}, 1),
    "reset_rows": ({"Reset rows in the loss"}, 1),
    "softmax_twice": ({"Network puts out probabilities", "Entropy stuck near its maximum"}, None),
    "stale_ratio": ({"Ratio stuck at 1", "Approximate KL too high"}, 2),
    "truncation_as_termination": ({"Time limit taken for an end"}, 1),
    "whole_return": ({"Returns count what came before"}, 1),
}
# The run is right, and only what its author looks at is wrong: nothing in the run can show it.
SILENT = {"blind_metric"}
HEALTHY = {BUGS[name].config.to_json(): name for name in (*FIRES, *SILENT)}


def fired(trainer: Trainer, updates: int | None = None) -> set[str]:
    """The names of the checks that fire on a run, at its end or on the way."""
    first, seen = health.probe(trainer)
    stats, names = [], set()
    for one in (first, *islice(trainer.run(), updates and updates - 1)):
        stats.append(one)
        found = health.check(stats, seen, trainer.n_actions, trainer.config.n_updates)
        names |= {each.name for each in found if each.fired}
    return names


@pytest.mark.parametrize("name", FIRES)
def test_fires(name):
    names, updates = FIRES[name]
    assert fired(BUGS[name].broken_run(), updates) >= names


@pytest.mark.parametrize("name", HEALTHY.values())
def test_silent_on_healthy_twins(name):
    assert not fired(BUGS[name].healthy_run())


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_the_presets_do_wrong(algorithm, preset):
    """The corrected trainer passes every test; the assignment's faults are found, and no others."""
    small = {"n_envs": 32, "n_steps": 64, "seed": 3}
    _, seen = health.probe(Trainer(TrainConfig.preset(preset, algorithm, **small)))
    faults = {each.name for each in seen.tests if each.fired}
    expected = set()
    if preset == "homework":
        expected = {"Reset rows in the loss"}
        if algorithm != "reinforce":
            expected |= {"Time limit taken for an end", "Last row taken for an end"}
        if algorithm in ("vpg", "ppo"):
            expected |= {"Policy loss pushes the values"}
    assert faults == expected


def test_every_bug_is_accounted_for():
    assert {*FIRES, *SILENT} == set(BUGS)
    assert not any(test.fired for test in probed("blind_metric").tests)


def probed(name: str) -> health.Probe:
    _, seen = health.probe(BUGS[name].broken_run())
    return seen


class ShiftedTrainer(Trainer):
    """A trainer whose stored log-probabilities are not those of the policy that acted."""

    def estimate(self, traj: TrajData) -> Tensor | None:
        values = super().estimate(traj)
        traj.log_probs = traj.log_probs + 0.1
        return values


def test_a_ratio_that_does_not_start_at_one():
    name = "Ratio not 1 on the first minibatch"
    config = TrainConfig.fast("ppo")
    assert name in fired(ShiftedTrainer(config), 1)
    assert name not in fired(Trainer(config), 1)


def test_a_probed_update_is_the_update():
    config = TrainConfig.fast("ppo", n_updates=2)
    probed = Trainer(config)
    stats, seen = health.probe(probed)
    assert [stats, *probed.run()] == list(Trainer(config).run())
    assert probed.recorder is None
    assert (seen.epochs, seen.first_ratio) == (2, 0)
    assert seen.steps == 4
    assert 0 < seen.kl < meters.FAR < 1
    assert seen.later_ratio is not None and seen.later_ratio > 0.1


def test_nothing_is_said_too_early():
    bug = BUGS["missing_minus"]
    stats, seen = health.probe(bug.healthy_run())
    found = {each.name: each for each in health.check([stats], seen, 2, bug.config.n_updates)}
    assert not any(each.fired for each in found.values())
    assert found["Explained variance low all along"].value is None
    assert found["Explained variance low all along"].waits
    assert found["Ratio stuck at 1"].value is None
    assert found["Entropy collapsed"].value == pytest.approx(1, abs=0.02)
    with pytest.raises(ValueError, match="before the first update"):
        health.check([], seen, 2, 1)


def test_a_slow_value_network_is_not_taken_for_a_broken_one():
    assert not fired(BUGS["advantage_not_detached"].healthy_run(seed=2))
