import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pgcore.mdp import (
    TabularMDP,
    action_values,
    greedy_policy,
    optimal_policy,
    sample_episodes,
    state_values,
    uniform_policy,
)
from pgcore.returns import discounted_returns, gae
from pgcore.worlds import chain, gridworld


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_mdp(seed: int, n_states: int = 6, n_actions: int = 3) -> TabularMDP:
    g = rng(seed)
    shape = n_states, n_actions, n_states
    transitions = torch.rand(shape, dtype=torch.float64, generator=g)
    transitions /= transitions.sum(-1, keepdim=True)
    start = torch.full((n_states,), 1 / (n_states - 1), dtype=torch.float64)
    start[-1] = 0
    terminal = torch.arange(n_states) == n_states - 1
    rewards = torch.randn(shape, dtype=torch.float64, generator=g)
    return TabularMDP(transitions, rewards, start, terminal)


def random_policy(mdp: TabularMDP, seed: int) -> torch.Tensor:
    logits = torch.randn(mdp.n_states, mdp.n_actions, dtype=torch.float64, generator=rng(seed))
    return logits.softmax(-1)


def test_one_state_that_pays_one_forever_is_worth_the_geometric_sum():
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    mdp = TabularMDP(one, one, one[0, 0], torch.tensor([False]))
    assert state_values(mdp, uniform_policy(mdp), 0.9).item() == pytest.approx(10)


def test_without_discount_a_policy_that_never_ends_has_no_value():
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    mdp = TabularMDP(one, one, one[0, 0], torch.tensor([False]))
    with pytest.raises(ValueError, match="never reach an end"):
        state_values(mdp, uniform_policy(mdp), 1.0)


def test_random_walk_of_sutton_and_barto():
    mdp = chain(5)
    values = state_values(mdp, uniform_policy(mdp), 1.0)
    assert values.tolist() == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 0])


def test_chain_slips_the_other_way():
    mdp = chain(1, slip=0.25, end_rewards=(-1.0, 1.0))
    right = torch.tensor([[0.0, 1.0]] * 3, dtype=torch.float64)
    assert state_values(mdp, right, 0.5).tolist() == pytest.approx([0, 0.5, 0])


def test_russell_and_norvigs_utilities():
    """Their figure for slip 0.2 (0.1 a side), step reward -0.04, gamma 1."""
    world = gridworld(slip=0.2, step_reward=-0.04)
    _, values = optimal_policy(world.mdp, 1.0)
    utilities = [0.812, 0.868, 0.918, 0, 0.762, 0.660, 0, 0.705, 0.655, 0.611, 0.388]
    assert [round(v, 3) for v in values.tolist()] == utilities


@pytest.mark.parametrize(
    ("step_reward", "before_the_corner", "in_the_corner"),
    [(-2.0, "right", "up"), (-0.3, "up", "left"), (-0.04, "left", "left"), (-0.01, "left", "down")],
)
def test_russell_and_norvigs_policies(step_reward, before_the_corner, in_the_corner):
    """Beside the pit: leap in when life is painful, keep away from it when it is cheap."""
    world = gridworld(slip=0.2, step_reward=step_reward)
    policy, _ = optimal_policy(world.mdp, 1.0)
    moves = ["up", "right", "down", "left"]
    chosen = [moves[policy[world.cells.index(cell)].argmax()] for cell in [(2, 2), (2, 3)]]
    assert chosen == [before_the_corner, in_the_corner]


def test_gridworld_bumps_into_walls_and_slips_to_the_sides():
    world = gridworld(slip=0.2, step_reward=0.0)
    start, above, right = (world.cells.index(c) for c in [(2, 0), (1, 0), (2, 1)])
    up = world.mdp.transitions[start, 0]
    assert up[above] == 0.8
    assert up[right] == 0.1
    assert up[start] == 0.1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), gamma=st.floats(0, 1))
def test_values_satisfy_bellman(seed, gamma):
    mdp = random_mdp(seed)
    policy = random_policy(mdp, seed + 1)
    values = state_values(mdp, policy, gamma)
    following = (policy * action_values(mdp, values, gamma)).sum(-1)
    torch.testing.assert_close(values, following)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), gamma=st.floats(0, 1))
def test_no_policy_beats_the_optimal_one(seed, gamma):
    mdp = random_mdp(seed)
    policy, best = optimal_policy(mdp, gamma)
    torch.testing.assert_close(action_values(mdp, best, gamma).max(-1).values, best)
    torch.testing.assert_close(state_values(mdp, policy, gamma), best)
    assert (best >= state_values(mdp, random_policy(mdp, seed + 1), gamma) - 1e-9).all()


def test_many_worlds_at_once_equal_each_on_its_own():
    slips = torch.tensor([0.0, 0.3], dtype=torch.float64)
    gammas = torch.tensor([0.5, 0.9], dtype=torch.float64)
    together = optimal_policy(gridworld(slips, -0.1).mdp, gammas)
    for i in range(2):
        alone = optimal_policy(gridworld(float(slips[i]), -0.1).mdp, float(gammas[i]))
        torch.testing.assert_close(together[0][i], alone[0])
        torch.testing.assert_close(together[1][i], alone[1])


