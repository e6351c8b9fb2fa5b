"""Chapter 1: gridworlds and what an agent sees."""

from __future__ import annotations

import pandas as pd

from pgcore.mdp import (
    action_values,
    best_actions,
    optimal_policy,
    state_values,
    uniform_policy,
)
from pgcore.questions.answers import Choice, Mark, Option, letters
from pgcore.questions.base import Asked, Link, Question, Rng, pick, shown
from pgcore.questions.mdp_1 import TOPIC
from pgcore.worlds import EXITS, MOVES, gridworld

__all__ = ["QUESTIONS", "TOPIC"]


def _worst_cell(rng: Rng) -> Asked:
    dear = pick(rng, True, False)
    step_reward, gamma = (pick(rng, -1.0, -2.0) if dear else pick(rng, -0.01, 0.0)), 0.95
    world = gridworld(0.0, step_reward)
    values = state_values(world.mdp, uniform_policy(world.mdp), gamma)
    alive = (~world.mdp.terminal).nonzero().flatten().tolist()
    names = letters(len(alive))
    rows, cols = zip(*(world.cells[state] for state in alive), strict=True)
    worth = {name: float(values[state]) for name, state in zip(names, alive, strict=True)}
    right = min(worth, key=lambda name: worth[name])
    beside = names[-1]  # the last free cell, below the −1
    start = names[alive.index(int(world.mdp.start.argmax()))]
    wrong = {
        name: _why_not(name == start, name == beside, dear, worth[name])
        for name in names
        if name != right
    }
    exits = [
        (f"{EXITS[kind]:+g}".replace("-", "−"), col + 1, row + 1)
        for row, line in enumerate(world.layout)
        for col, kind in enumerate(line)
        if kind in EXITS
    ]
    return Asked(
        "A walker picks each of the four moves with equal probability; a move into a wall or off "
        f"the grid stays put. The exits pay +1 and −1, every step {shown(step_reward)}, "
        f"γ = {gamma:g}. Mark the cell that is worth **least**.",
        Mark(
            pd.DataFrame({"name": names, "x": [c + 1 for c in cols], "y": [r + 1 for r in rows]}),
            frozenset({right}),
            wrong,
            "cells",
            "column",
            "row",
            "A grid, row 1 at the top. Exits: "
            + ", ".join(f"{name} at row {y}, column {x}" for name, x, y in exits)
            + ". Cells: "
            + ", ".join(
                f"{name} (row {r + 1}, column {c + 1})"
                for name, r, c in zip(names, rows, cols, strict=True)
            )
            + ". What is missing is a wall.",
            backdrop=pd.DataFrame(exits, columns=["label", "x", "y"]),
        ),
        f"Solved exactly, {right} is worth {shown(worth[right], 3)}. "
        + (
            f"{beside}, below the −1, is worth {shown(worth[beside], 3)}: when steps are dear, the "
            "longest walk is the worst, and a quick −1 is a relief."
            if dear
            else "When steps are cheap, only the end counts, and from there it is often the −1."
        )
        + " A value belongs to a policy: for another one, another cell may be worst.",
        Link(
            "mdp",
            "where every cell's value is written, for the random policy too",
            {
                "policy": "random",
                "slip": "0",
                "step_reward": f"{step_reward:g}",
                "gamma": f"{gamma:g}",
            },
        ),
    )


def _why_not(start: bool, beside: bool, dear: bool, value: float) -> tuple[str, str]:
    worth = f"Its value is {shown(value, 3)}. "
    if beside:
        return (
            "The reward of the exit taken for the return",
            f"{worth}Every step on the way costs far more than the exit, and from here the walk is "
            "over soon.",
        )
    if dear:
        return (
            "Another walk is longer",
            f"{worth}With steps this dear, ask from where a blind walker needs the most steps to "
            "any exit.",
        )
    return (
        "Distance taken for value" if start else "Another cell is worth less",
        f"{worth}Steps cost next to nothing: ask where a blind step is most likely to end at −1.",
    )


_HIDDEN = Asked(
    "You hide CartPole's two velocities; position and angle remain. Is what the agent sees still "
    "Markov?",
    Choice(
        (
            Option(
                "no: two moments can look the same and go on differently",
                "A pole that leans to the left may be falling or swinging back. The past would "
                "tell, the picture does not.",
            ),
            Option(
                "yes: the physics is deterministic",
                "It is, given all four numbers. Given two of them, the next angle is uncertain.",
                "Markov taken for deterministic",
            ),
            Option(
                "yes: the network will work out the rest",
                "From one observation there is nothing to work it out from. From two in a row "
                "there is: that is why people stack frames.",
                "Capacity taken for information",
            ),
            Option(
                "no: CartPole is random, so it never was",
                "Chance alone does not break the property. And CartPole's steps have none.",
                "Random taken for not Markov",
            ),
        )
    ),
    "It is a partially observed process then: the world's state is Markov, the observation is not.",
    Link("mdp", "where two real moments look alike and part", {"ahead": "4"}),
)


def _optimum(rng: Rng) -> Asked:
    slip, gamma = 0.2, 0.99
    cost = pick(rng, -0.04, -2.0)
    world = gridworld(slip, cost)
    _, values = optimal_policy(world.mdp, gamma)
    beside = len(world.cells) - 1  # the last free cell, below the −1
    best = best_actions(action_values(world.mdp, values, gamma))[beside]
    move = list(MOVES)[int(best.int().argmax())]
    into = "into the −1, and be done with it"
    round_ = "away from the −1, the long way round to the +1"
    quick = move == "up"
    return Asked(
        "A gridworld with a slippery floor: 1 move in 5 goes sideways. You stand right below the "
        f"−1 exit; the +1 is several steps away. Every step pays {shown(cost)}, γ = {gamma:g}. "
        "What does the **optimal** policy do?",
        Choice(
            (
                Option(
                    into,
                    "Each step on the way round costs more than the two exits differ."
                    if quick
                    else "Steps are cheap here: the way round costs little and ends at +1.",
                    "" if quick else "Impatience",
                ),
                Option(
                    round_,
                    "Steps cost so much here that the −1 is the cheaper way out."
                    if quick
                    else "The detour costs little, and the exits differ by 2.",
                    "The exit's reward taken for the return" if quick else "",
                ),
                Option(
                    "stay put, to be safe",
                    "Every step costs, and one of them may slip into the −1 anyway.",
                    "Waiting taken for free",
                ),
            )
        ),
        f"Exactly solved: the best move there is *{move}*. The optimal policy maximises the sum of "
        "rewards, and the step reward is part of it.",
        Link(
            "mdp",
            "where the arrows turn as the step reward moves",
            {"slip": f"{slip:g}", "step_reward": f"{cost:g}", "gamma": f"{gamma:g}"},
        ),
    )


QUESTIONS = (
    Question("worst_cell", "The worst cell", _worst_cell),
    Question("hidden_velocities", "CartPole without velocities", _HIDDEN),
    Question("dear_steps", "What dear steps do", _optimum),
)
