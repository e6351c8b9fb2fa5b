"""Chapter 6: TD errors and their sum."""

from __future__ import annotations

import torch

from pgcore.questions.base import Asked, Link, Question, Rng, Topic, column, listed, pick, shown
from pgcore.questions.number import Number, Trap
from pgcore.returns import gae, td_errors
from pgcore.studies.gae import td_weights

TOPIC = Topic("gae", "6 · GAE", 7)


def _delta(reward: float, value: float, following: float, ends: bool, gamma: float) -> float:
    rows = column(reward), column(value), column(following), column(float(ends))
    return float(td_errors(*rows, gamma))


def _td_error(rng: Rng) -> Asked:
    gamma, reward = pick(rng, 0.9, 0.95), float(pick(rng, 1, 2, 3))
    value, following = float(pick(rng, 8, 9, 12)), float(pick(rng, 7, 10, 11))
    delta = _delta(reward, value, following, False, gamma)
    return Asked(
        f"The reward is {reward:g}, $V(s_t)$ = {value:g}, $V(s_{{t+1}})$ = {following:g}, γ = "
        f"{gamma:g}; the episode goes on. What is the TD error $\\delta_t$?",
        Number(
            delta,
            (
                Trap(
                    _delta(reward, 0.0, following, False, gamma),
                    "The target for the error",
                    "That is what V should have said. The error is what it said subtracted.",
                ),
                Trap(
                    _delta(reward, value, following, True, gamma),
                    "No bootstrap",
                    "The episode goes on: what follows is worth $V(s_{t+1})$.",
                ),
                Trap(
                    _delta(reward, value, following, False, 1.0),
                    "No discount",
                    "What follows is one step away: it counts γ times.",
                ),
                Trap(
                    -delta,
                    "The sign",
                    "Better than expected is positive: target minus estimate.",
                ),
            ),
        ),
        f"δ = r + γV(s′) − V(s) = {reward:g} + {gamma:g} · {following:g} − {value:g} = "
        f"{shown(delta)}.",
        Link("gae", "where the TD errors of a real rollout are listed"),
    )


def _limit(rng: Rng) -> Asked:
    gamma, value = 0.9, float(pick(rng, 8, 9, 12))
    following = float(pick(rng, 10, 11, 13))
    cut = pick(rng, True, False)
    delta = _delta(1.0, value, following, not cut, gamma)
    other = _delta(1.0, value, following, cut, gamma)
    how = (
        "the **time limit** cut the episode: truncated, not terminated"
        if cut
        else "the pole **fell**: terminated"
    )
    trap = "Truncation taken for termination" if cut else "Bootstrapping past a terminal state"
    why = (
        "The world would have gone on; only the clock stopped. The final observation keeps its "
        "value."
        if cut
        else "Nothing follows a fall. Whatever the network says about that state, it is worth 0."
    )
    return Asked(
        f"In this step {how}. The reward is 1, $V(s_t)$ = {value:g}, and the value network says "
        f"{following:g} for the final observation. γ = {gamma:g}. What is $\\delta_t$?",
        Number(
            delta,
            (
                Trap(other, trap, why),
                Trap(
                    1.0 - value + gamma * value,
                    "The wrong state's value",
                    "The bootstrap takes the value of the *next* observation, not of this one.",
                ),
                Trap(
                    -delta,
                    "The sign",
                    "Better than expected is positive: target minus estimate.",
                ),
            ),
        ),
        why + f" δ = {shown(delta)}.",
        Link(
            "gae",
            "where termination and truncation can be switched",
            {"ending": "the time limit cuts" if cut else "the pole falls"},
        ),
        "The homework computes `done = terminated | truncated` and treats both as the end. An "
        "agent that balances to the limit is then told that its success is a fall.",
    )


def _two_steps(rng: Rng) -> Asked:
    gamma, lam = pick(rng, 0.9, 0.8), pick(rng, 0.5, 0.9)
    deltas = [float(each) for each in rng.permutation([1, -2, 3])]
    zero, rows = torch.zeros(3, 1, dtype=torch.float64), column(*deltas)
    ends = column(0.0, 0.0, 1.0)

    def first(gamma: float, lam: float) -> float:
        return float(gae(rows, zero, zero, ends, zero, gamma, lam)[0])

    value = first(gamma, lam)
    return Asked(
        f"The last three TD errors of an episode are {listed(deltas)}. γ = {gamma:g}, λ = {lam:g}. "
        "What is GAE's advantage of the **first** of these steps?",
        Number(
            value,
            (
                Trap(deltas[0], "λ = 0", "That is the TD error alone."),
                Trap(
                    first(gamma, 1.0),
                    "λ = 1",
                    "That is the full return minus V: each further error counts γλ times, not γ.",
                ),
                Trap(
                    first(1.0, lam),
                    "γ left out",
                    "Both fade the errors: one step further counts γλ times.",
                ),
                Trap(
                    float((1 - lam) * value),
                    "Normalising once more",
                    "The weights (1 − λ)λⁿ⁻¹ belong to the n-step advantages. In TD errors that "
                    "factor has cancelled.",
                ),
                Trap(sum(deltas), "No fading", "Each step further counts γλ times."),
            ),
        ),
        f"γλ = {shown(gamma * lam)}: "
        + " + ".join(
            f"{shown((gamma * lam) ** k)} · ({shown(delta)})" for k, delta in enumerate(deltas)
        )
        + f" = {shown(value)}.",
        Link("gae", "where each TD error's weight is a bar", {"lam": f"{lam:g}"}),
    )


def _weight(rng: Rng) -> Asked:
    gamma, lam, ahead = pick(rng, 0.99, 0.9), pick(rng, 0.95, 0.8, 0.5), pick(rng, 2, 3, 4)
    value = float(td_weights(torch.ones(6, dtype=torch.bool), gamma, lam)[0, ahead])
    return Asked(
        f"γ = {gamma:g}, λ = {lam:g}. How much does the TD error **{ahead} steps later** count in "
        "an advantage?",
        Number(
            value,
            (
                Trap(lam**ahead, "γ left out", "The fading is (γλ)ᵏ: reward time counts too."),
                Trap(gamma**ahead, "λ left out", "That is its weight at λ = 1."),
                Trap(
                    (1 - lam) * lam ** (ahead - 1),
                    "The n-step weight",
                    "That is what the n-step *advantage* counts. A TD error sits in all the longer "
                    "ones.",
                ),
                Trap(
                    (gamma * lam) ** (ahead - 1),
                    "One step off",
                    "This step's own error has weight 1.",
                ),
                Trap(
                    (gamma * lam) ** (ahead + 1),
                    "One step off",
                    "This step's own error has weight 1.",
                ),
            ),
        ),
        f"(γλ)^{ahead} = {shown(value)}, read off `pgcore.returns.gae` itself.",
        Link("gae", "where the weights fade", {"lam": f"{lam:g}"}),
    )


QUESTIONS = (
    Question("td_error", "A TD error", _td_error),
    Question("fall_or_limit", "A fall or the time limit", _limit),
    Question("three_errors", "GAE of three TD errors", _two_steps),
    Question("weight_ahead", "A weight, some steps ahead", _weight),
)
