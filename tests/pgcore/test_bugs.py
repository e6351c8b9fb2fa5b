"""Every bug shows its symptom in real training, and its healthy twin does not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from pgcore.bugs import Bug, discover
from pgcore.evaluate import evaluate
from pgcore.train import Trainer

BUGS = discover()


def twins(name: str, **changes: object) -> tuple[Trainer, Trainer]:
    """The healthy and the broken run of a bug, perhaps made smaller."""
    bug = dataclasses.replace(BUGS[name], config=BUGS[name].config.replace(**changes))
    return bug.healthy_run(), bug.broken_run()


def policy_weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in trainer.agent.policy.parameters()])


def moved(trainer: Trainer, updates: int = 3) -> float:
    """How far the policy's weights go in some updates."""
    before = policy_weights(trainer).clone()
    for _ in range(updates):
        trainer.rollout()
        trainer.update()
    return float((policy_weights(trainer) - before).abs().max())


@pytest.mark.parametrize("name", BUGS)
def test_one_thing_differs_and_it_can_be_shown(name: str) -> None:
    bug = BUGS[name]
    ways = [bool(bug.changes), bug.agent is not None, bug.trainer is not Trainer]
    assert sum(ways) == (0 if bug.metric == "reward_per_step" else 1)
    assert bool(bug.difference()) == any(ways)
    assert all((bug.title, bug.symptom, bug.cause, bug.fix))


@pytest.mark.parametrize("name", BUGS)
def test_a_twin_starts_from_the_same_weights(name: str) -> None:
    healthy, broken = twins(name)
    torch.testing.assert_close(policy_weights(healthy), policy_weights(broken), rtol=0, atol=0)


def test_detached_log_probs_leave_the_policy_where_it_was() -> None:
    healthy, broken = twins("detached_log_probs")
    assert moved(healthy) > 0.01
    assert moved(broken) == 0


def test_the_blind_metric_hardly_tells_a_beginner_from_an_expert() -> None:
    assert BUGS["blind_metric"].metric == "reward_per_step"
    healthy, _ = twins("blind_metric")
    stats = list(healthy.run())
    first, last = stats[0], stats[-1]
    assert 0.94 < first.reward_per_step < last.reward_per_step <= 1
    assert np.mean(last.episode_returns or (500,)) > 10 * np.mean(first.episode_returns)


def test_without_the_minus_the_return_falls_below_chance() -> None:
    healthy, broken = twins("missing_minus", n_updates=40)
    untrained = evaluate(broken.agent, "CartPole-v1").mean
    list(healthy.run())
    list(broken.run())
    assert evaluate(healthy.agent, "CartPole-v1").mean > 2 * untrained
    assert evaluate(broken.agent, "CartPole-v1").mean < 0.7 * untrained


def test_broadcast_advantages_cancel() -> None:
    gradients = []
    for trainer in twins("broadcast"):
        seen: list[torch.Tensor] = []
        # Normalised advantages have mean 0, and (B, B) gives every action that mean.
        trainer.recorder = lambda epoch, rows, batch, log_probs, loss, *rest, seen=seen: (
            seen.append(log_probs.grad * len(rows))
        )
        trainer.rollout()
        trainer.update()
        gradients.append(float(seen[0].abs().mean()))
    healthy, broken = gradients
    assert healthy > 0.5
    assert broken < 1e-4


def test_an_attached_advantage_lets_the_policy_loss_push_the_values() -> None:
    for trainer, reached in zip(twins("advantage_not_detached"), (False, True), strict=True):
        traj = trainer.rollout()
        trainer.estimate(traj)
        batch = traj.rows(torch.arange(64))
        values = trainer.agent.predict_values(batch.states)
        log_probs = trainer.agent.distribution(batch.states).log_prob(batch.actions)
        policy_loss = trainer.agent.loss(log_probs, values, batch).policy
        (gradient,) = torch.autograd.grad(policy_loss, values, allow_unused=True)
        assert (gradient is not None and bool((gradient != 0).all())) is reached


def test_leaking_returns_run_on_where_an_episode_ended() -> None:
    for trainer, leaks in zip(twins("leaking_returns"), (False, True), strict=True):
        traj = trainer.rollout()
        ended = traj.terminated.clone()
        ended[-2:] = False  # what follows them is not in the rollout, or only a reset row is
        trainer.estimate(traj)
        assert bool((traj.returns[ended] > 1).all()) is leaks
        assert bool((traj.returns[ended] == 1).all()) is not leaks


