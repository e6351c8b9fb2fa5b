"""Lines of code: read without being run, and every form of ours run here against pgcore."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Categorical

from pgcore.losses import clipped_surrogate, policy_gradient_loss
from pgcore.questions import questions, syntax
from pgcore.questions.line import Line
from pgcore.returns import discounted_returns, gae

T, N = 5, 3


def parse(text: str) -> syntax.Form:
    return syntax.parse(text, "x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a + b", "b + a"),
        ("a * b * c", "c * (b * a)"),
        ("a - b", "-b + a"),
        ("a - b", "-(b - a)"),
        ("-(a * b)", "-a * b"),
        ("-(a * b).mean()", "(-a * b).mean()"),
        ("-torch.mean(a * b)", "(a * -b).mean()"),
        ("torch.exp(a)", "a.exp()"),
        ("x = a", "a"),
        ("x = x + 1", "x + 1.0"),
        ("a ** 2", "a.square()"),
        ("a ** 2", "torch.pow(a, 2)"),
        ("torch.clamp(a, 1 - e, 1 + e)", "a.clip(min=1 - e, max=e + 1)"),
        ("torch.min(a, b)", "torch.minimum(b, a)"),
        ("F.log_softmax(a, dim=-1)", "a.log_softmax(-1)"),
        ("torch.nn.functional.softmax(a, dim=1)", "torch.softmax(a, 1)"),
        ("a / b", "torch.div(a, b)"),
        ("torch.mul(a, b)", "a * b"),
        ("(a)", "a  # why"),
    ],
)
def test_notation_does_not_show(one, other):
    assert parse(one) == parse(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a - b", "b - a"),
        ("a / b", "b / a"),
        ("a ** b", "b ** a"),
        ("a * b", "a + b"),
        ("a @ b", "b @ a"),
        ("(a * b).mean()", "-(a * b).mean()"),
        ("(a * b).mean()", "a.mean() * b.mean()"),
        ("a.exp()", "a.log()"),
        ("a[t]", "a[t + 1]"),
        ("a.detach()", "a"),
        ("min(a, b)", "torch.min(a, b)"),
        ("torch.min(a, b)", "torch.max(a, b)"),
        ("a.squeeze(-1)", "a.squeeze(1)"),
        ("f(a)", "f(a, **b)"),
        ("f(a)", "f(*a)"),
        ("a", "a if b else c"),
    ],
)
def test_meaning_shows(one, other):
    assert parse(one) != parse(other)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Write the line first."),
        ("   ", "Write the line first."),
        ("a +", "not a line of Python"),
        ("a − b", "not a line of Python"),
        ("a; b", "exactly one line"),
        ("a\nb", "exactly one line"),
        ("a\x00", "exactly one line"),
        ("y = a", "assigns to `x`"),
        ("x = y = a", "assigns to `x`"),
        ("x += a", "expression"),
        ("import os", "expression"),
        ("def f(): pass", "expression"),
        ("# only a comment", "exactly one line"),
        ("a" * 201, "201 characters"),
        ("(" * 199, "."),
        ("-" * 199 + "a", ""),
        ("a" + "[0]" * 66, ""),
    ],
)
def test_what_is_no_line(text, says):
    try:
        parse(text)
    except ValueError as problem:
        assert says in str(problem)
        assert str(problem).endswith(".")
    else:
        assert not says


@given(st.text(max_size=210))
def test_never_crashes(text):
    try:
        parse(text)
    except ValueError as problem:
        assert str(problem).endswith(".")


@given(st.text(alphabet="ab-+*/().,=1 torchexpmin[]:", max_size=60))
def test_never_crashes_on_almost_code(text):
    try:
        syntax.names(text if parse(text) else "a")
    except ValueError as problem:
        assert str(problem).endswith(".")


def test_a_line_is_never_run():
    line = Line("", "x", "", ("a",))
    assert not line.check(line.read("__import__('os').abort()")).right
    assert not line.check(line.read("(lambda: 1 / 0)()")).right


def test_what_a_visitor_hears():
    asked = questions()["returns_line"].draw(0).answer
    assert asked.read(" following = rewards[t] ") == "rewards[t]"
    assert asked.check("rewards[t]").words == (
        "The line does not use `following`, `gamma`, `not_dones`."
    )
    assert "runs nothing" in asked.check("rewards[t] + gamma - not_dones[t] + following").words
    assert asked.check("following = following * not_dones[t] * gamma + rewards[t]").right


# Each line question: the names its code may use, and what pgcore says that the line is worth.


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def going_on() -> Tensor:
    flags = torch.ones(T, N, dtype=torch.float64)
    flags[1, 0] = flags[3, 1] = flags[4, 2] = 0
    return flags


def backward(line: str, names: dict[str, Any]) -> Tensor:
    """Run a line inside the backward loop that the question shows."""
    following, rows = torch.zeros(N, dtype=torch.float64), []
    for t in reversed(range(T)):
        following = eval(line, {"torch": torch}, names | {"t": t, "following": following})
        rows.append(following)
    return torch.stack(rows[::-1])


def plain(line: str, names: dict[str, Any]) -> Tensor:
    functions = {"torch": torch, "Categorical": Categorical}
    functions["policy_gradient_loss"] = policy_gradient_loss
    return eval(line, functions, names)


def case(name: str) -> tuple[Any, dict[str, Any], Tensor]:
    """How to run a line of this question, its variables, and the right result."""
    gamma, lam, eps = 0.9, 0.7, 0.2
    rewards, not_dones, logits = numbers(T, N), going_on(), (numbers(N, 2) - 0.5) * 9
    logits.requires_grad_()
    actions = torch.tensor([1, 0, 1])
    log_probs = (numbers(T, N, seed=1) - 1).requires_grad_()
    old = numbers(T, N, seed=2) - 1
    advantages = numbers(T, N, seed=3) - 0.5
    pieces = clipped_surrogate(log_probs, old, advantages, eps)
    never = torch.zeros_like(rewards)
    values = numbers(N, 1, seed=4).requires_grad_()
    ended = not_dones == 0
    return {
        "log_prob_line": (
            plain,
            {
                "distribution": Categorical(logits=logits),
                "policy": lambda obs: logits,
                "obs": numbers(N, 4),
                "actions": actions,
            },
            torch.log_softmax(logits, -1)[torch.arange(N), actions],
        ),
        "log_softmax_line": (
            plain,
            {"logits": logits},
            (logits.exp() / logits.exp().sum(1, keepdim=True)).log(),
        ),
        "returns_line": (
            backward,
            {"rewards": rewards, "gamma": gamma, "not_dones": not_dones},
            discounted_returns(rewards, not_dones, gamma),
        ),
        "loss_line": (
            plain,
            {"log_probs": log_probs, "returns": rewards},
            policy_gradient_loss(log_probs, rewards),
        ),
        "advantage_line": (
            plain,
            {"values": values, "returns": rewards[0]},
            (rewards[0] - values[:, 0]).detach(),
        ),
        "ratio_line": (plain, {"log_probs": log_probs, "old_log_probs": old}, pieces.ratio),
        "clip_line": (
            plain,
            {
                "unclipped": pieces.unclipped,
                "clipped": pieces.clipped,
                "ratio": pieces.ratio,
                "advantages": advantages,
                "eps": eps,
            },
            pieces.objective,
        ),
        "gae_line": (
            backward,
            {
                "deltas": advantages,
                "rewards": rewards,
                "gamma": gamma,
                "lam": lam,
                "going_on": not_dones,
            },
            gae(advantages, never, never, ended, ended, gamma, lam),
        ),
    }[name]


LINES = sorted(name for name, q in questions().items() if q.draw(0).answer.kind == "line")


def same(result: Any, right: Tensor) -> bool:
    return (
        isinstance(result, Tensor)
        and result.shape == right.shape
        and result.requires_grad == right.requires_grad
        and torch.allclose(result, right)
    )


@pytest.mark.parametrize("name", LINES)
def test_accepted_lines_do_what_pgcore_does(name):
    answer = questions()[name].draw(0).answer
    for code in answer.accepted:
        run, names, right = case(name)
        assert same(run(code, names), right), code


FAIL_ONLY_IN_FLOAT32 = {
    "torch.log(torch.softmax(logits, dim=-1))",
    "torch.exp(log_probs) / torch.exp(old_log_probs)",
}


@pytest.mark.parametrize("name", LINES)
def test_mistakes_do_something_else(name):
    answer = questions()[name].draw(0).answer
    accepted = {syntax.parse(code, answer.target) for code in answer.accepted}
    forms = [syntax.parse(mistake.code, answer.target) for mistake in answer.mistakes]
    assert not accepted & set(forms)
    assert len(set(forms)) == len(forms)
    for mistake in answer.mistakes:
        run, names, right = case(name)
        try:
            result = run(mistake.code, names)
        except (RuntimeError, IndexError, ValueError):
            continue  # it fails outright
        assert same(result, right) == (mistake.code in FAIL_ONLY_IN_FLOAT32), mistake.code


def test_right_on_paper_fails_in_float32():
    far = torch.tensor([[0.0, 200.0]])
    assert torch.log(torch.softmax(far, dim=-1)).isinf().any()
    assert torch.log_softmax(far, dim=-1).isfinite().all()
    log = torch.tensor([-200.0])
    assert (torch.exp(log) / torch.exp(log)).isnan().all()
    assert clipped_surrogate(log, log, log, 0.2).ratio == 1
