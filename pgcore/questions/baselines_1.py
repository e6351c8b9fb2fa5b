"""Chapter 4: what a baseline does to the gradient."""

from __future__ import annotations

import math

import torch

from pgcore.questions.answers import Choice, Option
from pgcore.questions.base import Asked, Link, Question, Rng, Topic, pick, shown
from pgcore.questions.number import Number, Trap
from pgcore.studies import baselines

TOPIC = Topic("baselines", "4 · Baselines", 5)


def _optimal(rng: Rng) -> Asked:
    p, (left, right) = pick(rng, 0.8, 0.9, 0.75), pick(rng, (10.0, 2.0), (4.0, 12.0), (6.0, 1.0))
    problem = baselines.bandit((math.log(p), math.log(1 - p)), (left, right))
    value, mean = baselines.optimal_baseline(problem), float(problem.expected_reward)
    return Asked(
        f"Two actions: one pays {left:g} and is taken with probability {p:g}, the other pays "
        f"{right:g}. Which constant baseline gives the gradient estimate the **least variance**?",
        Number(
            value,
            (
                Trap(
                    mean,
                    "The mean reward",
                    "That is the usual baseline and a fair one, but a reward counts by "
                    "π(a)·|∇log π(a)|², and rare actions have the longest score.",
                ),
                Trap((left + right) / 2, "The middle", "It ignores the policy."),
                Trap(0.0, "No baseline", "Then the rewards' level is all noise."),
                Trap(
                    max(left, right),
                    "The best reward",
                    "Then the other action, pushed down hard, makes all the noise.",
                ),
            ),
        ),
        "With two actions each reward is weighed by the *other* action's probability: "
        f"{shown(1 - p)} · {left:g} + {p:g} · {right:g} = {shown(value)}. There the two possible "
        "estimates are equal, and the variance is "
        f"{shown(round(baselines.moments(problem, value)[1], 9))}.",
        Link("baselines", "where the parabola's lowest point is marked"),
        "“The best baseline is the value function” is loose: V is what one can learn, and it is "
        "near the optimum. The optimum weighs returns by the score's squared length (Greensmith, "
        "Bartlett & Baxter, 2004).",
    )


def _mean_gradient(rng: Rng) -> Asked:
    p, b = pick(rng, 0.2, 0.5, 0.6), float(pick(rng, 3, 7, 100))
    left, right = pick(rng, (5.0, 1.0), (2.0, 6.0), (8.0, 3.0))
    problem = baselines.bandit((math.log(p), math.log(1 - p)), (left, right))
    value = float(baselines.moments(problem, b)[0][0])
    sample = float(baselines.estimates(problem, b)[0][0])
    return Asked(
        f"Two actions pay {left:g} and {right:g}; the first one's probability is {p:g}. The "
        f"baseline is {b:g}. What is the **expected** gradient estimate for the first logit?",
        Number(
            value,
            (
                Trap(
                    sample,
                    "One sample for the mean",
                    "That is the estimate when the first action is sampled. The other one's sample "
                    "pushes this logit too.",
                ),
                Trap(
                    p * sample,
                    "Half of the expectation",
                    "When the second action is sampled, the first logit moves too: by −π times its "
                    "weight.",
                ),
                Trap(
                    float(problem.expected_reward) - b,
                    "The mean weight",
                    "Weights have to be multiplied by their scores before they are averaged.",
                ),
            ),
        ),
        f"p(1 − p)(r₁ − r₂) = {shown(value)}: the baseline {b:g} drops out, and so would any "
        f"other.",
        Link("baselines", "where the baseline moves the dots, not their mean"),
    )


_ACTION = Asked(
    "Someone subtracts $b(s,a)=Q(s,a)$, the action's own expected return, as a “perfect baseline”. "
    "What happens?",
    Choice(
        (
            Option(
                "the expected gradient is zero: nothing is learned",
                "All weights are noise around zero. What made one action better is gone.",
            ),
            Option(
                "same mean, no variance: the ideal",
                "The proof that the mean stays needs a b that is the same for all actions.",
                "Forgetting what the proof needs",
            ),
            Option(
                "a little bias, but much less variance",
                "The bias is the whole gradient.",
                "Any bias taken for a small one",
            ),
            Option(
                "the same as subtracting V(s)",
                "V(s) is the mean of Q(s,a) over actions. The difference Q − V is the advantage: "
                "just what should be left.",
                "Q taken for V",
            ),
        )
    ),
    "$\\sum_a\\pi(a)\\,\\nabla\\log\\pi(a)\\,(Q-b)$ is zero when b = Q. Methods with "
    "action-dependent baselines add the missing term back in.",
    Link(
        "baselines",
        "where a baseline that looks at the action breaks the sum",
        {"look": "1", "level": "10"},
    ),
)


def _sign(rng: Rng) -> Asked:
    value, reward = pick(rng, (30.0, 21.0), (9.0, 4.0), (12.0, 10.0))
    advantage = torch.tensor([reward - value], dtype=torch.float64)
    logits = torch.zeros(2, dtype=torch.float64)
    push = baselines.per_sample_gradients(logits, torch.tensor([0]), advantage)[0]
    step = torch.softmax(logits + 0.1 * push, -1)[0]
    return Asked(
        f"From this state the value network expects {value:g}; after the action the return was "
        f"{reward:g}. What does VPG's step do to this action's probability?",
        Choice(
            (
                Option(
                    "it lowers it",
                    f"The advantage is {reward:g} − {value:g} = {shown(float(advantage))}: worse "
                    "than usual from here.",
                ),
                Option(
                    "it raises it: the return is positive",
                    "That is REINFORCE's weight. With a baseline, what counts is better or worse "
                    "than expected.",
                    "The return taken for the advantage",
                ),
                Option(
                    "it leaves it, and corrects V instead",
                    "Both happen: two losses, two networks.",
                    "Policy loss and value loss taken for one",
                ),
                Option(
                    "it sets it to 0",
                    "A gradient step is small, and softmax never reaches 0.",
                    "A step taken for a verdict",
                ),
            )
        ),
        "For two equally likely actions and a step of size 0.1, its probability goes from 0.5 to "
        f"{shown(float(step), 3)}.",
        Link("baselines", "where weights of both signs appear"),
    )


QUESTIONS = (
    Question("optimal_baseline", "The best constant", _optimal),
    Question("mean_gradient", "The mean with a baseline", _mean_gradient),
    Question("perfect_baseline", "A baseline of the action", _ACTION),
    Question("advantage_sign", "Positive, but less than expected", _sign),
)
