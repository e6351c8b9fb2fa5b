"""CartPole played by hand, as it stands after each push."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pgcore.studies.cartpole import first_state, futures, limits

DEPTH = 11
"""Pushes looked ahead: at 50 steps a second 0.22 s, longer than most round trips to a server."""


@dataclass(frozen=True, eq=False)
class Attempt:
    """One episode, with every state that the next pushes can lead to.

    The states come from gymnasium; whoever shows them only has to follow the pushes.
    """

    seed: int
    steps: int
    """Survived so far; CartPole pays +1 for each, so this is the return."""
    state: np.ndarray
    """(4,) float64."""
    terminated: bool
    states: np.ndarray
    ended: np.ndarray
    """From cartpole.futures."""

    @classmethod
    def start(cls, seed: int) -> Attempt:
        state = first_state(seed)
        return cls(seed, 0, state, False, *futures(state, DEPTH))

    @property
    def truncated(self) -> bool:
        """The time limit is reached."""
        return self.steps >= limits()["steps"]

    @property
    def over(self) -> bool:
        return self.terminated or self.truncated

    def advance(self, actions: Sequence[int]) -> Attempt:
        """The attempt some pushes later; pushes after its end change nothing.

        Args:
            actions: 0 pushes left, 1 right; at most DEPTH.
        Raises:
            ValueError: if there are more, or other numbers.
        """
        if len(actions) > DEPTH or not all(action in (0, 1) for action in actions):
            raise ValueError(f"at most {DEPTH} pushes are known ahead, each 0 or 1.")
        steps, row, terminated, spelled = self.steps, -1, self.terminated, 0
        for depth, action in enumerate(actions, start=1):
            if terminated or steps >= limits()["steps"]:
                break
            spelled = 2 * spelled + int(action)
            row = 2**depth - 2 + spelled
            terminated = bool(self.ended[row])
            steps += 1
        if row < 0:
            return self
        state = self.states[row]
        return Attempt(self.seed, steps, state, terminated, *futures(state, DEPTH))

    def ending(self) -> str:
        """Why it is over, in words; empty while it goes on."""
        if self.terminated:
            position = abs(self.state[0]) > limits()["position"]
            return "the cart left the track" if position else "the pole fell past its limit"
        return "the time limit is reached" if self.truncated else ""


def beaten(score: int, others: np.ndarray) -> float:
    """Share of the other scores that this one is above, in [0, 1]."""
    return float((others < score).mean())


def lasted(scores: np.ndarray, up_to: int) -> tuple[np.ndarray, np.ndarray]:
    """For every number of steps n from 1 to up_to, the share of episodes with at least n steps."""
    n = np.arange(1, up_to + 1)
    return n, (scores[:, None] >= n).mean(0)
