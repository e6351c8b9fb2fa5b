"""The homework's conceptual questions on REINFORCE and VPG."""

from __future__ import annotations

from pgcore.questions.answers import Choice, Option
from pgcore.questions.base import Asked, Link, Question, Topic

TOPIC = Topic("concepts", "Concepts", 1)

_LOSS = Asked(
    "REINFORCE minimises $L=-\\mathrm{mean}(\\log\\pi(a|s)\\cdot R)$. How does that serve the "
    "goal, a high expected return?",
    Choice(
        (
            Option(
                "its gradient is, on average, minus the gradient of J, so a descent step raises J",
                "Actions followed by a high return gain log-probability at the cost of the others.",
            ),
            Option(
                "L is minus the mean return, so a lower loss is a higher return",
                "L weighs returns by log-probabilities. Its value can rise while the return rises: "
                "add a constant to all rewards and it changes at will.",
                "The loss taken for a score",
            ),
            Option(
                "at L = 0 the policy is optimal",
                "L is 0 for any policy that is certain of its actions, the worst one included.",
                "The loss taken for an error",
            ),
            Option(
                "it teaches the policy to predict the return",
                "Predicting is the value network's task, and that one has a squared error.",
                "The policy taken for a predictor",
            ),
        )
    ),
    "L is built for one purpose: its gradient at the present θ is the estimate wanted. It is no "
    "measure of success, and after the step a new rollout gives another L.",
    Link("reinforce", "where the loss's value goes one way and the return another"),
    "“Minimising it makes good actions likely and bad ones unlikely” is loose: with all returns "
    "positive, as on CartPole, *every* sampled action is pushed up. Better ones are pushed up "
    "more, and the sum of probabilities stays 1.",
)

_WHY = Asked(
    "Why can a value function as baseline help?",
    Choice(
        (
            Option(
                "it takes out of each return what the state alone explains, so the estimate varies "
                "less",
                "What is left is what the action changed, plus noise: same mean, smaller spread.",
            ),
            Option(
                "it makes the expected gradient longer, so learning is faster",
                "The expected gradient is the same for every baseline of the state.",
                "Less noise taken for more signal",
            ),
            Option(
                "it replaces the noisy rewards with the network's smooth ones",
                "The rewards stay. Replacing part of them by predictions is bootstrapping, with "
                "bias: chapter 6.",
                "Baseline taken for bootstrapping",
            ),
            Option(
                "it makes the policy explore more",
                "It weighs what was sampled. What gets sampled is the policy's own affair.",
                "Weighing taken for exploring",
            ),
        )
    ),
    "It also gives weights of both signs: an action that did worse than usual from its state is "
    "pushed down, even where all returns are positive.",
    Link("baselines", "where the variance is a parabola in the baseline"),
)

_HERE = Asked(
    "And what did the value baseline do in the homework itself: REINFORCE and VPG on CartPole, "
    "64 × 256 rows a rollout, one gradient step each?",
    Choice(
        (
            Option(
                "nothing that one could see: both curves rise alike",
                "With 16,384 rows averaged in each step, the noise that a baseline removes was "
                "small already; Adam scales the step anyway. Measure before you explain.",
            ),
            Option(
                "it clearly sped learning up, as theory says",
                "Theory says less variance. Whether variance was what held learning back has to be "
                "measured, and here it was not.",
                "Expected taken for observed",
            ),
            Option(
                "it ruined learning, since V is wrong at first",
                "A wrong V(s) adds noise and no bias. Averaged over so many rows, neither shows.",
                "A wrong value taken for a biased gradient",
            ),
            Option(
                "it removed all variance, so VPG solved the task at once",
                "The world's and the policy's own chance remain, whatever V knows.",
                "Less variance taken for none",
            ),
        )
    ),
    "Neither reaches the solved line within the homework's iterations. The gradient of a *single "
    "episode* does vary less with a trained V: chapter 4 measures how much.",
    Link(
        "train",
        "where both can be trained with the homework's settings and compared",
        {"algorithm": "vpg", "preset": "homework"},
    ),
    "“VPG learns faster because of the baseline” is what one expects to write. Run both with equal "
    "seeds: the means of 100 fresh episodes stay within noise of each other throughout.",
)

QUESTIONS = (
    Question("reinforce_loss", "How the loss serves the goal", _LOSS, "conceptual 1"),
    Question("why_baseline", "Why a value baseline can help", _WHY, "conceptual 2"),
    Question("baseline_here", "What the baseline did here", _HERE, "conceptual 2"),
)
