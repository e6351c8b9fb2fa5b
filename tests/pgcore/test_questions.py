"""The quiz as data: what it must hold, that it is reproducible, and how answers are judged.

test_question_numbers.py, _lines.py and _facts.py show that the right answers are right.
"""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcore.questions import MAX_SEED, questions, topics
from pgcore.questions.answers import Choice, Item, Mark, Option, Order
from pgcore.questions.base import Asked
from pgcore.questions.number import Number, Trap
from pgcore.questions.progress import MAX_ATTEMPTS, Attempt, Progress

EVERY = sorted(questions())
SEEDS = range(12)


def test_covers_the_homework():
    asked = {question.homework for question in questions().values()}
    warm_up = {f"warm-up {i}" for i in range(1, 16)}
    assert asked == warm_up | {f"conceptual {i}" for i in range(1, 5)} | {""}


def test_covers_the_chapters():
    sizes = {topic.key: len(found) for topic, found in topics().items()}
    chapters = ["mdp", "log_probs", "reinforce", "baselines", "ppo_clip", "gae"]
    assert list(sizes) == ["warm_up", "concepts", *chapters]
    assert min(sizes[chapter] for chapter in chapters) >= 5
    assert sum(sizes[chapter] for chapter in chapters) >= 30


def test_every_kind_in_the_chapters():
    kinds = {question.draw(0).answer.kind for question in questions().values()}
    assert kinds == {"choice", "number", "order", "line", "mark"}


@pytest.mark.parametrize("name", EVERY)
def test_same_seed_same_question(name):
    for seed in (0, 1, MAX_SEED):
        first, second = (questions()[name].draw(seed) for _ in range(2))
        assert first.text == second.text
        assert first.explanation == second.explanation
        assert first.answer.solution == second.answer.solution
        assert vars(first.answer).keys() == vars(second.answer).keys()


@pytest.mark.parametrize("name", EVERY)
def test_a_new_seed_asks_anew(name):
    question = questions()[name]
    seen = {f"{each.text} {each.answer}" for each in map(question.draw, range(8))}
    if question.has_numbers or question.draw(0).answer.kind in ("choice", "order"):
        assert len(seen) > 1
    else:
        assert len(seen) == 1


@pytest.mark.parametrize("name", EVERY)
def test_every_draw_can_be_answered(name):
    for seed in SEEDS:
        asked = questions()[name].draw(seed)
        assert "nan" not in asked.text.lower().replace("nance", "")
        right, wrong = answers(asked)
        assert asked.answer.check(right).right
        assert len(wrong) >= 2
        for each in wrong:
            verdict = asked.answer.check(each)
            assert not verdict.right
            # What is behind it is named in bold, then explained in a sentence.
            assert re.match(r"\*\*.+\*\*.* \S.+[.)]$", verdict.words, re.DOTALL), verdict.words


@pytest.mark.parametrize(
    "name", [name for name in EVERY if questions()[name].draw(0).answer.kind == "number"]
)
def test_every_trap_can_be_stepped_in(name):
    """A trap that always equals the answer, or an earlier trap, would never be named."""
    drawn = [questions()[name].draw(seed).answer for seed in range(60)]
    named = {trap.misconception for answer in drawn for trap in answer.traps}
    reached = {
        trap.misconception
        for answer in drawn
        for trap in answer.traps
        if answer.check(trap.value).words.startswith(f"**{trap.misconception}.**")
    }
    assert reached == named
    assert len(named) >= 3


def answers(asked: Asked) -> tuple[object, list[object]]:
    """The right answer as a visitor gives it, and wrong ones whose misconception is known."""
    answer = asked.answer
    if isinstance(answer, Choice):
        options = range(len(answer.options))
        (right,) = [i for i in options if answer.options[i].right]
        return right, [i for i in options if i != right]
    if isinstance(answer, Number):
        return answer.value, [trap.value for trap in answer.traps]
    if isinstance(answer, Order):
        right = sorted(range(len(answer.items)), key=lambda i: answer.positions[i])
        swapped = [[*right[:i], right[i + 1], right[i], *right[i + 2 :]] for i in range(3)]
        return right, [*swapped, right[::-1]]
    if isinstance(answer, Mark):
        extra = [answer.right | {name} for name in answer.wrong]
        return answer.right, extra if answer.many else [{name} for name in answer.wrong]
    return answer.accepted[0], [mistake.code for mistake in answer.mistakes]


