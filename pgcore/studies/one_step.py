"""Chapter 1: one step of a gridworld: a state, an action, and where it may lead."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pgcore.worlds import MOVES, gridworld

ARROWS = dict(zip(MOVES, "↑→↓←", strict=True))


def squares() -> pd.DataFrame:
    """The grid as it is drawn: col, row (from 1, row 1 at the top), kind (floor, start, wall, goal,
    pit), state (its number from 1 in reading order; 0 for a wall)."""
    world = gridworld(0.0, 0.0)
    kinds = {"S": "start", "#": "wall", "+": "goal", "-": "pit", ".": "floor"}
    numbers = {cell: i for i, cell in enumerate(world.cells, start=1)}
    return pd.DataFrame(
        [
            {
                "col": col + 1,
                "row": row + 1,
                "kind": kinds[kind],
                "state": numbers.get((row, col), 0),
            }
            for row, line in enumerate(world.layout)
            for col, kind in enumerate(line)
        ]
    )


def decisions() -> tuple[int, ...]:
    """The states in which there is something to decide: all but the exits."""
    terminal = gridworld(0.0, 0.0).mdp.terminal
    return tuple((~terminal).nonzero().flatten().add(1).tolist())


def one_step(slips: Sequence[float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Where each action leads from each state: P(s' | s, a).

    Returns:
        One row a possible outcome: slip, state, move, col, row, to (the state reached),
        probability; and one row for each (slip, state, move): col, row of the state, arrow, words.
    """
    outcomes, choices = [], []
    for slip in slips:
        world = gridworld(slip, 0.0)
        for state in decisions():
            for action, move in enumerate(MOVES):
                row_of = world.mdp.transitions[state - 1, action]
                which = {"slip": slip, "state": state, "move": move}
                said = []
                for to in row_of.argsort(descending=True, stable=True).tolist():
                    if (probability := float(row_of[to])) > 0:
                        row, col = world.cells[to]
                        place = {"col": col + 1, "row": row + 1, "to": to + 1}
                        outcomes.append(which | place | {"probability": probability})
                        goal = "back to where it was" if to == state - 1 else f"to state {to + 1}"
                        said.append(f"{goal} with probability {probability:g}")
                row, col = world.cells[state - 1]
                words = f"State {state}, action {move}: {', '.join(said)}."
                place = {"col": col + 1, "row": row + 1, "arrow": ARROWS[move]}
                choices.append(which | place | {"words": words})
    return pd.DataFrame(outcomes), pd.DataFrame(choices)