def test_autograd_through_the_solve_is_the_policy_gradient_theorem():
    """dJ/dlogits = sum_s d(s) pi(a|s) A(s, a), d the discounted visits (Sutton et al., 2000)."""
    mdp, gamma = random_mdp(3), 0.9
    logits = torch.randn(6, 3, dtype=torch.float64, generator=rng(4)).requires_grad_()
    policy = logits.softmax(-1)
    values = state_values(mdp, policy, gamma)
    (exact,) = torch.autograd.grad(mdp.start @ values, logits)
    policy, values = policy.detach(), values.detach()
    alive = ~mdp.terminal
    p_pi = torch.einsum("sa,sat->st", policy, mdp.transitions)[alive][:, alive]
    visits = torch.zeros(6, dtype=torch.float64)
    visits[alive] = torch.linalg.solve(torch.eye(5) - gamma * p_pi.T, mdp.start[alive])
    advantages = action_values(mdp, values, gamma) - values[:, None]
    torch.testing.assert_close(exact, visits[:, None] * policy * advantages)


def test_ties_go_to_the_first_action_despite_rounding():
    q_values = torch.tensor([[0.1 + 0.2, 0.3], [0.0, 1.0]], dtype=torch.float64)
    assert greedy_policy(q_values.flip(-1)).argmax(-1).tolist() == [0, 0]
    assert greedy_policy(q_values).argmax(-1).tolist() == [0, 1]


def test_sampled_returns_agree_with_the_exact_value():
    mdp, gamma = random_mdp(5), 0.95
    policy = random_policy(mdp, 6)
    episodes = sample_episodes(mdp, policy, 4000, 400, rng())
    not_dones = (~episodes.terminated).double()
    returns = discounted_returns(episodes.rewards, not_dones, gamma)[0]
    exact = mdp.start @ state_values(mdp, policy, gamma)
    standard_error = returns.std() / len(returns) ** 0.5
    assert abs(returns.mean() - exact) < 4 * standard_error


def test_sampled_frequencies_are_the_probabilities():
    mdp = random_mdp(7)
    policy = random_policy(mdp, 8)
    episodes = sample_episodes(mdp, policy, 5000, 60, rng())
    here = (episodes.states == 2) & episodes.valid
    counts = torch.bincount(episodes.actions[here], minlength=3).double()
    torch.testing.assert_close(counts / counts.sum(), policy[2], atol=0.03, rtol=0)
    there = here & (episodes.actions == 1)
    counts = torch.bincount(episodes.next_states[there], minlength=6).double()
    torch.testing.assert_close(counts / counts.sum(), mdp.transitions[2, 1], atol=0.03, rtol=0)


def test_what_has_no_probability_never_happens():
    world = gridworld(slip=0.1, step_reward=0.0)
    policy, _ = optimal_policy(world.mdp, 0.9)
    e = sample_episodes(world.mdp, policy, 2000, 50, rng())
    assert (policy[e.states, e.actions][e.valid] > 0).all()
    assert (world.mdp.transitions[e.states, e.actions, e.next_states][e.valid] > 0).all()


def test_episodes_hold_together():
    mdp = random_mdp(11)
    e = sample_episodes(mdp, uniform_policy(mdp), 200, 12, rng())
    going_on = ~(e.terminated | e.truncated)
    assert torch.equal(e.states[1:][going_on[:-1]], e.next_states[:-1][going_on[:-1]])
    assert torch.equal(e.terminated, e.valid & mdp.terminal[e.next_states])
    assert (e.rewards[~e.valid] == 0).all()
    assert (e.valid[1:] <= e.valid[:-1]).all()
    # Every episode has exactly one last row, and it says why it is the last.
    assert ((e.terminated | e.truncated).sum(0) == 1).all()
    assert e.terminated.any()
    assert e.truncated.any()


def test_same_generator_state_same_episodes():
    mdp = chain(5)
    first, again, other = (
        sample_episodes(mdp, uniform_policy(mdp), 10, 30, rng(s)) for s in (1, 1, 2)
    )
    assert torch.equal(first.states, again.states)
    assert not torch.equal(first.states[:5], other.states[:5])


def test_gae_with_true_values_is_unbiased_for_every_lambda():
    mdp, gamma = random_mdp(9), 0.9
    policy = random_policy(mdp, 10)
    values = state_values(mdp, policy, gamma)
    e = sample_episodes(mdp, policy, 20_000, 30, rng())
    true = (action_values(mdp, values, gamma) - values[:, None])[e.states[0], e.actions[0]]
    arguments = e.rewards, values[e.states], values[e.next_states], e.terminated, e.truncated
    for lam in (0.0, 0.5, 1.0):
        error = gae(*arguments, gamma, lam)[0] - true
        assert abs(error.mean()) < 4 * error.std() / len(error) ** 0.5


def broken(**changes) -> TabularMDP:
    good = chain(2)
    fields = {name: getattr(good, name) for name in ("transitions", "rewards", "start", "terminal")}
    return TabularMDP(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rewards": torch.zeros(4, 2)}, "rewards has shape"),
        ({"transitions": torch.zeros(4, 4), "rewards": torch.zeros(4, 4)}, "(..., S, A, S)"),
        ({"transitions": torch.zeros(4, 2, 4, dtype=torch.float64)}, "summing to 1"),
        ({"start": torch.tensor([1.0, 0, 0, 0]).double()}, "terminal state"),
    ],
)
def test_what_is_no_mdp_is_refused(changes, said):
    with pytest.raises(ValueError) as caught:
        broken(**changes)
    assert said in str(caught.value)
