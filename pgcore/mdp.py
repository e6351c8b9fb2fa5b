"""Tabular Markov decision processes: small enough that every value is known exactly.

All tensors are float64. S is the number of states, A of actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pgcore.shapes import require_same_shape


@dataclass(frozen=True, eq=False)
class TabularMDP:
    """States, actions, transition probabilities and rewards, plus where episodes start and end.

    Raises:
        ValueError: if shapes do not fit, or probabilities are negative or do not sum to 1.
    """

    transitions: Tensor
    """P(s' | s, a), shape (S, A, S)."""
    rewards: Tensor
    """r(s, a, s'), shape (S, A, S): paid on the way from s to s'."""
    start: Tensor
    """Probability of starting in s, shape (S,)."""
    terminal: Tensor
    """True where the episode is over, shape (S,). What follows such a state is never read."""

    def __post_init__(self) -> None:
        require_same_shape(rewards=self.rewards, transitions=self.transitions)
        require_same_shape(terminal=self.terminal, start=self.start)
        if self.transitions.shape != (self.n_states, self.n_actions, self.n_states):
            raise ValueError(
                f"transitions has shape {tuple(self.transitions.shape)}: (S, A, S) is needed."
            )
        for name in ("transitions", "start"):
            probs = getattr(self, name)
            if (probs < 0).any() or not torch.allclose(probs.sum(-1), torch.ones(()).to(probs)):
                raise ValueError(f"{name} must hold probabilities: at least 0, summing to 1.")

    @property
    def n_states(self) -> int:
        return self.start.shape[0]

    @property
    def n_actions(self) -> int:
        return self.transitions.shape[1]


def uniform_policy(mdp: TabularMDP) -> Tensor:
    """pi(a | s) = 1 / A in every state, shape (S, A)."""
    shape = mdp.n_states, mdp.n_actions
    return torch.full(shape, 1 / mdp.n_actions, dtype=torch.float64)


def state_values(mdp: TabularMDP, policy: Tensor, gamma: float) -> Tensor:
    """Expected discounted return from each state, exactly: Bellman's equations, solved.

        V(s) = sum_a pi(a|s) sum_s' P(s'|s,a) (r(s,a,s') + gamma V(s'))
        in matrices V = r_pi + gamma P_pi V,  so  V = (I - gamma P_pi)^-1 r_pi

    Differentiable: autograd through it gives the exact policy gradient.

    Args:
        policy: pi(a | s), (S, A), rows sum to 1.
        gamma: discount in [0, 1].
    Returns:
        (S,), in units of reward; 0 in terminal states.
    Raises:
        ValueError: if gamma is 1 and some state never reaches an end: no finite value exists.
    Source: Sutton & Barto (2018), eq. 4.4.
    """
    alive = ~mdp.terminal
    p_pi = torch.einsum("sa,sat->st", policy, mdp.transitions)
    r_pi = torch.einsum("sa,sat,sat->s", policy, mdp.transitions, mdp.rewards)
    # The value of a terminal state is 0, so only the others are unknowns.
    system = torch.eye(int(alive.sum()), dtype=torch.float64) - gamma * p_pi[alive][:, alive]
    solution, info = torch.linalg.solve_ex(system, r_pi[alive])
    if info or not solution.isfinite().all():
        raise ValueError("no finite values: gamma is 1 and this policy may never reach an end.")
    return torch.zeros(mdp.n_states, dtype=torch.float64).masked_scatter(alive, solution)


def action_values(mdp: TabularMDP, values: Tensor, gamma: float) -> Tensor:
    """Expected return of taking a in s, if what follows is worth `values`.

        Q(s, a) = sum_s' P(s'|s,a) (r(s,a,s') + gamma V(s'))

    Args:
        values: (S,), 0 in terminal states.
        gamma: discount in [0, 1].
    Returns:
        (S, A), in units of reward. The exact advantage is Q(s, a) - V(s).
    Source: Sutton & Barto (2018), eq. 4.6.
    """
    return torch.einsum("sat,sat->sa", mdp.transitions, mdp.rewards + gamma * values)


def greedy_policy(q_values: Tensor, tolerance: float = 1e-9) -> Tensor:
    """All probability on the best action of each state; the first one where several tie.

    Args:
        q_values: (S, A).
        tolerance: differences below it are rounding, not preference.
    Returns:
        (S, A), one 1 a row.
    """
    best = q_values >= q_values.max(-1, keepdim=True).values - tolerance
    first = best.to(torch.int8).argmax(-1)
    return torch.nn.functional.one_hot(first, q_values.shape[-1]).to(torch.float64)


def optimal_policy(
    mdp: TabularMDP, gamma: float, initial: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Policy iteration: solve for the values, act greedily on them, until nothing improves.

    Args:
        gamma: discount in [0, 1].
        initial: the policy to begin with, (S, A); uniform if not given. A good guess saves solves.
    Returns:
        The optimal policy (S, A), deterministic, and its values (S,).
    Raises:
        ValueError: as in state_values.
    Source: Sutton & Barto (2018), section 4.3.
    """
    values = state_values(mdp, uniform_policy(mdp) if initial is None else initial, gamma)
    while True:
        policy = greedy_policy(action_values(mdp, values, gamma))
        improved = state_values(mdp, policy, gamma)
        # Each round is at least as good in every state, so this ends.
        if torch.allclose(improved, values, rtol=1e-12, atol=1e-12):
            return policy, improved
        values = improved


@dataclass(frozen=True, eq=False)
class Episodes:
    """Sampled episodes, time-major: row t is step t of every episode, shape (T, N).

    The fields are what returns.td_errors and returns.gae take, with V[next_states] as next_values.
    """

    states: Tensor
    actions: Tensor
    rewards: Tensor
    next_states: Tensor
    terminated: Tensor
    """True on the step that entered a terminal state."""
    truncated: Tensor
    """True on the last row of an episode that max_steps cut."""
    valid: Tensor
    """False on rows after an episode's end: they never happened, and their reward is 0."""


def sample_episodes(
    mdp: TabularMDP,
    policy: Tensor,
    n_episodes: int,
    max_steps: int,
    generator: torch.Generator,
) -> Episodes:
    """Play episodes side by side, each from a fresh start state to its end or to max_steps.

    Args:
        policy: pi(a | s), (S, A).
        n_episodes, max_steps: at least 1.
        generator: all draws come from it; same generator state, same episodes.
    Returns:
        Episodes with at most max_steps rows; fewer if all ended earlier.
    """
    action_cdf, next_cdf = _cdf(policy), _cdf(mdp.transitions)

    def draw(cdf: Tensor) -> Tensor:
        u = torch.rand(n_episodes, 1, dtype=torch.float64, generator=generator)
        return (cdf <= u).sum(-1)

    state = draw(_cdf(mdp.start).expand(n_episodes, -1))
    playing = ~mdp.terminal[state]
    rows = []
    for _ in range(max_steps):
        if not playing.any():
            break
        action = draw(action_cdf[state])
        following = draw(next_cdf[state, action])
        reward = mdp.rewards[state, action, following] * playing
        ended = playing & mdp.terminal[following]
        rows.append((state, action, reward, following, ended, playing))
        state = torch.where(playing, following, state)
        playing = playing & ~ended
    states, actions, rewards, next_states, terminated, valid = map(
        torch.stack, zip(*rows, strict=True)
    )
    truncated = torch.zeros_like(valid)
    truncated[-1] = playing
    return Episodes(states, actions, rewards, next_states, terminated, truncated, valid)


def _cdf(probs: Tensor) -> Tensor:
    sums = probs.cumsum(-1)
    return sums / sums[..., -1:]  # exactly 1 at the end, so that no draw falls outside


def chain(n_states: int = 5, slip: float = 0.0, end_rewards: tuple[float, float] = (0.0, 1.0)):
    """A corridor: left (action 0) or right (action 1), an end on each side, start in the middle.

    States 0 and n_states + 1 are the ends. Under the uniform policy with gamma 1 and rewards
    (0, 1), state i is worth i / (n_states + 1): the random walk of Sutton & Barto, example 6.2.

    Args:
        n_states: states between the ends, at least 1.
        slip: probability in [0, 1] that the step goes the other way.
        end_rewards: paid on entering the left and the right end.
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