def test_reset_rows_are_learned_from_in_the_broken_run_only() -> None:
    used = []
    for trainer in twins("reset_rows"):
        rows: list[torch.Tensor] = []
        trainer.recorder = lambda epoch, index, *rest, rows=rows: rows.append(index)
        traj = trainer.rollout()
        assert not traj.valid.all()
        trainer.update()
        used.append(bool((~traj.valid.flatten()[torch.cat(rows)]).any()))
    assert used == [False, True]


def test_a_time_limit_stops_the_bootstrap_in_the_broken_run_only() -> None:
    for trainer, stops in zip(twins("truncation_as_termination"), (False, True), strict=True):
        traj = trainer.rollout()
        assert not traj.truncated.any()
        traj.truncated[5, 0] = True
        trainer.estimate(traj)
        assert torch.isclose(traj.returns[5, 0], traj.rewards[5, 0]).item() is stops


def test_the_last_row_counts_as_the_end_in_the_broken_run_only() -> None:
    for trainer, ends in zip(twins("last_row"), (False, True), strict=True):
        traj = trainer.rollout()
        alive = ~traj.terminated[-1]
        trainer.estimate(traj)
        # Return minus value plus value: right up to one rounding.
        off = (traj.returns[-1] - traj.rewards[-1]).abs()[alive]
        assert bool((off < 1e-5).all()) is ends


def test_many_epochs_without_a_ratio_run_away() -> None:
    healthy, broken = twins("epochs_without_ratio", n_updates=30)
    entropies = [list(trainer.run())[-1].entropy for trainer in (healthy, broken)]
    assert entropies[1] < 0.5 * entropies[0]


def test_a_ratio_to_itself_never_moves() -> None:
    healthy, broken = (list(trainer.run()) for trainer in twins("stale_ratio", n_updates=5))
    assert all(stats.approx_kl and stats.clip_fraction for stats in healthy)
    assert all(stats.approx_kl == stats.clip_fraction == 0 for stats in broken)


def test_without_min_all_that_is_outside_is_silenced() -> None:
    healthy, broken = (list(trainer.run()) for trainer in twins("clip_without_min", n_updates=8))
    assert all(one.zero_gradient_fraction < one.clip_fraction for one in healthy)
    assert all(one.zero_gradient_fraction == one.clip_fraction for one in broken)
    assert max(one.approx_kl for one in broken) > 3 * max(one.approx_kl for one in healthy)


def test_the_whole_return_is_the_same_on_every_step_of_an_episode() -> None:
    for trainer, same in zip(twins("whole_return"), (False, True), strict=True):
        traj = trainer.rollout()
        trainer.estimate(traj)
        first_end = int(traj.terminated[:, 0].nonzero()[0])
        episode = traj.returns[: first_end + 1, 0]
        assert bool((episode == episode[0]).all()) is same


def test_two_softmaxes_are_never_sure() -> None:
    healthy, broken = twins("softmax_twice")
    far = torch.tensor([[0.0, 50.0, 0.0, 50.0]])
    for trainer, sure in ((healthy, True), (broken, False)):
        # A policy as decided as it can be: the last layer scaled up.
        with torch.no_grad():
            trainer.agent.policy[2].weight.mul_(1000)
        most = float(trainer.agent.distribution(far).probs.detach().max())
        assert (most > 0.99) is sure
        assert sure or most <= float(torch.sigmoid(torch.tensor(1.0))) + 1e-6


def test_greedy_actions_are_the_most_likely_ones_every_time() -> None:
    for trainer, greedy in zip(twins("argmax"), (False, True), strict=True):
        traj = trainer.rollout()
        likeliest = trainer.agent.policy(traj.states).argmax(-1)
        assert bool((likeliest == traj.actions).all()) is greedy


def test_a_file_without_a_bug_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import pgcore.bugs.argmax as module

    monkeypatch.delattr(module, "BUG")
    with pytest.raises(ImportError, match=r"argmax\.py must define BUG"):
        discover()
    assert isinstance(BUGS["argmax"], Bug)
