"""Questions without numbers: the right answer's claim, shown on pgcore, and what denies the others.

Each fact is named after its question. Orders are shown by doing the steps: every step needs what
the one before it left behind, so no other order works.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch.distributions import Categorical

from pgcore.agents import PPO, REINFORCE, VPG
from pgcore.config import TrainConfig
from pgcore.evaluate import evaluate
from pgcore.losses import clipped_surrogate, policy_gradient_loss
from pgcore.mdp import sample_episodes, state_values, uniform_policy
from pgcore.questions import questions
from pgcore.returns import discounted_returns, gae, td_errors
from pgcore.studies import baselines, gae_bias, gradient_variance, markov, ppo_epochs
from pgcore.studies.cartpole import random_episodes
from pgcore.studies.log_probs import policy
from pgcore.studies.score_function import weightings
from pgcore.train import Trainer
from pgcore.trajectory import TrajData
from pgcore.worlds import chain, gridworld
from tests.pgcore import test_question_lines, test_question_numbers

PROBLEM = baselines.bandit((0.7, 0.0, -0.4), (1.0, 4.0, 2.0))


def mdp_parts() -> None:
    mdp = gridworld(0.2, -0.04).mdp
    shape = (mdp.n_states, mdp.n_actions, mdp.n_states)
    assert mdp.transitions.shape == mdp.rewards.shape == shape
    # Neither a policy nor values nor a discount belongs to it.
    assert set(vars(mdp)) == {"transitions", "rewards", "start", "terminal"}


def markov_property() -> None:
    mdp = chain(5, slip=0.2)
    step = mdp.transitions / mdp.n_actions
    # P(s0, a0, s1, a1, s2) from any living s0: given s1 and a1, s0 and a0 say nothing more.
    joint = torch.einsum("xay,ybz->xaybz", step[1:-1], step)
    given = joint / joint.sum(-1, keepdim=True)
    seen = joint.sum(-1) > 0
    expected = mdp.transitions.expand_as(given)
    assert torch.allclose(given[seen], expected[seen])
    inside = mdp.transitions[1:-1]
    assert ((inside > 0) & (inside < 1)).any()  # Markov, and not deterministic
    assert not torch.allclose(inside[0], inside[1])  # nor independent of where one was


def objective() -> None:
    mdp, gamma = chain(5, slip=0.1), 0.9
    pi = uniform_policy(mdp)
    exact = float(mdp.start @ state_values(mdp, pi, gamma))
    played = sample_episodes(mdp, pi, 4000, 200, torch.Generator().manual_seed(0))
    returns = discounted_returns(played.rewards, (~played.terminated).double(), gamma)[0]
    assert abs(float(returns.mean()) - exact) < 4 * float(returns.std()) / math.sqrt(len(returns))
    assert exact > float(mdp.start @ state_values(mdp, pi, 0.0))  # not the next reward alone
    assert exact < float(returns.max())  # nor the best episode


def gradient_of_what() -> None:
    exact = baselines.exact_gradient(PROBLEM)
    assert exact.shape == PROBLEM.logits.shape  # one number for each parameter
    for i, nudge in enumerate(torch.eye(3, dtype=torch.float64) * 1e-6):
        nudged = baselines.Bandit(PROBLEM.logits + nudge, PROBLEM.rewards)
        rise = nudged.expected_reward - PROBLEM.expected_reward
        assert float(rise) / 1e-6 == pytest.approx(float(exact[i]), abs=1e-5)


def gradient_meaning() -> None:
    exact = baselines.exact_gradient(PROBLEM)

    def rise(direction: torch.Tensor, size: float) -> float:
        moved = baselines.Bandit(PROBLEM.logits + size * direction, PROBLEM.rewards)
        return float(moved.expected_reward - PROBLEM.expected_reward)

    steepest = exact / exact.norm()
    generator = torch.Generator().manual_seed(0)
    others = torch.randn(200, 3, generator=generator, dtype=torch.float64)
    others /= others.norm(dim=1, keepdim=True)
    assert max(rise(each, 1e-4) for each in others) <= rise(steepest, 1e-4)
    # It promises the slope and not the rise: a long step gives far less.
    assert rise(steepest, 1e-4) == pytest.approx(1e-4 * float(exact.norm()), rel=1e-3)
    assert rise(steepest, 20.0) < 0.2 * 20 * float(exact.norm())


def reinforce_gradient() -> None:
    """The four formulas, each summed exactly, against autograd through J."""
    pi, exact = PROBLEM.probs, baselines.exact_gradient(PROBLEM)
    score, weight = baselines.scores(PROBLEM), PROBLEM.rewards[:, None]
    right = (pi[:, None] * score * weight).sum(0)
    no_log = (pi[:, None] * (pi[:, None] * score) * weight).sum(0)  # grad pi = pi grad log pi
    assert torch.allclose(right, exact)
    assert not torch.allclose(no_log, exact)
    apart = (pi[:, None] * score).sum(0) * PROBLEM.expected_reward
    assert torch.allclose(apart, torch.zeros(3, dtype=torch.float64))
    asked = questions()["reinforce_gradient"].draw(3)
    assert r"\nabla\log\pi(a_t|s_t)\,R_t" in asked.answer.solution


def gradient_has_gamma_to_the_t() -> None:
    """The precise part of reinforce_gradient: without gamma^t it is not the gradient of J."""
    mdp, gamma = chain(5, slip=0.1), 0.8
    logits = torch.linspace(-1, 1, 2 * mdp.n_states, dtype=torch.float64).view(-1, 2)
    logits.requires_grad_()
    pi = torch.softmax(logits, -1)
    values = state_values(mdp, pi, gamma)
    (exact,) = torch.autograd.grad(mdp.start @ values, logits, retain_graph=True)
    q = (mdp.transitions * (mdp.rewards + gamma * values[None, None])).sum(-1).detach()
    q = q * (~mdp.terminal)[:, None]
    p_pi = torch.einsum("sa,sat->st", pi, mdp.transitions).detach() * (~mdp.terminal)[:, None]
    for discount, equal in ((gamma, True), (1.0, False)):
        system = torch.eye(mdp.n_states, dtype=torch.float64) - discount * p_pi.T
        visits = torch.linalg.solve(system, mdp.start)
        surrogate = (visits[:, None] * pi.detach() * pi.log() * q).sum()
        (gradient,) = torch.autograd.grad(surrogate, logits, retain_graph=True)
        assert torch.allclose(gradient, exact) == equal


def baseline_bias() -> None:
    exact = baselines.exact_gradient(PROBLEM)
    for b in (-3.0, 0.0, 17.0):
        assert torch.allclose(baselines.moments(PROBLEM, b)[0], exact)
    looking = baselines.action_dependent(PROBLEM, 1.0, 0.5)
    assert not torch.allclose(baselines.moments(PROBLEM, looking)[0], exact)


def replay_buffer() -> None:
    """Samples of an old policy have another mean, until they are weighted by the ratio."""
    old = baselines.bandit((2.0, 0.0, 0.0), (1.0, 4.0, 2.0)).probs
    each, exact = baselines.estimates(PROBLEM, 0.0), baselines.exact_gradient(PROBLEM)
    assert not torch.allclose(old @ each, exact)
    assert torch.allclose(old @ ((PROBLEM.probs / old)[:, None] * each), exact)
    trainer = Trainer(TrainConfig.fast("reinforce", n_envs=2, n_steps=4))
    trainer.rollout()
    first = trainer.traj
    trainer.rollout()
    assert trainer.traj is not first


def pi_words() -> None:
    probs = REINFORCE(4, 2).distribution(torch.randn(6, 4)).probs
    assert probs.shape == (6, 2)
    assert (probs > 0).all()
    assert torch.allclose(probs.sum(-1), torch.ones(6))


def logit() -> None:
    logits = torch.tensor([3.0, -1.0, 0.5], dtype=torch.float64)
    assert torch.allclose(policy(logits).probs, policy(logits + 7).probs)
    assert not torch.allclose(policy(logits).logits, logits)  # no log-probabilities yet
    odds = torch.tensor([0.3, 0.7], dtype=torch.float64).log()
    assert float(odds[0] - odds[1]) == pytest.approx(math.log(0.3 / 0.7))


def categorical() -> None:
    logits = torch.zeros(3, requires_grad=True)
    distribution = Categorical(logits=logits)
    actions = torch.multinomial(distribution.probs, 100, True)
    assert actions.dtype == torch.int64
    assert set(actions.tolist()) <= {0, 1, 2}
    assert not actions.requires_grad
    assert distribution.log_prob(actions).requires_grad


def cartpole_spaces() -> None:
    env = gym.make("CartPole-v1")
    assert isinstance(env.observation_space, gym.spaces.Box)
    assert isinstance(env.action_space, gym.spaces.Discrete)
    shape, n_actions = env.observation_space.shape, env.action_space.n
    assert (shape, n_actions) == ((4,), 2)
    solution = questions()["cartpole_spaces"].draw(0).answer.solution
    assert solution == f"{shape[0]} continuous numbers; {n_actions} discrete actions"
    agent = PPO(4, 2)
    assert agent.policy(torch.zeros(1, 4)).shape == (1, 2)


def cartpole_entries() -> None:
    """Entries 1 and 3 are the rates of 0 and 2; a push to the right moves the cart's."""
    env = gym.make("CartPole-v1").unwrapped
    env.reset(seed=0)
    env.state = np.array([0.1, 0.5, 0.02, -0.3])
    after, *_ = env.step(1)
    assert after[0] == pytest.approx(0.1 + env.tau * 0.5)
    assert after[2] == pytest.approx(0.02 + env.tau * -0.3)
    assert after[1] > 0.5
    assert env.x_threshold == pytest.approx(env.observation_space.high[0] / 2)
    assert env.theta_threshold_radians == pytest.approx(env.observation_space.high[2] / 2)
    items = [item.text for item in questions()["cartpole_entries"].draw(0).answer.items]
    assert items == ["cart position", "cart velocity", "pole angle", "pole angular velocity"]


