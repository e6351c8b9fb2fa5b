"""Chapter 2: float32 and entropy."""

from __future__ import annotations

import math

from pgcore.questions.answers import Choice, Item, Option, Order, letters
from pgcore.questions.base import Asked, Link, Question, Rng, listed, pick, shown
from pgcore.questions.line import Line, Mistake
from pgcore.questions.log_probs_1 import TOPIC
from pgcore.questions.number import Number, Trap
from pgcore.studies.float32 import SMALLEST_FLOAT32, underflow
from pgcore.studies.log_probs import entropy, policy

__all__ = ["QUESTIONS", "TOPIC"]


def _underflow(rng: Rng) -> Asked:
    prob, steps = pick(rng, 0.3, 0.4, 0.5), 500
    last = underflow(prob, steps).iloc[-1]
    total = float(last["sum_of_logs"])
    return Asked(
        f"An episode has {steps} steps, and every action had probability {prob:g}. Multiplied one "
        "after the other in float32, what do the probabilities come to?",
        Choice(
            (
                Option(
                    shown(float(last["product"])),
                    "From half the smallest float32 downwards, about "
                    f"{shown(SMALLEST_FLOAT32 / 2, 2)}, a number is rounded to zero.",
                ),
                Option(
                    f"about 1e{total / math.log(10):.0f}".replace("-", "−"),
                    "That is the true product. float32 has no number that small.",
                    "float32 taken for the real numbers",
                ),
                Option(
                    "nan",
                    "A product of small numbers is small, not undefined. nan comes next: from 0/0, "
                    "once such products are divided.",
                    "Zero taken for undefined",
                ),
                Option(
                    "an error: underflow",
                    "Floating point underflows without a word. That is what makes it dangerous.",
                    "Trust in error messages",
                ),
            )
        ),
        f"The sum of logarithms is {shown(total)}, no trouble at all. The gradient of the log of "
        "a product that has become 0 is nan; that of the sum is exact.",
        Link(
            "log_probs",
            "where the product dies and the sum goes on",
            {"each": f"{prob:g}", "factors": f"{steps}"},
        ),
    )


def _entropy_order(rng: Rng) -> Asked:
    policies = [
        [float(z) for z in rng.permutation(each)]
        for each in ([0, 0, 9], [0, 0, 3], [0, 1, 2], [1, 1, 1])
    ]
    policies = [
        [z + shift for z in each]
        for each, shift in zip(policies, rng.integers(0, 6, size=4).tolist(), strict=True)
    ]
    ranked = sorted(policies, key=entropy)
    items = tuple(
        Item(
            f"logits {listed(each)}",
            f"Its probabilities are {listed([round(p, 3) for p in policy(each).probs.tolist()])}, "
            f"its entropy {shown(entropy(each), 3)}.",
        )
        for each in ranked
    )
    return Asked(
        "Order these policies by **entropy**, the most certain one first.",
        Order(items),
        "Entropies in nats: " + listed([round(entropy(each), 3) for each in ranked]) + ". Only the "
        "differences of the logits count: a policy with large logits may be undecided.",
        Link("log_probs", "where entropy follows the logits"),
    )


def _max_entropy(rng: Rng) -> Asked:
    n = pick(rng, 2, 3, 4, 5, 6)
    value = entropy([0.0] * n)
    return Asked(
        f"A fresh policy gives its {n} actions equal probability. What is its entropy, in nats?",
        Number(
            value,
            (
                Trap(math.log2(n), "Base 2", "That is in bits. Nats take the natural logarithm."),
                Trap(1 / n, "The probability", "That is π(a). Entropy is the mean of −log π(a)."),
                Trap(
                    n * value, "The mean's weights", "Each −log π(a) counts by its probability 1/n."
                ),
                Trap(
                    -value,
                    "The minus sign",
                    "H = −Σ π log π: the logarithms are negative, H is not.",
                ),
            ),
            "nats",
        ),
        f"$H=\\ln {n}$ = {shown(value)}, the most that {n} actions can have. Training charts often "
        "show the normalised entropy, H / ln A, which starts at 1.",
        Link(
            "log_probs",
            "where entropy is read off",
            {"actions": f"{n}"} | {f"z{name.lower()}": "0" for name in letters(n)},
        ),
    )


_STABLE = Asked(
    "Fill in the log-probabilities of all actions, so that they survive in float32.",
    Line(
        "logits = policy(obs)                   # (N, A), any size",
        "log_probs",
        "# (N, A), each row's exponentials sum to 1",
        (
            "torch.log_softmax(logits, dim=-1)",
            "torch.log_softmax(logits, dim=1)",
            "logits - torch.logsumexp(logits, dim=-1, keepdim=True)",
            "logits - torch.logsumexp(logits, dim=1, keepdim=True)",
            "Categorical(logits=logits).logits",
        ),
        (
            Mistake(
                "torch.log(torch.softmax(logits, dim=-1))",
                "Right on paper",
                "In float32 softmax may round a small probability to 0, whose logarithm is −inf.",
            ),
            Mistake(
                "logits - torch.logsumexp(logits, dim=-1)",
                "The lost dimension",
                "(N, A) minus (N,) does not line up: PyTorch matches from the right. keepdim=True.",
            ),
            Mistake(
                "torch.softmax(logits, dim=-1)",
                "No logarithm",
                "Those are the probabilities.",
            ),
            Mistake(
                "torch.log_softmax(logits, dim=0)",
                "The wrong axis",
                "Axis 0 is the batch: every observation has a distribution of its own.",
            ),
            Mistake(
                "torch.log(logits)",
                "The logarithm of a logit",
                "A logit may be negative: that is nan. A logit is a log-probability already, up to "
                "a constant.",
            ),
            Mistake(
                "logits / logits.sum(dim=-1, keepdim=True)",
                "Shares of the logits",
                "Softmax shares out the exponentials of the logits.",
            ),
        ),
    ),
    "log_softmax subtracts the largest logit before it takes exponentials, so nothing overflows, "
    "and never forms the probability itself.",
    Link("log_probs", "where float32 gives out, and the sum of logs does not"),
)

QUESTIONS = (
    Question("underflow", "A product of 500", _underflow),
    Question("entropy_order", "Certain and undecided", _entropy_order),
    Question("max_entropy", "The entropy of a fresh policy", _max_entropy),
    Question("log_softmax_line", "The line for all log-probabilities", _STABLE),
)
