"""Warm-up: the gradient, and what it needs."""

from __future__ import annotations

from pgcore.questions.answers import Choice, Option
from pgcore.questions.base import Asked, Link, Question, Rng, listed, pick, shown
from pgcore.questions.warm_up_1 import TOPIC
from pgcore.studies import baselines

__all__ = ["QUESTIONS", "TOPIC"]


_MEANING = Asked(
    "What does the gradient of $J$ tell you, in plain words?",
    Choice(
        (
            Option(
                "which small change of the parameters raises the expected return fastest",
                "A direction, and how steep it is: both for a small step from here.",
            ),
            Option(
                "which action is best in each state",
                "It may lower the best action's probability in some state for a gain elsewhere, "
                "since states share weights.",
                "A direction for weights taken for advice on actions",
            ),
            Option(
                "how much the return will rise after the next step",
                "That holds in the limit of a small step only. A long one can lower the return: "
                "chapter 5 is about that.",
                "A slope taken for a promise",
            ),
            Option(
                "where the best parameters are",
                "It points uphill from here. The top may be somewhere else altogether.",
                "Uphill taken for the way to the top",
            ),
        )
    ),
    "It is local: true at the present θ, and after a step it has to be estimated again.",
    Link("reinforce", "where one gradient step changes the probabilities"),
)


def _reinforce_gradient(rng: Rng) -> Asked:
    rewards = pick(rng, (1.0, 4.0), (2.0, 6.0), (5.0, 3.0), (-1.0, 2.0))
    problem = baselines.bandit((pick(rng, 0.4, 0.8, 1.2), 0.0), rewards)
    exact = float(baselines.exact_gradient(problem)[0])
    own = float(problem.probs[0])
    return Asked(
        "Which expectation is the REINFORCE gradient $\\nabla_\\theta J$?",
        Choice(
            (
                Option(
                    "$\\mathbb E_\\pi\\left[\\sum_t \\nabla\\log\\pi(a_t|s_t)\\,R_t\\right]$",
                    "The logarithm's derivative divides by π, which makes up for sampling from π.",
                ),
                Option(
                    "$\\mathbb E_\\pi\\left[\\sum_t \\nabla\\pi(a_t|s_t)\\,R_t\\right]$",
                    "Sampling already weighs each action by π. Without dividing by π, frequent "
                    "actions count twice.",
                    "The missing logarithm",
                ),
                Option(
                    "$\\mathbb E_\\pi\\left[\\sum_t \\log\\pi(a_t|s_t)\\,\\nabla R_t\\right]$",
                    "The return is a number that the environment handed out: its gradient by θ is "
                    "0.",
                    "Differentiating the return",
                ),
                Option(
                    "$\\mathbb E_\\pi\\left[\\sum_t \\nabla\\log\\pi(a_t|s_t)\\right]\\,"
                    "\\mathbb E_\\pi\\left[R_t\\right]$",
                    "The mean of the score alone is 0, in every state. It has to meet its own "
                    "return before anything is averaged.",
                    "Averaging apart",
                ),
            )
        ),
        f"Check it on two actions that pay {listed(rewards)}, the first one taken "
        f"with probability {shown(own, 3)}: summed exactly, the first formula gives "
        f"{shown(exact, 3)} for the first logit, the same as autograd through "
        f"$J=\\sum_a\\pi(a)\\,r(a)$.",
        Link("reinforce", "where samples of this estimator scatter around the exact gradient"),
        "With γ < 1 the gradient of $J$ has a further factor $\\gamma^t$ at step t. Nearly all "
        "code leaves it out, the homework's too: later steps then count in full, and what is "
        "followed is strictly no longer the gradient of the discounted $J$ (Sutton & Barto, 2018, "
        "section 13.3, keeps the factor).",
    )


_BASELINE = Asked(
    "Does subtracting a baseline from the return bias the policy gradient, in expectation?",
    Choice(
        (
            Option(
                "No, as long as it does not depend on the action",
                ""
                "$\\sum_a\\pi(a|s)\\,\\nabla\\log\\pi(a|s)\\,b(s)=b(s)\\,\\nabla\\sum_a\\pi(a|s)=0$.",
            ),
            Option(
                "Yes, a little, in exchange for less variance",
                "The exchange of bias for variance is GAE's λ. A baseline of the state costs no "
                "bias.",
                "Baseline taken for bootstrapping",
            ),
            Option(
                "No, if it is the true value function; otherwise yes",
                "The proof does not ask what b is. A random b(s) adds no bias either, only noise.",
                "A wrong value taken for a biased gradient",
            ),
            Option(
                "No, whatever it depends on",
                "Take b = r(a), the reward itself: all weights are 0 and nothing is learned.",
                "Forgetting what the proof needs",
            ),
        )
    ),
    "The score $\\nabla\\log\\pi$ has mean zero in every state, so any factor that is the same for "
    "all actions of the state drops out.",
    Link(
        "baselines", "where the baseline is a slider and the mean does not move", {"baseline": "9"}
    ),
    "“In expectation” matters: each single estimate does change. And V must not have seen these "
    "very actions: the homework's PPO takes R − V anew in each of its 10 epochs, with a V just "
    "fitted to the same returns. From the second epoch on, the proof no longer covers it.",
)

_BUFFER = Asked(
    "Do on-policy algorithms such as REINFORCE keep a replay buffer of old transitions?",
    Choice(
        (
            Option(
                "No: the expectation is over the present policy's actions",
                "After the update, the old rows are samples from a policy that is gone.",
            ),
            Option(
                "Yes: reusing old data is what makes them efficient",
                "That is what off-policy methods such as DQN do. On-policy methods pay for being "
                "simple with fresh data.",
                "On-policy taken for off-policy",
            ),
            Option(
                "Yes: the rollout's storage is one",
                "A rollout is thrown away after its update. A replay buffer keeps rows of many "
                "policies and draws from all of them.",
                "Storage taken for a replay buffer",
            ),
            Option(
                "No: it would take too much memory",
                "Memory is cheap. What rules it out is that the gradient of old samples is the "
                "gradient of another expectation.",
                "A matter of principle taken for one of cost",
            ),
        )
    ),
    "With importance weights $\\pi_{new}/\\pi_{old}$ the expectation can be corrected, at the "
    "price of variance.",
    Link("ppo_clip", "where one batch is used for many epochs"),
    "PPO is in between. It uses each rollout for several epochs, corrected by the ratio and fenced "
    "in by the clip, and throws it away then.",
)

QUESTIONS = (
    Question("gradient_meaning", "The gradient in plain words", _MEANING, "warm-up 5"),
    Question("reinforce_gradient", "The REINFORCE gradient", _reinforce_gradient, "warm-up 6"),
    Question("baseline_bias", "Baseline and bias", _BASELINE, "warm-up 7"),
    Question("replay_buffer", "A replay buffer?", _BUFFER, "warm-up 8"),
)