def reinforce_loss() -> None:
    everyone = torch.arange(3)
    logits = PROBLEM.logits.clone().requires_grad_()
    log_probs = Categorical(logits=logits).log_prob(everyone)
    # The mean over samples, exactly: each action as often as the policy takes it.
    loss = policy_gradient_loss(log_probs, 3 * PROBLEM.probs * PROBLEM.rewards)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.allclose(-gradient, baselines.exact_gradient(PROBLEM))
    worst = baselines.bandit((50.0, 0.0, 0.0), (1.0, 4.0, 2.0))
    certain = policy(worst.logits).log_prob(torch.tensor([0]))
    assert abs(float(policy_gradient_loss(certain, worst.rewards[:1]))) < 1e-9


def why_baseline() -> None:
    none, mean = (baselines.moments(PROBLEM, b) for b in (0.0, float(PROBLEM.expected_reward)))
    assert torch.allclose(none[0], mean[0])
    assert mean[1] < none[1]
    weights = PROBLEM.rewards - PROBLEM.expected_reward
    assert (weights > 0).any()
    assert (weights < 0).any()


def baseline_here() -> None:
    """What its explanation adds: one episode's gradient varies less with a trained V."""
    stored = gradient_variance.stored()
    trained = stored[stored["updates"] == stored["updates"].max()].set_index("method")["variance"]
    assert trained["value baseline"] < trained["reward-to-go"]


