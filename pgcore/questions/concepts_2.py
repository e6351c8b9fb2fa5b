"""The homework's conceptual question on PPO's ratio, in parts."""

from __future__ import annotations

import torch

from pgcore.losses import clipped_surrogate
from pgcore.questions.answers import Choice, Option
from pgcore.questions.base import Asked, Link, Question, Rng, pick, shown
from pgcore.questions.concepts_1 import TOPIC
from pgcore.studies.ppo_epochs import N_ACTIONS, NEIGHBOUR_ADVANTAGE

__all__ = ["QUESTIONS", "TOPIC"]


RATE, EPOCHS, EPS = 2.0, 10, 0.1


def _ratios(advantage: float, share: float) -> list[float]:
    """The pair's ratio after 0 .. EPOCHS full-batch steps; a neighbour shares weights with it."""
    features = torch.tensor([[1.0, 0.0], [share, (1 - share**2) ** 0.5]], dtype=torch.float64)
    advantages = torch.tensor([advantage, NEIGHBOUR_ADVANTAGE], dtype=torch.float64)
    weights = torch.zeros(N_ACTIONS, 2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=RATE)
    old, ratios = None, []
    for _ in range(EPOCHS + 1):
        new = torch.log_softmax(features @ weights.T, dim=-1)[:, 0]
        old = new.detach() if old is None else old
        pieces = clipped_surrogate(new, old, advantages, EPS)
        ratios.append(float(pieces.ratio[0].detach()))
        optimizer.zero_grad()
        (-pieces.objective.mean()).backward()
        optimizer.step()
    return ratios


def _large(rng: Rng) -> Asked:
    sign = pick(rng, 1.0, -1.0)
    ratios = _ratios(sign, 0.0)
    over, under = ("above 1 + ε", "below 1 − ε")[:: int(sign)]
    bound = over.partition(" ")[2]
    word = "positive" if sign > 0 else "negative"
    return Asked(
        f"PPO, plain gradient descent with a **large** learning rate, {EPOCHS} epochs on one "
        f"batch, ε = {EPS:g}. One state-action pair, which shares no weights with others, has a "
        f"large **{word}** advantage. What does its ratio do?",
        Choice(
            (
                Option(
                    f"it jumps from 1 to well {over} and stays there",
                    "The first step has the full gradient and does not see the bound. Beyond it "
                    "the gradient is zero, so nothing moves it any more, not back either.",
                ),
                Option(
                    f"it moves to the bound, {bound}, and stops there",
                    "The clip switches a gradient off. It does not shorten the step that crosses "
                    "the bound.",
                    "The clip taken for a wall",
                ),
                Option(
                    "it jumps over the bound, and the next epochs pull it back in",
                    "On this side min picks the flat branch: gradient zero. Only on the other side "
                    "of 1 would the gradient pull it back.",
                    "The clip taken for a spring",
                ),
                Option(
                    f"it ends {under}",
                    "The gradient raises the action's probability where the advantage is positive "
                    "and lowers it where it is negative.",
                    "The advantage's sign",
                ),
            )
        ),
        f"One run, computed: after epochs 0, 1, 2 and {EPOCHS} the ratio is "
        + ", ".join(shown(ratios[i], 3) for i in (0, 1, 2, EPOCHS))
        + ".",
        Link(
            "ppo_clip",
            "where one pair's ratio is followed over the epochs",
            {
                "eps": f"{EPS:g}",
                "rate": f"{RATE:g}",
                "share": "0",
                "push": word,
            },
        ),
        "“The clip keeps the ratio between 1 − ε and 1 + ε” is the usual answer, and it is wrong. "
        "The clip removes the reason to go further out. A long step, momentum, or weights shared "
        "with other pairs carry the ratio past the bound all the same.",
    )


def _zero(rng: Rng) -> Asked:
    share = pick(rng, 0.6, 0.9)
    moved = _ratios(0.0, share)[-1]
    return Asked(
        "The same ten epochs. Now the pair's advantage is exactly **zero**, and its state shares "
        "network weights with a similar state whose action has a positive advantage. What does "
        "the ratio of our pair do?",
        Choice(
            (
                Option(
                    "it moves, though its own gradient is zero",
                    "The neighbour's gradient moves weights that both use.",
                ),
                Option(
                    "it stays at 1: no advantage, no gradient, no change",
                    "True of its own gradient. But the update is a sum over all pairs, and θ is "
                    "shared.",
                    "A pair taken for alone in the network",
                ),
                Option(
                    "it falls: what is not good is made less likely",
                    "Zero is neither good nor bad. Only a negative advantage pushes down.",
                    "Zero taken for negative",
                ),
                Option(
                    "it cannot leave 1 ± ε, because the clip is active",
                    "At advantage zero both branches are 0: there is nothing to clip, and nothing "
                    "bounds the ratio.",
                    "The clip taken for a wall",
                ),
            )
        ),
        f"Computed for features that overlap by {share:g}: the ratio ends at {shown(moved, 3)}. "
        "Without shared weights it stays at exactly 1.",
        Link(
            "ppo_clip",
            "where shared weights are a slider",
            {"eps": f"{EPS:g}", "rate": f"{RATE:g}", "share": f"{share:g}", "push": "zero"},
        ),
        "“With advantage zero the ratio stays at 1” holds for a table of probabilities, and not "
        "for a network.",
    )


QUESTIONS = (
    Question("ratio_large", "The ratio over ten epochs", _large, "conceptual 3"),
    Question("ratio_zero", "The ratio at advantage zero", _zero, "conceptual 3"),
)
