"""Tabular Markov decision processes: small enough that every value is known exactly.

All tensors are float64; S is the number of states, A of actions. "..." stands for leading
dimensions that the exact solutions carry along, so that many MDPs are solved in one call.
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
        ValueError: if shapes do not fit, probabilities are negative or do not sum to 1, or an
            episode could start in a terminal state.
    """

    transitions: Tensor
    """P(s' | s, a), shape (..., S, A, S)."""
    rewards: Tensor
    """r(s, a, s'), shape (..., S, A, S): paid on the way from s to s'."""
    start: Tensor
    """Probability of starting in s, shape (S,)."""
    terminal: Tensor
    """True where the episode is over, shape (S,). What follows such a state is never read."""

    def __post_init__(self) -> None:
        require_same_shape(rewards=self.rewards, transitions=self.transitions)
        require_same_shape(terminal=self.terminal, start=self.start)
        if self.transitions.shape[-3:] != (self.n_states, self.n_actions, self.n_states):
            raise ValueError(
                f"transitions has shape {tuple(self.transitions.shape)}: (..., S, A, S) is needed."
            )
        if (self.start[self.terminal] > 0).any():
            raise ValueError("start puts probability on a terminal state: nothing would happen.")
        for name in ("transitions", "start"):
            probs = getattr(self, name)
            if (probs < 0).any() or not torch.allclose(probs.sum(-1), torch.ones(()).to(probs)):
                raise ValueError(f"{name} must hold probabilities: at least 0, summing to 1.")

    @property
    def n_states(self) -> int:
        return self.start.shape[0]

    @property
    def n_actions(self) -> int:
        return self.transitions.shape[-2]


def uniform_policy(mdp: TabularMDP) -> Tensor:
    """pi(a | s) = 1 / A in every state, shape (..., S, A)."""
    shape = mdp.transitions.shape[:-1]
    return torch.full(shape, 1 / mdp.n_actions, dtype=torch.float64)


def state_values(mdp: TabularMDP, policy: Tensor, gamma: float | Tensor) -> Tensor:
    """Expected discounted return from each state, exactly: Bellman's equations, solved.

        V(s) = sum_a pi(a|s) sum_s' P(s'|s,a) (r(s,a,s') + gamma V(s'))
        in matrices V = r_pi + gamma P_pi V,  so  V = (I - gamma P_pi)^-1 r_pi

    Differentiable: autograd through it gives the exact policy gradient.

    Args:
        policy: pi(a | s), (..., S, A), rows sum to 1.
        gamma: discount in [0, 1], one number or shape (...).
    Returns:
        (..., S), in units of reward; 0 in terminal states.
    Raises:
        ValueError: if gamma is 1 and some state never reaches an end: no finite value exists.
    Source: Sutton & Barto (2018), eq. 4.4.
    """
    discount = torch.as_tensor(gamma, dtype=torch.float64)[..., None, None]
    p_pi = torch.einsum("...sa,...sat->...st", policy, mdp.transitions)
    r_pi = torch.einsum("...sa,...sat,...sat->...s", policy, mdp.transitions, mdp.rewards)
    if (discount == 1).any() and not _always_ends(p_pi, mdp.terminal):
        raise ValueError("no finite values: gamma is 1 and this policy may never reach an end.")
    # The value of a terminal state is 0, so only the others are unknowns.
    alive = (~mdp.terminal).nonzero().squeeze(-1)
    system = (
        torch.eye(len(alive), dtype=torch.float64) - discount * p_pi[..., alive[:, None], alive]
    )
    values = torch.zeros_like(r_pi)
    values[..., alive] = torch.linalg.solve(system, r_pi[..., alive])
    return values


def _always_ends(p_pi: Tensor, terminal: Tensor) -> bool:
    ends = terminal.expand(p_pi.shape[:-1])
    for _ in range(ends.shape[-1]):
        ends = ends | ((p_pi > 0) & ends[..., None, :]).any(-1)
    return bool(ends.all())