@pytest.mark.slow
def test_value_baseline_makes_no_visible_difference():
    """The claim of baseline_here, over the homework's first 25 iterations."""
    returns = {}
    for algorithm in ("reinforce", "vpg"):
        trainer = Trainer(TrainConfig.homework(algorithm, n_updates=25))
        for _ in trainer.run():
            pass
        returns[algorithm] = evaluate(trainer.agent, "CartPole-v1", seed=1).mean
    low, high = sorted(returns.values())
    assert low > 28  # both have learned: a random policy has about 22
    assert high / low < 1.25


def paths(advantage: float, share: float, rate: float = 2.0, eps: float = 0.1) -> Any:
    frame = ppo_epochs.paths([rate], ["plain SGD"], [share], [advantage], 10, eps, beta=1.0)
    return frame[frame["name"] == "PPO clip"].reset_index(drop=True)


def ratio_large() -> None:
    seen = set()
    for seed in range(12):
        asked = questions()["ratio_large"].draw(seed)
        sign = 1.0 if "large **positive**" in asked.text else -1.0
        seen.add(sign)
        path = paths(sign, 0.0)
        ratio = path["ratio"].to_numpy()
        outside = ratio[1:] > 1.1 if sign > 0 else ratio[1:] < 0.9
        assert outside.all()
        assert np.ptp(ratio[1:]) == 0  # and stays there
        assert (path["push"][1:] == 0).all()
        told = test_question_numbers.numbers(asked.explanation.partition("ratio is")[2])
        assert told == pytest.approx(ratio[[0, 1, 2, 10]].tolist(), rel=1e-2)
        assert ("above" if sign > 0 else "below") in asked.answer.solution
    assert seen == {1.0, -1.0}


