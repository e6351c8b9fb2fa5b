"""Warm-up: policies and logarithms."""

from __future__ import annotations

import torch
from torch.distributions import Categorical

from pgcore.losses import clipped_surrogate
from pgcore.questions.answers import Choice, Option
from pgcore.questions.base import Asked, Link, Question, Rng, pick, shown
from pgcore.questions.number import Number, Trap
from pgcore.questions.warm_up_1 import TOPIC

__all__ = ["QUESTIONS", "TOPIC"]


_PI = Asked(
    "What is $\\pi(a\\mid s)$, in plain words?",
    Choice(
        (
            Option(
                "the probability that the agent picks action a when it is in state s",
                "For each state it is a distribution over actions: not negative, summing to 1.",
            ),
            Option(
                "the action that the agent picks in state s",
                "That would be a deterministic policy. Policy gradients need chances: an action of "
                "probability 0 is never tried.",
                "A policy taken for a lookup table",
            ),
            Option(
                "the probability that the world moves to state s after action a",
                "That is the world's transition probability. The policy is the agent's own.",
                "The agent's dice taken for the world's",
            ),
            Option(
                "how good action a is in state s",
                "That is $Q(s,a)$. A good policy gives good actions more probability, but a "
                "probability is no value.",
                "A probability taken for a value",
            ),
        )
    ),
    "In code: `Categorical(logits=policy(obs))`, whose `probs` have one entry an action.",
    Link("log_probs", "where logits become a distribution over actions"),
    "With continuous actions π(a|s) is a density: it may be above 1, and the probability of any "
    "single action is 0. The gradient formulas stay the same.",
)


def _heads(rng: Rng) -> Asked:
    n = pick(rng, 1, 2, 3, 4)
    coin = Categorical(logits=torch.zeros(2, dtype=torch.float64))
    log_prob = coin.log_prob(torch.zeros(n, dtype=torch.int64)).sum()
    tossed = (
        "once. What is the log-probability of heads"
        if n == 1
        else (f"{n} times. What is the log-probability of heads every time")
    )
    prob = float(log_prob.exp())
    return Asked(
        f"A fair coin is tossed {tossed}? (Logarithms are natural here, as everywhere.)",
        Number(
            float(log_prob),
            (
                Trap(prob, "The probability itself", "Take its natural logarithm."),
                Trap(
                    float(coin.probs[0]),
                    "One toss, and no logarithm",
                    "Independent tosses multiply their probabilities; then take the logarithm.",
                ),
                Trap(
                    -float(log_prob),
                    "The minus sign",
                    "A probability is at most 1, so its logarithm is at most 0.",
                ),
                Trap(
                    float(log_prob.exp().log2()),
                    "Base 2",
                    "That is the answer in bits. PyTorch's logarithms are natural: in nats.",
                ),
                Trap(
                    float(log_prob.exp().log10()),
                    "Base 10",
                    "PyTorch's `log` is the natural one; base 10 has a function of its own.",
                ),
            ),
            "nats",
        ),
        f"$\\ln {shown(prob)} = {shown(float(log_prob))}$. Independent tosses multiply their "
        "probabilities, so they add their logarithms: ln 0.5, about "
        f"{shown(float(coin.logits[0]), 3)}, a toss.",
        Link(
            "log_probs",
            "where the coin's log-probability is drawn against its probability",
            {"heads": "0.5"},
        ),
    )


def _ratio(rng: Rng) -> Asked:
    old = pick(rng, -3.0, -2.5, -2.0, -1.6)
    step = pick(rng, -1.0, -0.5, 0.5, 1.0)
    new = old + step
    logs = torch.tensor([new], dtype=torch.float64), torch.tensor([old], dtype=torch.float64)
    pieces = clipped_surrogate(*logs, torch.ones_like(logs[0]), 0.2)
    ratio = float(pieces.ratio)
    return Asked(
        f"You know $\\log A = {new:.1f}$ and $\\log B = {old:.1f}$. What is $A/B$?",
        Number(
            ratio,
            (
                Trap(step, "The difference of the logs", "That is log(A/B). Take exp of it."),
                Trap(
                    new / old,
                    "The ratio of the logs",
                    "log A / log B is not A / B: a quotient becomes a difference of logarithms.",
                ),
                Trap(1 / ratio, "Upside down", "That is B / A."),
                Trap(
                    float(logs[0].exp() - logs[1].exp()),
                    "The difference of A and B",
                    "You took A − B. A ratio is a quotient.",
                ),
            ),
        ),
        f"$A/B=\\exp(\\log A-\\log B)=\\exp({shown(step)})={shown(ratio)}$. PPO's ratio is "
        "computed so: A and B themselves may be too small for float32, their logarithms are not.",
        Link(
            "log_probs",
            "where the naive ratio breaks and this one does not",
            {"difference": f"{step:g}"},
        ),
    )


_LOGIT = Asked(
    "What is a **logit**, as a policy network puts it out?",
    Choice(
        (
            Option(
                "any real number, one an action, that softmax turns into probabilities",
                "Unbounded, and only differences count: adding 7 to all of them changes nothing.",
            ),
            Option(
                "the logarithm of an action's probability",
                "Log-probabilities are one set of logits among many: the set that is at most 0 and "
                "whose exponentials sum to 1. A network's output need not be either.",
                "Logit taken for log-probability",
            ),
            Option(
                "an action's probability before rounding",
                "Logits may be negative and sum to anything.",
                "Logit taken for probability",
            ),
            Option(
                "the value of an action",
                "Raising all values by 5 means a better world; raising all logits by 5 means "
                "nothing.",
                "A preference taken for a value",
            ),
        )
    ),
    "`Categorical(logits=...)` normalises them; `Categorical(probs=...)` wants probabilities. "
    "Softmax before `logits=` would squash them twice.",
    Link("log_probs", "where the logits are sliders"),
    "In statistics a logit is the log-odds $\\ln\\frac{p}{1-p}$ of one event. With two actions the "
    "two meanings meet: the *difference* of the two logits is the log-odds.",
)

QUESTIONS = (
    Question("pi_words", "π(a|s) in plain words", _PI, "warm-up 9"),
    Question("ln_half", "The log-probability of heads", _heads, "warm-up 10"),
    Question("exp_of_difference", "A/B from logarithms", _ratio, "warm-up 11"),
    Question("logit", "A logit", _LOGIT, "warm-up 12"),
)
