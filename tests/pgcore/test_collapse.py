"""Why did it collapse: small cases by hand, runs made to collapse, and healthy ones."""

from __future__ import annotations

import dataclasses
import math
from functools import cache
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgcore.collapse import CALM, EPISODES, NORMS, Incident, diagnose
from pgcore.config import ALGORITHMS, TrainConfig
from pgcore.environments import OFFERED
from pgcore.evaluate import evaluate
from pgcore.stats import UpdateStats
from pgcore.symptoms import CERTAIN, KL_JUMP, RULES, WORSE, likely_cause
from pgcore.train import Trainer

# So many rows that every update alone has enough episodes behind it.
CONFIG = TrainConfig.fast("ppo", n_envs=512, n_steps=32)
ROWS = CONFIG.rows_per_update


def update(number: int, level: float = 20, episodes: int | None = None, **changes) -> UpdateStats:
    """An update of CartPole whose episodes all had one return, and nothing remarkable."""
    count = round(ROWS / level) if episodes is None else episodes
    fields = {
        "update": number,
        "env_steps": ROWS * number,
        "seconds": 0.5 * number,
        "episode_returns": (level,) * count,
        "episode_lengths": (int(level),) * count,
        "reward_per_step": 1.0,
        "policy_loss": -0.1,
        "value_loss": 0.1,
        "entropy": 0.6,
        "approx_kl": 0.01,
        "clip_fraction": 0.1,
        "zero_gradient_fraction": 0.05,
        "ratio_spread": 0.1,
        "explained_variance": 0.8,
        "grad_norm": 0.5,
        "learning_rate": 0.01,
    }
    return UpdateStats(**fields | changes)


def run(levels: list[float], **at: dict) -> list[UpdateStats]:
    """One update a level; at={"u3": {...}} changes update 3."""
    return [update(i, level, **at.get(f"u{i}", {})) for i, level in enumerate(levels, start=1)]


def rules(stats, config: TrainConfig = CONFIG) -> list[tuple[str, int]]:
    return [(one.rule, one.update) for one in diagnose(stats, config)]


GOOD = [20, 100, 200, 300, 400, 480]


def test_nothing_to_say():
    assert diagnose([], CONFIG) == ()
    assert rules(run(GOOD + [500] * 40)) == []


@pytest.mark.parametrize(
    ("meter", "below", "above", "rule"),
    [
        ("approx_kl", KL_JUMP, KL_JUMP + 0.01, "kl"),
        ("ratio_spread", 1.0, 1.01, "ratio_spread"),
        ("approx_kl", None, math.inf, "kl"),
        ("ratio_spread", None, math.nan, "ratio_spread"),
    ],
)
def test_a_meter_past_its_threshold(meter, below, above, rule):
    assert rules(run([20] * 5, u3={meter: below})) == []
    (found,) = diagnose(run([20] * 5, u3={meter: above}), CONFIG)
    assert (found.rule, found.update, found.env_steps) == (rule, 3, 3 * ROWS)
    assert found.value == above or (math.isnan(above) and found.value == math.inf)
    assert found.chapter == RULES[rule] == "ppo_clip"
    assert "nan" not in found.what and "inf" not in found.what


def test_a_burst_of_the_gradient_needs_updates_to_compare_with():
    assert rules(run([20] * 30, u5={"grad_norm": 50.0})) == []
    (found,) = diagnose(run([20] * 30, u20={"grad_norm": 50.0}), CONFIG)
    assert (found.rule, found.update, found.value) == ("grad_norm", 20, 100)
    assert rules(run([20] * 30, u20={"grad_norm": 9.9})) == []
    dead = {f"u{i}": {"grad_norm": 0.0} for i in range(1, 20)}
    assert rules(run([20] * 30, **dead)) == []
    assert NORMS < 20


def test_next_to_nothing_every_gradient_is_large():
    """A solved task leaves no gradient; the rest of the run says what is usual."""
    solved = {f"u{i}": {"grad_norm": 0.001} for i in range(20, 40)}
    assert rules(run([20] * 45, **solved, u40={"grad_norm": 0.5})) == []
    assert rules(run([20] * 45, **solved, u40={"grad_norm": 11.0})) == [("grad_norm", 40)]


def test_a_certain_policy_is_trouble_while_its_return_is_poor():
    certain = {"entropy": (CERTAIN - 0.01) * math.log(2)}
    (found,) = diagnose(run([20] * 6, u4=certain), CONFIG)
    assert (found.rule, found.update, found.chapter) == ("entropy", 4, "log_probs")
    assert found.value == pytest.approx(CERTAIN - 0.01) and found.threshold == CERTAIN
    assert "9% of its maximum" in found.what
    assert rules(run(GOOD, u6=certain)) == []
    # Three actions: a larger maximum.
    acrobot = CONFIG.replace(env_id="Acrobot-v1")
    assert rules(run([20] * 6, u4={"entropy": 0.105}), acrobot) == []