def ratio_zero() -> None:
    assert (paths(0.0, 0.0)["ratio"] == 1).all()
    for seed in range(6):
        asked = questions()["ratio_zero"].draw(seed)
        share, told = test_question_numbers.numbers(asked.explanation)[:2]
        path = paths(0.0, share)
        assert (path["push"] == 0).all()
        assert path["ratio"].iloc[-1] == pytest.approx(told, rel=1e-2)
        assert abs(path["ratio"].iloc[-1] - 1) > 0.05


def after_the_clip() -> None:
    state = questions()["after_the_clip"].draw(0).link.state
    path = paths(1.0, float(state["share"]), float(state["rate"]), eps=0.2)
    silent = (path["push"] == 0).to_numpy()[:-1]
    moved = path["ratio"].diff().abs().to_numpy()[1:] > 1e-3
    assert (silent & moved).any()  # silent, and carried on by the neighbour
    ratio = torch.tensor([1.4], dtype=torch.float64)
    flat = clipped_surrogate(ratio.log(), torch.zeros_like(ratio), torch.ones_like(ratio), 0.2)
    assert flat.ratio == pytest.approx(1.4)  # the clip touches the objective, not the ratio


def hidden_velocities() -> None:
    changes = markov.angle_changes(random_episodes(300, seed=0))
    unknown = markov.unexplained(changes).set_index("shown")["share"]
    assert unknown["position and angle"] > 0.5
    assert unknown["all four numbers"] < 0.01


def shifted_logits() -> None:
    base = [0.0, 1.0, 2.0]
    for seed in range(6):
        by = test_question_numbers.numbers(questions()["shifted_logits"].draw(seed).text)[0]
        shifted = test_question_numbers.softmax([z + by for z in base])
        assert shifted == pytest.approx(test_question_numbers.softmax(base))
    assert max(test_question_numbers.softmax([2 * z for z in base])) > max(shifted)


def reward_to_go() -> None:
    _, spreads = weightings((0.0, 0.0, 0.0), 1.0, [20])
    by = spreads.set_index("weighting")
    assert by.loc["reward-to-go", "spread"] < 0.8 * by.loc["full return", "spread"]
    means = by[["A", "B", "C"]]
    distance = (means.loc["reward-to-go"] - means.loc["full return"]).abs().max()
    assert distance < 4 * by.loc["full return", "spread"] / math.sqrt(200)


