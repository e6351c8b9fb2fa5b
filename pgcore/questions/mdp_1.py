"""Chapter 1: returns, values and the loop."""

from __future__ import annotations

import torch

from pgcore.mdp import (
    TabularMDP,
    state_values,
    uniform_policy,
)
from pgcore.questions.answers import Choice, Item, Option, Order
from pgcore.questions.base import Asked, Link, Question, Rng, Topic, column, listed, pick, shown
from pgcore.questions.number import Number, Trap
from pgcore.returns import discounted_returns
from pgcore.studies.discounting import effective_horizon

TOPIC = Topic("mdp", "1 · Decision processes", 2)


def _return(rewards: list[float], gamma: float) -> float:
    rows = column(*rewards)
    return float(discounted_returns(rows, torch.ones_like(rows), gamma)[0])


def _discounted(rng: Rng) -> Asked:
    gamma = pick(rng, 0.5, 0.8, 0.9)
    rewards = [float(each) for each in rng.integers(1, 6, size=4)]
    value = _return(rewards, gamma)
    return Asked(
        f"An episode pays {listed(rewards)} and ends. γ = {gamma:g}. What is the return $R_0$, "
        "from the first step on?",
        Number(
            value,
            (
                Trap(sum(rewards), "No discount", "Each step of waiting costs a factor γ."),
                Trap(
                    gamma * value,
                    "Discounting the first reward",
                    "The first reward is paid now: its weight is γ⁰ = 1.",
                ),
                Trap(
                    _return(rewards[::-1], gamma),
                    "Discounting from the wrong end",
                    "The latest reward is discounted most, not the earliest.",
                ),
            ),
        ),
        "$R_0=\\sum_t\\gamma^t r_t$ = "
        + " + ".join(f"{reward:g} · {shown(gamma**t)}" for t, reward in enumerate(rewards))
        + f" = {shown(value)}.",
        Link(
            "mdp",
            "where each reward's weight is a bar",
            {"horizon": f"{effective_horizon(gamma):g}"},
        ),
    )


def _loop(rng: Rng) -> Asked:
    gamma, stop, pay = pick(rng, 0.9, 0.95, 0.99), pick(rng, 0.1, 0.2, 0.25), pick(rng, 1.0, 2.0)
    moves = torch.tensor([[[1 - stop, stop]], [[0.0, 1.0]]], dtype=torch.float64)
    mdp = TabularMDP(
        moves,
        torch.full_like(moves, pay),
        torch.tensor([1.0, 0.0], dtype=torch.float64),
        torch.tensor([False, True]),
    )
    value, endless, undiscounted = (
        float(state_values(world, uniform_policy(world), discount)[0])
        for world, discount in ((mdp, gamma), (_endless(pay), gamma), (mdp, 1.0))
    )
    return Asked(
        f"In a state, every step pays {pay:g}; then the episode ends with probability {stop:g} and "
        f"otherwise you are in the same state again. γ = {gamma:g}. What is the value of the "
        f"state?",
        Number(
            value,
            (
                Trap(
                    endless,
                    "Forgetting the end",
                    "That is the value if the episode never ended: r / (1 − γ).",
                ),
                Trap(
                    undiscounted,
                    "Forgetting the discount",
                    "That is the expected number of steps times the reward.",
                ),
                Trap(pay, "The next reward only", "What follows counts too, discounted."),
            ),
        ),
        f"$V = r + \\gamma\\,(1-p)\\,V$, so $V = r/(1-\\gamma(1-p))$ = {shown(value)}. A chance "
        "to end works like a smaller γ.",
        Link("mdp", "where exact values come from a linear solve"),
    )


def _endless(pay: float) -> TabularMDP:
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    return TabularMDP(one, pay * one, one.flatten(), torch.tensor([False]))


def _patience(rng: Rng) -> Asked:
    gamma, wait = pick(rng, 0.8, 0.9, 0.95), pick(rng, 3, 5, 8)
    weight = _return([0.0] * wait + [1.0], gamma)
    late = pick(rng, 0.7, 1.4) / weight
    late = round(late, 1)
    worth = late * weight
    waits = worth > 1
    return Asked(
        f"Plan **now** pays 1 at once. Plan **later** pays {late:g}, but {wait} steps later. "
        f"γ = {gamma:g}. Which does the objective prefer?",
        Choice(
            (
                Option(
                    "later",
                    f"Discounted, it is worth {shown(worth, 3)}, against 1."
                    if waits
                    else f"Discounted, it is worth only {shown(worth, 3)}, less than 1.",
                    "" if waits else "The larger sum taken for the larger return",
                ),
                Option(
                    "now",
                    f"Discounted, the other plan is worth {shown(worth, 3)}, more than 1."
                    if waits
                    else f"Discounted, the other plan is worth only {shown(worth, 3)}.",
                    "Discounting taken for impatience at any price" if waits else "",
                ),
                Option(
                    "neither: both pay in the end",
                    "With γ below 1 the moment counts. Only at γ = 1 it does not, and then the "
                    "larger sum wins.",
                    "No discount",
                ),
            )
        ),
        f"$\\gamma^{{{wait}}} = {shown(weight)}$, so {late:g} in {wait} steps is worth "
        f"{late:g} · {shown(weight)} = {shown(worth, 3)} now.",
        Link(
            "mdp",
            "where the discount decides what a late reward is worth",
            {"horizon": f"{effective_horizon(gamma):g}"},
        ),
    )


_LOOP = Asked(
    "Put one pass of the loop between agent and environment in order.",
    Order(
        (
            Item(
                "the agent observes the state", "Without an observation there is nothing to act on."
            ),
            Item("the policy turns it into logits", "The network reads the observation first."),
            Item(
                "an action is sampled", "It is drawn from the distribution that the logits define."
            ),
            Item("the environment takes a step", "It needs the action."),
            Item("a reward and the next state come back", "They are what the step returns."),
            Item("the row is stored", "A row holds the action and the reward that it brought."),
        )
    ),
    "After T such passes the rows are a rollout: the data of one update.",
    Link("mdp", "where you can be the agent yourself"),
)

QUESTIONS = (
    Question("discounted_return", "A discounted return", _discounted),
    Question("value_of_a_loop", "The value of waiting", _loop),
    Question("now_or_later", "Now or later", _patience),
    Question("the_loop", "The loop", _LOOP),
)
