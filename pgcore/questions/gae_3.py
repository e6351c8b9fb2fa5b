"""Chapter 6: λ, and the way to an advantage."""

from __future__ import annotations

from pgcore.questions.answers import Choice, Item, Option, Order
from pgcore.questions.base import Asked, Link, Question
from pgcore.questions.gae_1 import TOPIC

__all__ = ["QUESTIONS", "TOPIC"]


_ENDPOINTS = Asked(
    "What do λ = 0 and λ = 1 make of GAE?",
    Choice(
        (
            Option(
                "λ = 0: the TD error; λ = 1: the return minus V",
                "In between, a mean of all n-step advantages, the long ones counting more as λ "
                "grows.",
            ),
            Option(
                "λ = 0: the return minus V; λ = 1: the TD error",
                "λ keeps the later TD errors. At 0 none are kept.",
                "The two ends swapped",
            ),
            Option(
                "λ = 0: no advantage at all; λ = 1: the TD error",
                "This step's own TD error has weight 1, whatever λ is.",
                "The first weight taken for λ",
            ),
            Option(
                "λ = 0: the value network alone; λ = 1: rewards alone",
                "λ = 0 uses one reward, and λ = 1 still subtracts V(s).",
                "A tendency taken for the definition",
            ),
        )
    ),
    "The sum of discounted TD errors telescopes: every V in between cancels, and return minus V "
    "remains.",
    Link("gae", "where λ is a slider", {"lam": "0"}),
)

_TRADE = Asked(
    "The value network is still wrong. You raise λ from 0 towards 1. What happens to the advantage "
    "estimates?",
    Choice(
        (
            Option(
                "less bias, more variance",
                "They rely less on V, which is wrong, and more on sampled rewards, which are "
                "noisy.",
            ),
            Option(
                "more bias, less variance",
                "That is the way down: a small λ trusts V.",
                "The two ends swapped",
            ),
            Option(
                "less bias and less variance: λ = 1 is best",
                "Then nobody would use 0.95. Each further reward brings its own noise.",
                "Forgetting the noise",
            ),
            Option(
                "the bias stays: any baseline is free of bias",
                "V is used in two ways here. As a baseline it costs nothing; as a stand-in for "
                "future rewards, inside δ, it brings its error along.",
                "Bootstrapping taken for a baseline",
            ),
        )
    ),
    "With a perfect V there is no bias at any λ, and λ = 0 has the least variance.",
    Link("gae", "where bias and variance are measured against the truth"),
)

_ORDER = Asked(
    "Put the way to GAE's advantages in order.",
    Order(
        (
            Item(
                "roll out, and keep the final observation of each cut episode",
                "Without rows there is nothing to value.",
            ),
            Item("evaluate V on every observation, without a graph", "TD errors need the values."),
            Item(
                "set V to 0 after terminations, and to nothing else",
                "Before the TD errors: they would bootstrap past the end.",
            ),
            Item("compute all TD errors", "They need reward, value, and the next value."),
            Item("sum them backwards, stopping at every end", "The recursion needs the TD errors."),
            Item(
                "normalise the advantages over the batch", "That comes last: it needs all of them."
            ),
        )
    ),
    "`pgcore.train.Trainer` does it in this order. The homework leaves out the final observation.",
    Link("gae", "where each row's kind is marked"),
)

QUESTIONS = (
    Question("lambda_ends", "The two ends of λ", _ENDPOINTS),
    Question("bias_variance", "Raising λ", _TRADE),
    Question("gae_order", "The way to an advantage", _ORDER),
)