def perfect_baseline() -> None:
    mean, variance = baselines.moments(PROBLEM, PROBLEM.rewards)
    assert torch.allclose(mean, torch.zeros(3, dtype=torch.float64))
    assert variance == pytest.approx(0, abs=1e-12)


def first_step() -> None:
    """Ratio 1, nothing silent, and the gradient of the vanilla policy gradient."""
    generator = torch.Generator().manual_seed(0)
    old = -torch.rand(20, generator=generator, dtype=torch.float64)
    advantages = torch.randn(20, generator=generator, dtype=torch.float64)
    gradients = []
    for clip in (True, False):
        new = old.clone().requires_grad_()
        pieces = clipped_surrogate(new, old, advantages, 0.2)
        loss = -pieces.objective.mean() if clip else policy_gradient_loss(new, advantages)
        gradients.append(torch.autograd.grad(loss, new)[0])
        assert (pieces.ratio == 1).all()
        assert not pieces.clip_active.any()
    assert torch.allclose(*gradients)


def lambda_ends() -> None:
    rewards, values, next_values = torch.rand(3, 6, 2, generator=torch.Generator().manual_seed(0))
    next_values[:-1] = values[1:]
    ends = torch.zeros(6, 2, dtype=torch.bool)
    ends[-1] = True
    never = torch.zeros_like(ends)
    common = rewards, values, next_values, ends
    returns = discounted_returns(rewards, (~ends).float(), 0.9)
    assert torch.allclose(gae(*common, never, 0.9, 0.0), td_errors(*common, 0.9))
    assert torch.allclose(gae(*common, never, 0.9, 1.0), returns - values, atol=1e-6)


def bias_variance() -> None:
    problem = gae_bias.known(n_episodes=1000)
    wrong = gae_bias.wrong_values(problem, 0.5)
    alive = ~problem.mdp.terminal
    off = [gae_bias.bias(problem, wrong, lam)[alive].square().sum() for lam in (0.0, 0.5, 1.0)]
    assert off[0] > off[1] > off[2]
    assert off[2] < 1e-20
    spread = [gae_bias.variance(problem, wrong, lam)[alive].nanmean() for lam in (0.0, 0.5, 1.0)]
    assert spread[0] < spread[1] < spread[2]
    # Its explanation: with the true values there is no bias, and lambda = 0 varies least.
    assert gae_bias.bias(problem, problem.values, 0.0)[alive].abs().max() < 1e-9
    least, most = (gae_bias.variance(problem, problem.values, lam) for lam in (0.0, 1.0))
    assert least[alive].nanmean() < most[alive].nanmean()


def performed(name: str, steps: list[Callable[[dict[str, Any]], Any]]) -> None:
    """Do the steps in the answer's order; exchange any two neighbours, and one has no input."""
    assert len(steps) == len(questions()[name].draw(0).answer.items)
    assert _works(steps)
    for i, (one, other) in enumerate(pairwise(steps)):
        assert not _works([*steps[:i], other, one, *steps[i + 2 :]])


def _works(steps: list[Callable[[dict[str, Any]], Any]]) -> bool:
    state: dict[str, Any] = {}
    try:
        for step in steps:
            state |= step(state)
    except KeyError:
        return False
    return True


def the_loop() -> None:
    env, agent, traj = gym.make("CartPole-v1"), REINFORCE(4, 2), TrajData(1, 1, 4, 2)
    performed(
        "the_loop",
        [
            lambda s: {"obs": torch.from_numpy(env.reset(seed=0)[0])[None]},
            lambda s: {"logits": agent.policy(s["obs"])},
            lambda s: {"action": int(torch.multinomial(s["logits"].softmax(-1), 1))},
            lambda s: {"result": env.step(s["action"])},
            lambda s: {"next": s["result"][0], "reward": s["result"][1]},
            lambda s: (
                traj.store(
                    0,
                    s["obs"],
                    torch.tensor([s["action"]]),
                    torch.tensor([s["reward"]]),
                    torch.zeros(1),
                    torch.zeros(1),
                )
                or {}
            ),
        ],
    )


