"""Chapter 5: PPO in code."""

from __future__ import annotations

import torch

from pgcore.losses import approx_kl
from pgcore.questions.answers import Item, Order
from pgcore.questions.base import Asked, Link, Question, Rng, listed, pick
from pgcore.questions.line import Line, Mistake
from pgcore.questions.number import Number, Trap
from pgcore.questions.ppo_clip_1 import TOPIC

__all__ = ["QUESTIONS", "TOPIC"]


def _tensor(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


_RATIO_LINE = Asked(
    "Fill in PPO's ratio.",
    Line(
        "log_probs = policy_now.log_prob(actions)     # (B,), with a graph\n"
        "# old_log_probs (B,), stored while acting",
        "ratio",
        "# 1 before the first step",
        (
            "torch.exp(log_probs - old_log_probs)",
            "torch.exp(log_probs - old_log_probs.detach())",
        ),
        (
            Mistake(
                "torch.exp(log_probs) / torch.exp(old_log_probs)",
                "Right on paper",
                "In float32 both may underflow to 0, and 0/0 is nan. Subtract first.",
            ),
            Mistake(
                "log_probs / old_log_probs",
                "The ratio of the logs",
                "log A / log B is not A / B.",
            ),
            Mistake(
                "log_probs - old_log_probs",
                "The logarithm of the ratio",
                "Take exp of it: this one is 0 before the first step, not 1.",
            ),
            Mistake(
                "torch.exp(old_log_probs - log_probs)",
                "Upside down",
                "That is old over new: the policy would be pushed the wrong way.",
            ),
            Mistake(
                "torch.exp(log_probs - log_probs.detach())",
                "Old taken from the present policy",
                "Always exactly 1: it never notices how far the policy has moved.",
            ),
            Mistake(
                "torch.exp(log_probs.detach() - old_log_probs)",
                "The cut graph",
                "A number without a graph: no gradient reaches the policy.",
            ),
        ),
    ),
    "`pgcore.losses.clipped_surrogate` opens with this line.",
    Link("ppo_clip", "where the function's source stands under its figure"),
)

_CLIP_LINE = Asked(
    "Fill in PPO's objective of each sample, to be maximised.",
    Line(
        "unclipped = ratio * advantages\n"
        "clipped = torch.clamp(ratio, 1 - eps, 1 + eps) * advantages",
        "objective",
        "loss = -objective.mean()",
        (
            "torch.minimum(unclipped, clipped)",
            "torch.minimum(ratio * advantages, clipped)",
            "torch.minimum(unclipped, torch.clamp(ratio, 1 - eps, 1 + eps) * advantages)",
            "torch.minimum(ratio * advantages, torch.clamp(ratio, 1 - eps, 1 + eps) * advantages)",
        ),
        (
            Mistake(
                "clipped",
                "Clip without min",
                "Flat on both sides: a pair that moved against its advantage is never corrected.",
            ),
            Mistake(
                "unclipped",
                "No clip",
                "Nothing takes the reason away to go on: many epochs run away.",
            ),
            Mistake(
                "torch.maximum(unclipped, clipped)",
                "max for min",
                "The optimistic branch: silent where it should pull back, alive where it should "
                "stop.",
            ),
            Mistake(
                "torch.minimum(ratio, torch.clamp(ratio, 1 - eps, 1 + eps)) * advantages",
                "min before the advantage",
                "With a negative advantage the smaller ratio is the larger product: the min has to "
                "come after the multiplication.",
            ),
            Mistake(
                "torch.clamp(unclipped, 1 - eps, 1 + eps)",
                "Clipping the product",
                "The range is one of ratios. The product has the advantage's size and unit.",
            ),
            Mistake(
                "min(unclipped, clipped)",
                "Python's min",
                "It compares whole tensors and fails: elementwise is `torch.minimum`.",
            ),
            Mistake(
                "-torch.minimum(unclipped, clipped)",
                "A minus sign too many",
                "The next line has it already.",
            ),
        ),
    ),
    "Elementwise, sample by sample: the pessimistic one of the two.",
    Link("ppo_clip", "where the branch that min picked is named"),
)

_ORDER = Asked(
    "Put one iteration of PPO in order.",
    Order(
        (
            Item(
                "roll out without a graph, and store the log-probabilities",
                "The old log-probabilities are those of the policy that acted.",
            ),
            Item(
                "compute the epochs' advantages, as constants", "They need the rollout's rewards."
            ),
            Item(
                "open an epoch: compute new log-probabilities of the stored actions",
                "Here the graph begins; the advantages are ready before.",
            ),
            Item("form the ratio", "It needs new and old log-probabilities."),
            Item("take the min of the clipped and the unclipped product", "It needs the ratio."),
            Item("step, and go back for the next epoch", "It needs the objective's gradient."),
        )
    ),
    "Rollout and advantages once; the last four again and again. Then the rollout is thrown away.",
    Link("train", "where PPO learns while you watch", {"algorithm": "ppo"}),
)


def _kl(rng: Rng) -> Asked:
    first = pick(rng, 1.2, 1.5, 0.8)
    ratios = _tensor(first, pick(rng, 1.0, 0.6))
    logs = ratios.log()
    value = float(approx_kl(logs))
    return Asked(
        f"Two sampled actions have the ratios {listed(ratios.tolist())}. What does the approximate "
        "KL (k3, the mean of r − 1 − ln r) come to?",
        Number(
            value,
            (
                Trap(
                    float(-logs.mean()),
                    "The k1 estimate",
                    "The mean of −ln r has the same expectation, but single batches may make it "
                    "negative.",
                ),
                Trap(
                    float((logs.square() / 2).mean()),
                    "The k2 estimate",
                    "Half the squared log-ratio: close for small steps, and biased.",
                ),
                Trap(
                    float((ratios - 1).mean()),
                    "The logarithm left out",
                    "The mean of r − 1 is zero in expectation, whatever the policies are.",
                ),
                Trap(2 * value, "The sum", "The mean over the samples."),
            ),
            "nats",
        ),
        f"Each term is at least 0, and 0 only at ratio 1: "
        f"{listed([float(approx_kl(x)) for x in logs])}.",
        Link("ppo_clip", "where the KL stands beside the two meters"),
    )


QUESTIONS = (
    Question("ratio_line", "The line for the ratio", _RATIO_LINE),
    Question("clip_line", "The line for the objective", _CLIP_LINE),
    Question("ppo_order", "One iteration of PPO", _ORDER),
    Question("approx_kl", "How far the policy moved", _kl),
)
