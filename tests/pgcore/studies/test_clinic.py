"""What gives a bug away is there in the broken run, and not in its twin."""

from __future__ import annotations

import math

import pytest

from pgcore.bugs import discover
from pgcore.studies import clinic

BUGS = discover()


def facts(name: str) -> dict[str, tuple[str, str]]:
    rows = clinic.evidence(name)
    assert list(rows.columns) == ["what", "healthy", "broken"]
    return {what: (healthy, broken) for what, healthy, broken in rows.itertuples(index=False)}


@pytest.mark.parametrize("name", BUGS)
def test_the_twins_differ_in_it(name):
    differ = any(healthy != broken for healthy, broken in facts(name).values())
    assert differ is (BUGS[name].metric == "episode_return")


@pytest.mark.parametrize(
    ("name", "what", "broken"),
    [
        ("detached_log_probs", "Largest gradient by a log-probability, times B", "0"),
        ("detached_log_probs", "Largest move of a policy weight in one update", "0"),
        ("missing_minus", "Good actions (A > 0) made more likely", "0%"),
        ("stale_ratio", "Largest |ratio − 1| in the loss", "0"),
        ("epochs_without_ratio", "Passes over one rollout", "10"),
        ("argmax", "Actions that were the policy's likeliest", "100%"),
        (
            "softmax_twice",
            "Largest probability with last layer × 1000",
            f"{math.e / (math.e + 1):.3f}",
        ),
        ("truncation_as_termination", "Its return, with what would follow", "1.00"),
        ("last_row", "Mean return on the last row, after 10 updates", "1.00"),
    ],
)
def test_what_the_broken_run_shows(name, what, broken):
    healthy, shown = facts(name)[what]
    assert shown == broken != healthy


@pytest.mark.parametrize(
    ("name", "what", "healthy"),
    [
        ("advantage_not_detached", "Mean d(policy loss) / dV, times B", "0"),
        ("reset_rows", "Reset rows in the loss", "0"),
        ("missing_minus", "Good actions (A > 0) made more likely", "100%"),
        ("leaking_returns", "Mean return from them on", "1.0"),
        ("whole_return", "Return credited to its last step", "1.00"),
        ("epochs_without_ratio", "Passes over one rollout", "1"),
    ],
)
def test_what_the_healthy_run_shows(name, what, healthy):
    shown, broken = facts(name)[what]
    assert shown == healthy != broken


def test_the_broadcast_is_seen_in_the_shapes():
    shown = facts("broadcast")
    flat, flat_too = shown["log_probs"]
    size = flat.strip("(,)")
    assert flat == flat_too == f"({size},)"
    assert shown["advantages"] == (f"({size},)", f"({size}, 1)")
    assert shown["log_probs * advantages"] == (f"({size},)", f"({size}, {size})")


def test_the_whole_return_is_the_same_at_both_ends():
    shown = facts("whole_return")
    first, last = "Return credited to its first step", "Return credited to its last step"
    assert shown[first][0] == shown[first][1] == shown[last][1]


def test_without_min_all_outside_are_silenced():
    shown = facts("clip_without_min")
    outside, silent = shown["Samples outside the range"], shown["Samples without a gradient"]
    assert outside[1] == silent[1]
    assert outside[0] != silent[0]


def test_the_diff_of_an_override_shows_what_it_adds():
    head, *lines = BUGS["truncation_as_termination"].difference().splitlines()[2:]
    assert head == " def estimate(self, traj: TrajData) -> Tensor | None:"
    assert lines == [
        "+    traj.terminated = traj.terminated | traj.truncated",
        "     return super().estimate(traj)",
    ]
    assert BUGS["softmax_twice"].difference().count("\n-") == 0
    removed = [line for line in BUGS["broadcast"].difference().splitlines() if line[:1] == "-"]
    assert "-    advantages = self.advantages(traj, values)" in removed