def reinforce_order() -> None:
    agent = REINFORCE(4, 2)
    optimizer = torch.optim.SGD(agent.parameters(), lr=0.1)

    def rollout(s: dict[str, Any]) -> dict[str, Any]:
        traj = TrajData(3, 2, 4, 2)
        traj.states = torch.rand(3, 2, 4)
        traj.rewards = torch.ones(3, 2)
        traj.log_probs = agent.distribution(traj.states).log_prob(traj.actions)
        return {"traj": traj}

    performed(
        "reinforce_order",
        [
            rollout,
            lambda s: s["traj"].calc_returns() or {"returns": s["traj"].returns},
            lambda s: {"loss": s["returns"].sum() * 0 + agent.get_loss(s["traj"])},
            lambda s: s["loss"].backward() or {"gradient": True},
            lambda s: {"stepped": s["gradient"] and optimizer.step() is None},
            lambda s: {"new": s["stepped"] and rollout(s)},
        ],
    )


def ppo_order() -> None:
    agent = PPO(4, 2)
    states, actions = torch.rand(6, 4), torch.zeros(6, dtype=torch.int64)

    def log_probs() -> torch.Tensor:
        return agent.distribution(states).log_prob(actions)

    def surrogate(s: dict[str, Any]) -> Any:
        return clipped_surrogate(s["new"], s["old"], s["advantages"], 0.2)

    performed(
        "ppo_order",
        [
            lambda s: {"old": log_probs().detach(), "rewards": torch.ones(6)},
            lambda s: {"advantages": s["rewards"] - s["rewards"].mean() + 1},
            lambda s: {"new": log_probs(), "ready": s["advantages"]},
            lambda s: {"ratio": torch.exp(s["new"] - s["old"])},
            lambda s: {"objective": s["ratio"].sum() * 0 + surrogate(s).objective},
            lambda s: s["objective"].mean().backward() or {},
        ],
    )


def gae_order() -> None:
    agent = VPG(4, 2)
    performed(
        "gae_order",
        [
            lambda s: {
                "states": torch.rand(6, 2, 4),
                "rewards": torch.ones(5, 2),
                "terminated": torch.rand(5, 2) < 0.3,
            },
            lambda s: {"values": agent.predict_values(s["states"]).detach()},
            lambda s: {"next": torch.where(s["terminated"], 0, s["values"][1:])},
            lambda s: {
                "deltas": td_errors(s["rewards"], s["values"][:-1], s["next"], s["terminated"], 0.9)
            },
            lambda s: {"sum": discounted_returns(s["deltas"], ~s["terminated"], 0.9 * 0.95)},
            lambda s: {"normal": (s["sum"] - s["sum"].mean()) / s["sum"].std()},
        ],
    )


FACTS: dict[str, Callable[[], None]] = {
    fact.__name__: fact
    for fact in (
        mdp_parts,
        objective,
        gradient_of_what,
        gradient_meaning,
        reinforce_gradient,
        baseline_bias,
        replay_buffer,
        pi_words,
        logit,
        categorical,
        cartpole_spaces,
        cartpole_entries,
        reinforce_loss,
        why_baseline,
        baseline_here,
        ratio_large,
        ratio_zero,
        after_the_clip,
        hidden_velocities,
        shifted_logits,
        reward_to_go,
        perfect_baseline,
        first_step,
        lambda_ends,
        bias_variance,
        the_loop,
        reinforce_order,
        ppo_order,
        gae_order,
    )
} | {"markov": markov_property}


@pytest.mark.parametrize("name", sorted(FACTS))
def test_fact(name):
    FACTS[name]()


def test_precise_parts():
    gradient_has_gamma_to_the_t()


def test_every_answer_is_verified():
    verified = [*FACTS, *test_question_numbers.WORKED, *test_question_lines.LINES]
    assert sorted(verified) == sorted(questions())
