"""Small worlds to look at: MDPs whose exact values can be checked by hand or in a book."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pgcore.mdp import TabularMDP

MOVES: dict[str, tuple[int, int]] = {
    "up": (-1, 0),
    "right": (0, 1),
    "down": (1, 0),
    "left": (0, -1),
}
"""A gridworld's actions in order, as (row, column) steps. Neighbours in this order are at right
angles, which is where a slip goes."""

CLASSIC = ("...+", ".#.-", "S...")
"""Russell & Norvig's 4 x 3 world: S start, # wall, + exit worth +1, - exit worth -1."""

EXITS = {"+": 1.0, "-": -1.0}


@dataclass(frozen=True, eq=False)
class GridWorld:
    """An MDP whose states are the free cells of a grid."""

    mdp: TabularMDP
    layout: tuple[str, ...]
    cells: tuple[tuple[int, int], ...]
    """(row, column) of each state, row 0 at the top."""


def gridworld(
    slip: float | Tensor, step_reward: float | Tensor, layout: tuple[str, ...] = CLASSIC
) -> GridWorld:
    """Walk to an exit on a floor that may be slippery.

    A move goes as meant with probability 1 - slip and to each side with probability slip / 2. A
    move into a wall or off the grid stays put. Every step pays step_reward; the step onto an exit
    pays its +1 or -1 on top.

    Args:
        slip: in [0, 1]; a tensor of shape (...) makes as many worlds in one MDP.
        step_reward: in units of reward; negative is a cost. A number, or shape (...).
        layout: rows of text, with the characters of CLASSIC.
    Source: Russell & Norvig, "Artificial Intelligence: A Modern Approach" (4th ed.), section 17.1;
    slip 0.2, step reward -0.04 and gamma 1 give its figure of utilities.
    """
    kinds = {
        (row, col): kind
        for row, line in enumerate(layout)
        for col, kind in enumerate(line)
        if kind != "#"
    }
    cells = tuple(kinds)
    index = {cell: state for state, cell in enumerate(cells)}
    moves = list(MOVES.values())
    slips, costs = torch.broadcast_tensors(
        *(torch.as_tensor(number, dtype=torch.float64) for number in (slip, step_reward))
    )
    shape = *slips.shape, len(cells), len(moves), len(cells)
    transitions = torch.zeros(shape, dtype=torch.float64)
    for (row, col), state in index.items():
        for action in range(len(moves)):
            for turn, probability in ((0, 1 - slips), (1, slips / 2), (-1, slips / 2)):
                down, right = moves[(action + turn) % len(moves)]
                reached = index.get((row + down, col + right), state)
                transitions[..., state, action, reached] += probability
    bonus = torch.tensor([EXITS.get(kind, 0.0) for kind in kinds.values()], dtype=torch.float64)
    rewards = (costs[..., None, None, None] + bonus).expand(shape)
    terminal = torch.tensor([kind in EXITS for kind in kinds.values()])
    start = torch.tensor([kind == "S" for kind in kinds.values()], dtype=torch.float64)
    return GridWorld(TabularMDP(transitions, rewards, start / start.sum(), terminal), layout, cells)


def chain(
    n_states: int = 5, slip: float = 0.0, end_rewards: tuple[float, float] = (0.0, 1.0)
) -> TabularMDP:
    """A corridor: left (action 0) or right (action 1), an end on each side, start in the middle.

    States 0 and n_states + 1 are the ends. Under the uniform policy with gamma 1 and rewards
    (0, 1), state i is worth i / (n_states + 1).

    Args:
        n_states: states between the ends, at least 1.
        slip: probability in [0, 1] that the step goes the other way.
        end_rewards: paid on entering the left and the right end.
    Source: Sutton & Barto (2018), example 6.2.
    """
    size = n_states + 2
    transitions = torch.zeros(size, 2, size, dtype=torch.float64)
    for state in range(size):
        inside = 0 < state < size - 1
        left, right = (state - 1, state + 1) if inside else (state, state)
        for action, (meant, other) in enumerate(((left, right), (right, left))):
            transitions[state, action, meant] += 1 - slip
            transitions[state, action, other] += slip
    rewards = torch.zeros_like(transitions)
    rewards[1:-1, :, 0], rewards[1:-1, :, -1] = end_rewards
    terminal = torch.zeros(size, dtype=torch.bool)
    terminal[[0, -1]] = True
    start = torch.nn.functional.one_hot(torch.tensor(size // 2), size).to(torch.float64)
    return TabularMDP(transitions, rewards, start, terminal)