def action_values(mdp: TabularMDP, values: Tensor, gamma: float | Tensor) -> Tensor:
    """Expected return of taking a in s, if what follows is worth `values`.

        Q(s, a) = sum_s' P(s'|s,a) (r(s,a,s') + gamma V(s'))

    Args:
        values: (..., S), 0 in terminal states.
        gamma: discount in [0, 1], one number or shape (...).
    Returns:
        (..., S, A), in units of reward; 0 in terminal states. The exact advantage is
        Q(s, a) - V(s).
    Source: Sutton & Barto (2018), eq. 4.6.
    """
    following = torch.as_tensor(gamma, dtype=torch.float64)[..., None] * values
    targets = mdp.rewards + following[..., None, None, :]
    q_values = (mdp.transitions * targets).sum(-1)
    return q_values.masked_fill(mdp.terminal[:, None], 0.0)


def best_actions(q_values: Tensor, tolerance: float = 1e-9) -> Tensor:
    """True for every action that no other beats.

    Args:
        q_values: (..., S, A).
        tolerance: differences below it are rounding, not preference.
    Returns:
        (..., S, A), at least one True a row.
    """
    return q_values >= q_values.max(-1, keepdim=True).values - tolerance


def greedy_policy(q_values: Tensor) -> Tensor:
    """All probability on the best action of each state; the first one where several tie.

    Args:
        q_values: (..., S, A).
    Returns:
        (..., S, A), one 1 a row.
    """
    first = best_actions(q_values).to(torch.int8).argmax(-1)
    return torch.nn.functional.one_hot(first, q_values.shape[-1]).to(torch.float64)


def optimal_policy(mdp: TabularMDP, gamma: float | Tensor) -> tuple[Tensor, Tensor]:
    """Policy iteration: solve for the values, act greedily on them, until nothing improves.

    Args:
        gamma: discount in [0, 1], one number or shape (...).
    Returns:
        The optimal policy (..., S, A), deterministic, and its values (..., S).
    Raises:
        ValueError: as in state_values.
    Source: Sutton & Barto (2018), section 4.3.
    """
    values = state_values(mdp, uniform_policy(mdp), gamma)
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
        mdp: a single one, transitions (S, A, S).
        policy: pi(a | s), (S, A).
        n_episodes, max_steps: at least 1.
        generator: all draws come from it; same generator state, same episodes.
    Returns:
        Episodes with at most max_steps rows; fewer if all ended earlier.
    """
    size = mdp.n_states
    # Action and next state in one draw, from their joint probability (S, A * S): half the work.
    joint = (policy.unsqueeze(-1) * mdp.transitions).detach().flatten(1)
    stay = torch.nn.functional.one_hot(torch.arange(size), joint.shape[1]).to(joint)
    # The likeliest first, and the impossible left out: few columns, where the time goes.
    probs, outcomes = torch.where(mdp.terminal[:, None], stay, joint).sort(descending=True)
    cdf = _cdf(probs[:, : int((probs > 0).sum(-1).max())])
    uniforms = torch.rand(max_steps + 1, n_episodes, 1, dtype=torch.float64, generator=generator)
    state = (_cdf(mdp.start) <= uniforms[0]).sum(-1)
    visited, draws = [], []
    for t, u in enumerate(uniforms[1:]):
        # Asking whether all have ended costs as much as a step: not every time.
        if t % 16 == 0 and mdp.terminal[state].all():
            break
        column = torch.searchsorted(cdf.index_select(0, state), u, right=True).squeeze(-1)
        visited.append(state)
        draws.append(outcomes[state, column])
        state = draws[-1] % size
    states, drawn = torch.stack(visited), torch.stack(draws)
    happened = (~mdp.terminal[states]).any(-1)
    states, drawn = states[happened], drawn[happened]
    actions, next_states = drawn // size, drawn % size
    valid = ~mdp.terminal[states]
    ended = mdp.terminal[next_states]
    truncated = torch.zeros_like(valid)
    truncated[-1] = ~ended[-1]
    rewards = mdp.rewards[states, actions, next_states] * valid
    return Episodes(states, actions, rewards, next_states, valid & ended, truncated, valid)


def _cdf(probs: Tensor) -> Tensor:
    sums = probs.cumsum(-1)
    return sums / sums[..., -1:]  # exactly 1 at the end, so that no draw falls outside
