"""Chapter 3's predictions: predict.ask(*LOSS)."""

from __future__ import annotations

from pages.ui.predict import Option

ALL_POSITIVE = (
    "all-positive",
    "Press *+1 for every step*. All returns are positive now, and every action was taken three "
    "times. After one gradient step, which actions are more likely?",
    [
        Option(
            "All three: each was followed by reward.",
            "Probabilities add up to 1, so they cannot all rise. A push up on one logit is a push "
            "down on all others, and the pushes of a step add up to zero.",
        ),
        Option(
            "None: all rewards are equal, so there is nothing to prefer.",
            "The rewards are equal, the returns are not: an early step has more reward ahead of "
            "it. Set γ to 0 and they are equal: then nothing moves.",
        ),
        Option(
            "Those with more return than the others had.",
            "*Left* rises although it is no better: it was taken first, with more reward ahead. "
            "The signal is relative, and with few samples it is partly luck. Chapter 4 subtracts "
            "a baseline to make it less so.",
            right=True,
        ),
    ],
)

FOUR_TIMES = (
    "four-times",
    "A batch four times as large: by how much does the spread of the gradient estimates shrink?",
    [
        Option(
            "To a quarter: four times the data, a quarter of the error.",
            "The variance falls to a quarter. The spread is its square root.",
        ),
        Option(
            "To a half.",
            "Spread falls with one over the square root of the batch: a slope of −1/2 on "
            "logarithmic axes, as measured below. Ten times the precision costs a hundred times "
            "the samples. That is why this course now turns to lowering variance.",
            right=True,
        ),
        Option(
            "Not at all: the noise is in the rewards.",
            "Even with σ = 0 the arrows scatter, since which arms are pulled is chance. And a mean "
            "over more pulls is steadier, whatever the noise.",
        ),
    ],
)

TO_GO = (
    "to-go",
    "Reward-to-go throws away part of the reward. What does it change?",
    [
        Option(
            "The mean of the estimate: dropping rewards makes it too small.",
            "What is dropped is zero on average: earlier rewards do not depend on the action, and "
            "the score has mean zero. Both clouds are centred on the orange arrow.",
        ),
        Option(
            "Only its spread, which shrinks.",
            "Earlier rewards are pure noise to a later action. Dropping them keeps the mean and "
            "narrows the cloud. With one step there is nothing to drop; move the slider.",
            right=True,
        ),
        Option(
            "Nothing: the dropped terms cancel.",
            "They cancel on average, not in a sample. In a sample they are noise.",
        ),
    ],
)

LOSS = (
    "loss",
    "In some run the REINFORCE loss rises from update to update. Is the agent getting worse?",
    [
        Option(
            "Yes: a loss is what training makes small.",
            "Each step lowers the loss *on its own batch*. The next batch has other actions and "
            "other returns, and so another loss.",
        ),
        Option(
            "One cannot tell from the loss.",
            "With −4 added, the loss rises while J rises; with +4 it falls while J rises. Only its "
            "gradient means something. Watch the episode return.",
            right=True,
        ),
        Option(
            "No: a rising loss means a rising return.",
            "Only when the rewards are negative. Move the slider to +4.",
        ),
    ],
)