def test_choice_needs_one_right_option():
    right, wrong = Option("a", "why"), Option("b", "why", "misconception")
    for options in ((right, right), (wrong, wrong), (right, Option("a", "why", "other"))):
        with pytest.raises(ValueError, match=r"right|alike"):
            Choice(options)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-0.693", -0.693),
        ("−0.693", -0.693),
        (" 1 / 3 ", 1 / 3),
        ("12%", 0.12),
        (".5", 0.5),
        ("2e-3", 0.002),
        ("+4", 4.0),
    ],
)
def test_number_reads(text, value):
    assert Number(0.0).read(text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["", " ", "one", "0,5", "1/0", "nan", "inf", "1e999", "--1", "1" * 50, "0x10", "ln 0.5"]
)
def test_number_refuses(text):
    with pytest.raises(ValueError, match=r"[.]$") as caught:
        Number(0.0).read(text)
    assert len(str(caught.value)) < 100


@given(st.text(max_size=60))
def test_number_never_crashes(text):
    try:
        assert math.isfinite(Number(0.0).read(text))
    except ValueError as problem:
        assert "float" not in str(problem)


def test_number_judges():
    answer = Number(-0.6931, (Trap(0.5, "Name", "why."), Trap(-0.69, "Same", "why.")), within=0.01)
    assert answer.check(-0.69).right
    assert not answer.check(-0.705).right
    assert not answer.check(-0.68).right
    assert answer.check(0.501).words == "**Name.** why."
    assert answer.check(0.6931).words.startswith("**The sign.**")
    assert "**" not in answer.check(17.0).words
    assert not Number(100.0, within=0).check(100.5).right


def test_order_names_the_first_wrong_place():
    order = Order(tuple(Item(text, f"why {text}.") for text in "abcd"), positions=(2, 0, 3, 1))
    assert order.check([1, 3, 0, 2]).right
    verdict = order.check([1, 0, 3, 2])
    assert not verdict.right
    assert "Place 2" in verdict.words
    assert "“c”" in verdict.words
    assert "why b." in verdict.words
    with pytest.raises(ValueError, match="once"):
        order.check([0, 0, 1, 2])


def test_order_is_never_shown_solved():
    items = tuple(Item(text, "") for text in "ab")
    for seed in range(20):
        assert Order(items).shuffled(np.random.default_rng(seed)).positions == (1, 0)


def test_progress_round_trip():
    progress = Progress()
    for seed, right in ((1, False), (2, True)):
        progress = progress.add(Attempt("markov", seed, "=1+1; “x”,\n", right))
    assert progress.solved == progress.tried == {"markov"}
    assert Progress.from_json(progress.to_json(), {"markov"}) == progress
    assert Progress.from_json(progress.to_json(), {"other"}) == Progress()
    header, *rows = progress.to_csv().split("\n", 1)
    assert header == "question,seed,given,right"
    assert rows[0].startswith("markov,1,\"'=1+1")


def test_progress_is_bounded():
    progress = Progress()
    for seed in range(MAX_ATTEMPTS + 5):
        progress = progress.add(Attempt("markov", seed, "x" * 5000, True))
    assert len(progress.attempts) == MAX_ATTEMPTS
    assert progress.attempts[-1].seed == MAX_ATTEMPTS + 4
    assert len(progress.attempts[0].given) < 1000


GOOD = {"question": "markov", "seed": 1, "given": "", "right": True}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"attempts": 3}',
        '{"attempts": [1]}',
        '{"attempts": [{"question": "markov"}]}',
        "[" * 100_000,
        *(
            json.dumps({"attempts": [GOOD | bad]})
            for bad in ({"seed": -1}, {"seed": True}, {"seed": 1.5}, {"given": 1}, {"right": "yes"})
        ),
        json.dumps({"attempts": [GOOD | {"question": ["markov"]}]}),
    ],
)
def test_damaged_progress(text):
    with pytest.raises(ValueError, match=r"^That .*progress file.*[.]$"):
        Progress.from_json(text, {"markov"})
