"""Chapter 2: softmax and its gradient."""

from __future__ import annotations

import pandas as pd
import torch

from pgcore.questions.answers import Choice, Mark, Option, letters
from pgcore.questions.base import Asked, Link, Question, Rng, Topic, listed, pick, shown
from pgcore.questions.number import Number, Trap
from pgcore.studies.log_probs import grad_log_prob, policy

TOPIC = Topic("log_probs", "2 · Log-probabilities", 3)


def _sliders(logits: list[float]) -> dict[str, str]:
    """The chapter's sliders at these logits."""
    names = (f"z{name.lower()}" for name in letters(len(logits)))
    return {"actions": f"{len(logits)}"} | {
        name: f"{logit:g}" for name, logit in zip(names, logits, strict=True)
    }


def _softmax(rng: Rng) -> Asked:
    logits = [float(each) for each in rng.permutation([0, 1, pick(rng, -1, 2, 3)])]
    probs = policy(logits).probs
    which = int(rng.integers(3))
    value, z = float(probs[which]), torch.tensor(logits, dtype=torch.float64)
    return Asked(
        f"A policy puts out the logits {listed(logits)}. What is the probability of action {which} "
        "(they count from 0)?",
        Number(
            value,
            (
                Trap(
                    float(z[which] / z.sum()),
                    "Shares of the logits",
                    "Softmax shares out the *exponentials*: logits may be 0 or negative.",
                ),
                Trap(float(z[which].exp()), "Not normalised", "Divide by the sum of all three."),
                Trap(
                    float(torch.sigmoid(z[which])),
                    "Sigmoid",
                    "That is softmax against one other action at logit 0. Here are two others.",
                ),
                Trap(
                    float(policy(-z).probs[which]),
                    "The sign",
                    "A higher logit is a higher probability.",
                ),
                Trap(float(probs[which].log()), "Its logarithm", "That is the log-probability."),
            ),
        ),
        f"$e^z$ = {listed(z.exp().tolist())}; divided by their sum: {listed(probs.tolist())}.",
        Link("log_probs", "where the logits are sliders", _sliders(logits)),
    )


def _shift(rng: Rng) -> Asked:
    by, base = pick(rng, 3, 5, 100), [0.0, 1.0, 2.0]
    before = policy(base).probs
    shifted, scaled = policy([z + by for z in base]).probs, policy([2 * z for z in base]).probs
    return Asked(
        f"You add {by} to **every** logit of a policy. What happens to its probabilities?",
        Choice(
            (
                Option("nothing", "Every exponential grows by the same factor, which cancels."),
                Option(
                    "the largest one grows: the policy becomes more certain",
                    "Scaling the logits does that, not shifting them. Only differences count.",
                    "Shifting taken for scaling",
                ),
                Option(
                    "all of them grow",
                    "They sum to 1 before and after.",
                    "Forgetting to normalise",
                ),
                Option(
                    "they become more equal",
                    f"Next to {by} the differences look small, but softmax sees differences, not "
                    "proportions.",
                    "Proportions taken for differences",
                ),
            )
        ),
        f"Logits 0, 1, 2 give {listed(before.tolist())}. Shifted by {by}: "
        f"{listed(shifted.tolist())}. Doubled: {listed(scaled.tolist())}.",
        Link(
            "log_probs",
            "where the temperature scales what a shift leaves alone",
            _sliders(base),
        ),
    )


def _gradient(rng: Rng) -> Asked:
    logits = torch.tensor([0.0, 1.0, float(pick(rng, -1, 2))], dtype=torch.float64)
    logits = logits[torch.from_numpy(rng.permutation(3))]
    taken = int(rng.integers(3))
    asked = int(rng.integers(3))
    probs = policy(logits).probs
    value = float(grad_log_prob(logits, 1.0, torch.tensor(taken))[asked])
    own = asked == taken
    return Asked(
        f"A softmax policy has the probabilities {listed([round(p, 3) for p in probs.tolist()])}. "
        f"Action {taken} is taken. What is the derivative of $\\log\\pi({taken})$ by the logit of "
        f"action {asked}?",
        Number(
            value,
            (
                Trap(
                    float(1 / probs[taken]),
                    "By the probability",
                    "That is the derivative of log p by p. The logit is one step further back.",
                ),
                Trap(
                    float(probs[asked] * (1 - probs[asked]))
                    if own
                    else float(-probs[asked] * probs[taken]),
                    "Of the probability",
                    "That is the derivative of π, not of log π: divide by π.",
                ),
                Trap(
                    0.0,
                    "The others left out",
                    "All logits sit in softmax's denominator: raising any other one takes "
                    "probability from the action taken.",
                ),
                Trap(
                    float(-probs[asked]) if own else float(1 - probs[asked]),
                    "The one-hot's place",
                    "The 1 stands at the action that was *taken*, and 0 at the others.",
                ),
            ),
        ),
        "$\\partial\\log\\pi(a)/\\partial z_j$ = 1 if j is the action taken, else 0, minus "
        f"$\\pi(j)$: here {int(own)} − {shown(float(probs[asked]), 3)} = {shown(value, 3)}, "
        "the same as autograd's.",
        Link(
            "log_probs",
            "where one-hot minus π stands beside autograd",
            _sliders(logits.tolist()) | {"taken": letters(3)[taken]},
        ),
    )


def _falls_most(rng: Rng) -> Asked:
    logits = torch.tensor([0.0, 0.7, 1.2, 1.8, 2.4], dtype=torch.float64)
    logits = logits[torch.from_numpy(rng.permutation(5))]
    probs, names = policy(logits).probs, letters(5)
    taken = int(rng.integers(5))
    gradient = grad_log_prob(logits, 1.0, torch.tensor(taken))
    right = names[int(gradient.argmin())]
    least = names[int(probs.argmin())]
    wrong = {}
    for name in names:
        if name == names[taken]:
            wrong[name] = (
                "The action taken",
                "A positive return raises the logit of the action taken: 1 − π is never negative.",
            )
        elif name == least:
            wrong[name] = (
                "The weakest pays",
                "It has least to give: a logit falls by the probability that its action has.",
            )
        elif name != right:
            wrong[name] = ("Another falls more", "A logit falls by its action's own probability.")
    return Asked(
        f"The bars are a policy's probabilities. Action **{names[taken]}** was taken and had a "
        "positive return. Mark the action whose **logit falls most** in the gradient step.",
        Mark(
            pd.DataFrame({"name": names, "x": names, "y": probs.numpy()}),
            frozenset({right}),
            wrong,
            "bars",
            "action",
            "probability",
            "Five bars, the probabilities of actions "
            + ", ".join(f"{n} {p:.2f}" for n, p in zip(names, probs.tolist(), strict=True))
            + ".",
        ),
        "The gradient of the log-probability by the logits is one-hot minus π: "
        + ", ".join(f"{n} {g:+.2f}" for n, g in zip(names, gradient.tolist(), strict=True)).replace(
            "-", "−"
        )
        + ".",
        Link("log_probs", "where the gradient is drawn logit by logit"),
    )


QUESTIONS = (
    Question("softmax", "Softmax by hand", _softmax),
    Question("shifted_logits", "All logits shifted", _shift),
    Question("grad_log_pi", "The gradient of log π", _gradient),
    Question("falls_most", "Which logit falls", _falls_most),
)