def test_a_value_network_worse_than_a_constant_is_trouble_after_a_fall():
    worse = {"explained_variance": WORSE - 0.5}
    assert rules(run([20] * 6, u4=worse)) == []
    assert rules(run(GOOD + [500] * 9, u12=worse)) == []
    assert rules(run([*GOOD, 100, 100], u7=worse)) == [("explained_variance", 7), ("return", 7)]
    # Before the fall, where returns hardly varied, it explains nothing.
    assert rules(run([*GOOD, 500, 100], u7=worse)) == []


def test_a_fall_is_told_with_its_cause():
    jump, wide = {"approx_kl": 0.5}, {"ratio_spread": 2.0}
    stats = run([*GOOD, 480, 100], u5=wide, u6=jump)
    *_, fall = diagnose(stats, CONFIG)
    assert (fall.rule, fall.update, fall.value, fall.chapter) == ("return", 8, 100, "ppo_clip")
    assert "from 480 to 100" in fall.what
    assert "approximate KL 0.5 nats" in fall.what
    # Half of what had been gained is the line.
    assert rules(run([*GOOD, 480, 260], u6=jump)) == [("kl", 6)]


def test_a_fall_without_a_sign_or_long_after_it_is_not_explained():
    assert rules(run([*GOOD, 100, 100])) == []
    assert rules(run([*GOOD, *[480] * 20, 100], u6={"approx_kl": 0.5})) == [("kl", 6)]


def test_a_run_that_was_never_good_cannot_fall():
    assert rules(run([20, 200, 40], u2={"approx_kl": 0.5})) == [("kl", 2)]


def test_many_time_limits_at_once_are_no_fall():
    """512 episodes of 500 steps end in one rollout of 32 steps: rewards by episode say 32."""
    stats = [*run(GOOD + [500] * 6, u11={"approx_kl": 0.5}), update(13, 500, episodes=512)]
    assert rules(stats) == [("kl", 11)]


def test_long_episodes_that_rollouts_cut_off_are_no_fall():
    """Only failures end: the mean of 20 ended episodes is low, and the agent is good."""
    jump = {"approx_kl": 0.5}
    stats = [*run(GOOD, u6=jump), update(7, 60, episodes=EPISODES // 10)]
    stats += [update(i, 60, episodes=2) for i in range(8, 17)]
    assert rules(stats) == [("kl", 6)]


def test_each_rule_speaks_once_an_episode_of_trouble():
    jump = {"approx_kl": 0.5}
    near = {f"u{i}": jump for i in (3, 4, 8, 18)}
    assert rules(run([20] * 40, **near)) == [("kl", 3)]
    assert rules(run([20] * 40, **near, u29=jump)) == [("kl", 3), ("kl", 29)]
    assert CALM == 10


def test_an_environment_that_is_not_offered_has_no_rule_about_the_return():
    other = CONFIG.replace(env_id="MountainCar-v0")
    certain = {"entropy": 0.0}
    assert rules(run([*GOOD, 100], u6=certain), other) == []
    assert rules(run([*GOOD, 100], u6={"approx_kl": 0.5}), other) == [("kl", 6)]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"learning_rate": 0.75}, "the learning rate, 0.75, is 30 times the fast preset's"),
        ({"learning_rate": 0.05, "clip_eps": 0.9}, "with ε = 0.9, the clip"),
        ({"n_epochs": 10}, "20 gradient steps on one rollout, where the fast preset takes 4"),
        ({}, "a lower learning rate"),
        ({"seed": 3, "n_envs": 33}, "a lower learning rate"),
    ],
)
def test_the_likely_cause(changes, says):
    assert says in likely_cause(TrainConfig.fast("ppo", **changes))


def test_the_likely_cause_compares_with_the_nearest_preset():
    hot = TrainConfig.homework("vpg", learning_rate=0.012)
    assert "12 times the homework preset's" in likely_cause(hot)


# The same for any numbers -------------------------------------------------------------------------

NUMBER = st.floats(-5, 5) | st.sampled_from([math.inf, math.nan])
UPDATES = st.lists(
    st.builds(
        dict,
        level=st.sampled_from([10, 100, 250, 475, 500]),
        entropy=st.sampled_from([0.0, 0.05, 0.2, 0.69]),
        approx_kl=st.none() | NUMBER,
        ratio_spread=st.none() | NUMBER,
        explained_variance=st.none() | st.floats(-5, 1),
        grad_norm=st.sampled_from([0.0, 0.1, 1.0, 50.0]),
    ),
    max_size=40,
)


@settings(max_examples=40)
@given(UPDATES)
def test_a_longer_run_takes_nothing_back(updates):
    stats = [update(i, episodes=EPISODES, **fields) for i, fields in enumerate(updates, start=1)]
    assert_told_once(stats, CONFIG)


def assert_told_once(stats: list[UpdateStats], config: TrainConfig) -> tuple[Incident, ...]:
    """What diagnose says, after checking that it says it as it happens, and once."""
    told = diagnose(stats, config)
    for i in range(len(stats) + 1):
        known = diagnose(stats[:i], config)
        assert known == told[: len(known)]
        assert [one for one in told if one.update <= i] == list(known)
    for rule in RULES:
        at = [one.update for one in told if one.rule == rule]
        assert all(later - before > CALM for before, later in pairwise(at))
    return told


