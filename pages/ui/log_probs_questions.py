"""Chapter 2's predictions: predict.ask(*SHIFT)."""

from __future__ import annotations

import math

from pages.ui.log_probs_limits import minus
from pages.ui.predict import Option
from pgcore.studies import float32

_LN_HALF = minus(f"{math.log(0.5):.3f}")
_FACTORS = int((float32.underflow(0.5)["product"] == 0).idxmax()) + 1
_SMALLEST = minus(f"{float32.SMALLEST_FLOAT32:.1e}")
_TRUTH = minus(f"{0.5**500:.0e}")

SHIFT = (
    "shift",
    "Move every logit up by 3. What happens to the probabilities?",
    [
        Option(
            "They all rise.",
            "They cannot: they always add up to 1. A logit is no amount of probability.",
        ),
        Option(
            "Nothing.",
            "Every e^z grows by the same factor e³, and the division by their sum takes it out "
            "again. Only differences between logits count.",
            right=True,
        ),
        Option(
            "The largest gains most, the others lose.",
            "That is what *multiplying* the logits does, or a lower temperature. Adding leaves "
            "the differences as they are.",
        ),
    ],
)
COIN = (
    "coin",
    "A fair coin: what is the log-probability of heads?",
    [
        Option("0.5", "That is the probability. Its logarithm is negative."),
        Option(
            f"About {_LN_HALF}",
            "ln 0.5. The logarithm of a probability is never above 0, and 0 means certain.",
            right=True,
        ),
        Option(
            "0",
            "0 is the log-probability of a certain outcome: e⁰ = 1. It is the fair coin's *logit*.",
        ),
    ],
)
SURE = (
    "sure",
    "The agent takes an action whose probability was 99 %. How strongly does ∇ ln π(a) push that "
    "action's logit up (T = 1)?",
    [
        Option(
            "Strongly, by 0.99: the action is the likely one.",
            "The push on the action taken is 1 − π. What is already likely is left alone.",
        ),
        Option(
            "Hardly, by 0.01.",
            "1 − 0.99. A surprising action is pushed hard, an expected one hardly. It is no waste: "
            "expected actions are taken more often, and over many draws the pushes balance.",
            right=True,
        ),
        Option(
            "By 1, as for any action taken.",
            "That is the onehot term alone. The policy itself is subtracted: onehot − π.",
        ),
    ],
)
PRODUCT = (
    "product",
    "500 actions of probability 0.5 each, multiplied in float32. The true product is about "
    f"{_TRUTH}. What does the computer say?",
    [
        Option(
            f"{_TRUTH}, rounded to 7 digits.",
            f"float32 has 7 digits, and also a smallest number above 0: {_SMALLEST}.",
        ),
        Option(
            "Exactly 0.",
            f"After {_FACTORS} factors nothing is left. The logarithm of 0 is −∞, and its gradient "
            "is not a number: one such sample ruins every weight of the network. Set the slider "
            "to 0.50.",
            right=True,
        ),
        Option(
            "An error: underflow.",
            "Floating-point arithmetic does not complain. It goes on with 0.",
        ),
    ],
)