# Runs made to collapse ----------------------------------------------------------------------------


@cache
def trained(config: TrainConfig, first: int | None = None) -> tuple[UpdateStats, ...]:
    """The first updates of a run."""
    return tuple(islice(Trainer(config).run(), first))


def first_at(told: tuple[Incident, ...], rule: str) -> int:
    return min((one.update for one in told if one.rule == rule), default=10_000)


@pytest.mark.parametrize("seed", range(4))
def test_a_learning_rate_far_too_high(seed):
    config = TrainConfig.fast("ppo", learning_rate=0.75, seed=seed)
    told = assert_told_once(list(trained(config, 8)), config)
    assert first_at(told, "kl") == 1
    assert first_at(told, "entropy") <= 6
    assert all("30 times the fast preset's" in one.cause for one in told)


@pytest.mark.parametrize("seed", range(3))
def test_no_clip_and_many_epochs(seed):
    config = TrainConfig.fast("ppo", seed=seed, clip_eps=0.99, n_epochs=10, learning_rate=0.0625)
    told = assert_told_once(list(trained(config, 12)), config)
    assert first_at(told, "kl") <= 3
    assert first_at(told, "ratio_spread") <= 12
    assert all("with ε = 0.99" in one.cause for one in told)


@pytest.mark.parametrize("algorithm", ["reinforce", "vpg", "gae"])
def test_the_entropy_is_gone(algorithm):
    """One gradient step a rollout: no ratio, no KL, and yet the policy is certain and bad."""
    for seed in range(2):
        config = TrainConfig.fast(algorithm, seed=seed, learning_rate=0.36, n_updates=80)
        told = assert_told_once(list(trained(config, 14)), config)
        assert first_at(told, "entropy") <= 14
        assert {one.chapter for one in told if one.rule == "entropy"} == {"log_probs"}


def test_a_good_agent_falls():
    """Ten times the learning rate learns fast, and unlearns: 6 of 8 seeds did within 45 updates."""
    falls = []
    for seed in (0, 2, 3):
        config = TrainConfig.fast("gae", seed=seed, learning_rate=0.12, n_updates=80)
        told = assert_told_once(list(trained(config, 36)), config)
        falls += [one for one in told if one.rule == "return"][:1]
    # Not all: another machine rounds differently, and such runs are chaotic.
    assert falls
    for one in falls:
        assert one.value < one.threshold and "before it, " in one.what and one.chapter


# Healthy runs -------------------------------------------------------------------------------------


def whole(config: TrainConfig) -> tuple[tuple[UpdateStats, ...], float]:
    """A run, and how far it led from an untrained agent's return (0) to a solved one (1)."""
    trainer = Trainer(config)
    stats = tuple(trainer.run())
    env = OFFERED[config.env_id]
    achieved = evaluate(trainer.agent, config.env_id).mean
    return stats, (achieved - env.untrained) / (env.solved_at - env.untrained)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_healthy_runs_are_silent(algorithm):
    updates = {"ppo": 30, "reinforce": 15}.get(algorithm, 25)
    for seed in range(5):
        config = TrainConfig.fast(algorithm, seed=seed)
        assert diagnose(trained(config, updates), config) == ()


@pytest.mark.parametrize(("algorithm", "seed"), [("gae", 2), ("gae", 8), ("gae", 9), ("vpg", 5)])
def test_a_dip_that_a_healthy_run_recovers_from(algorithm, seed):
    """These lose more than half of their return once they were good, and come back."""
    config = TrainConfig.fast(algorithm, seed=seed)
    stats, learned = whole(config)
    assert learned > 0.9
    assert diagnose(stats, config) == ()


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Acrobot-v1"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_whole_runs_that_learn_are_silent_and_those_that_never_did_are_told(algorithm, env_id):
    healthy = []
    for seed in range(20 if env_id == "CartPole-v1" else 5):
        config = TrainConfig.fast(algorithm, seed=seed, env_id=env_id)
        stats, learned = whole(config)
        told = diagnose(stats, config)
        if learned > 0.9:
            assert told == (), seed
            healthy.append(seed)
        elif learned < 0.01:
            assert told, seed
    # The fast presets are made for CartPole; GAE's learns Acrobot for 1 seed of these 5.
    assert len(healthy) >= (19 if env_id == "CartPole-v1" else 1)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_homework_is_silent(algorithm):
    for seed in range(3):
        config = TrainConfig.homework(algorithm, seed=seed)
        stats, learned = whole(config)
        assert diagnose(stats, config) == (), seed
        # Of 250 iterations only PPO's are enough; the others are on their way.
        assert learned > (0.9 if algorithm == "ppo" else 0.4), seed


def test_incidents_are_frozen():
    (one,) = diagnose(run([20], u1={"approx_kl": 1.0}), CONFIG)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.update = 3
