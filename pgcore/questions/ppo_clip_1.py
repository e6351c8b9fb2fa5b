"""Chapter 5: the clipped objective, sample by sample."""

from __future__ import annotations

import pandas as pd
import torch

from pgcore.losses import clip_fraction, clipped_surrogate, zero_gradient_fraction
from pgcore.questions.answers import Choice, Mark, Option, letters
from pgcore.questions.base import Asked, Link, Question, Rng, Topic, listed, pick, shown
from pgcore.questions.number import Number, Trap
from pgcore.studies.ppo_clip import surrogate_at

TOPIC = Topic("ppo_clip", "5 · The PPO clip", 6)


def _tensor(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _objective(rng: Rng) -> Asked:
    eps = pick(rng, 0.1, 0.2)
    ratio, advantage = pick(rng, 1 + 3 * eps, 1 - 3 * eps), float(pick(rng, 1.5, 0.5, -0.5, -1.5))
    pieces, slope = surrogate_at(_tensor(ratio), _tensor(advantage), eps)
    value, free, held = (
        float(piece) for piece in (pieces.objective, pieces.unclipped, pieces.clipped)
    )
    active = bool(pieces.clip_active)
    return Asked(
        f"The ratio is {ratio:g}, the advantage {shown(advantage)}, ε = {eps:g}. What is the "
        "clipped objective of this sample?",
        Number(
            value,
            (
                Trap(
                    held,
                    "The clip without the min",
                    "Here the unclipped product is smaller, and min takes the smaller one.",
                ),
                Trap(
                    free,
                    "The objective without the clip",
                    "Here the clipped product is smaller, and min takes the smaller one.",
                ),
                Trap(
                    float(torch.clamp(pieces.ratio, 1 - eps, 1 + eps)),
                    "The clipped ratio alone",
                    "It still has to be multiplied by the advantage.",
                ),
            ),
        ),
        f"Unclipped {shown(free)}, clipped {shown(held)}; the smaller one is {shown(value)}. "
        f"Slope by autograd: {shown(float(slope))}"
        + (", so this sample is silent." if active else ", so this sample still pushes."),
        Link(
            "ppo_clip",
            "where ratio and advantage are sliders",
            {"eps": f"{eps:g}", "ratio": f"{ratio:g}", "advantage": f"{advantage:g}"},
        ),
    )


def _alive_outside(rng: Rng) -> Asked:
    eps, sign = pick(rng, 0.1, 0.2, 0.3), pick(rng, 1.0, -1.0)
    ratios = _tensor(1 - 2 * eps, 1 - 0.5 * eps, 1 + 0.5 * eps, 1 + 2 * eps)
    names, advantages = letters(4), torch.full_like(ratios, sign)
    _, slope = surrogate_at(ratios, advantages, eps)
    outside = (ratios < 1 - eps) | (ratios > 1 + eps)
    alive = slope != 0
    (index,) = (outside & alive).nonzero().flatten().tolist()
    wrong = {
        name: (
            "Inside the range",
            "The gradient is alive there, but this ratio is not outside.",
        )
        if not out
        else (
            "The other side",
            "There min picks the clipped, flat branch: the ratio already went the way that the "
            "advantage wants.",
        )
        for name, out in zip(names, outside.tolist(), strict=True)
        if name != names[index]
    }
    dense = torch.linspace(float(1 - 3 * eps), float(1 + 3 * eps), 121, dtype=torch.float64)
    clipped = torch.clamp(dense, 1 - eps, 1 + eps)
    word = "positive" if sign > 0 else "negative"
    return Asked(
        f"The curve is the *clipped ratio* with ε = {eps:g}: flat outside the range, on both "
        f"sides. The advantage is **{word}**. Mark the ratio outside the range at which the PPO "
        "objective's gradient is alive all the same.",
        Mark(
            pd.DataFrame(
                {
                    "name": names,
                    "x": ratios.numpy(),
                    "y": torch.clamp(ratios, 1 - eps, 1 + eps).numpy(),
                }
            ),
            frozenset({names[index]}),
            wrong,
            "points",
            "ratio",
            "clipped ratio",
            "The ratio clamped to the range, against the ratio; marks at "
            + ", ".join(f"{n} {r:.2g}" for n, r in zip(names, ratios.tolist(), strict=True))
            + ".",
            curve=pd.DataFrame({"x": dense.numpy(), "y": clipped.numpy()}),
        ),
        "Slopes of the objective by autograd: "
        + ", ".join(f"{n} {shown(s, 3)}" for n, s in zip(names, slope.tolist(), strict=True))
        + ". The min keeps the way back open: a pair that moved against its advantage is "
        "corrected.",
        Link(
            "ppo_clip",
            "where both branches are drawn",
            {"eps": f"{eps:g}", "advantage": f"{sign:g}"},
        ),
    )


def _two_meters(rng: Rng) -> Asked:
    eps, n = 0.2, 5
    while True:
        ratios = torch.from_numpy(rng.choice([0.5, 0.7, 0.9, 1.1, 1.3, 1.6], n))
        signs = torch.from_numpy(rng.choice([-1.0, 1.0], n))
        pieces, _ = surrogate_at(ratios, signs, eps)
        outside = float(clip_fraction(pieces.ratio, eps))
        silent = float(zero_gradient_fraction(pieces.clip_active))
        if 0 < silent < outside:
            break
    pairs = "; ".join(
        f"{ratio:g} ({sign:+g})".replace("-", "−")
        for ratio, sign in zip(ratios.tolist(), signs.tolist(), strict=True)
    )
    return Asked(
        f"A batch of {n} samples, each a ratio and its advantage: {pairs}. ε = {eps:g}. Which "
        "**share** of them has a zero gradient?",
        Number(
            silent,
            (
                Trap(
                    outside,
                    "The clip fraction",
                    "That is the share *outside the range*. A sample outside on the side that its "
                    "advantage is against still pushes.",
                ),
                Trap(1 - outside, "The share inside", "Inside the range every gradient is alive."),
                Trap(1 - silent, "The share that is alive", "The question is the other share."),
                Trap(n * silent, "The count", f"A share: divide by {n}."),
            ),
        ),
        f"Clip fraction {outside:g}, zero-gradient fraction {silent:g}: the second is never the "
        "larger one.",
        Link("ppo_clip", "where both meters stand side by side"),
        "The usual “clipfrac” of training logs is the first of the two. It does not say how many "
        "samples are silent.",
    )


def _first_step(rng: Rng) -> Asked:
    logs = torch.from_numpy(rng.uniform(-2, -0.1, 3))
    ratio = clipped_surrogate(logs, logs, torch.ones_like(logs), 0.2).ratio
    return Asked(
        "The first gradient step on a fresh batch. What does PPO's clip do in it?",
        Choice(
            (
                Option(
                    "nothing: every ratio is exactly 1",
                    "The policy has not moved yet, so its gradient is the one of the vanilla "
                    "policy gradient with the same advantages.",
                ),
                Option(
                    "it keeps the step small, so that no ratio leaves the range",
                    "It looks at where the ratio is, not at where the step will carry it.",
                    "The clip taken for a limit on steps",
                ),
                Option(
                    "it silences the largest advantages",
                    "It clips ratios. An advantage of any size passes.",
                    "Ratios taken for advantages",
                ),
                Option(
                    "it silences the actions that were unlikely",
                    "An unlikely action has ratio 1 too: new over old, both equally small.",
                    "The ratio taken for the probability",
                ),
            )
        ),
        f"Old log-probabilities {listed([round(x, 2) for x in logs.tolist()])}, new ones the same: "
        f"ratios {listed(ratio.tolist())}. A ratio other than 1 in the first minibatch is a bug, "
        "and a good alarm.",
        Link("ppo_clip", "where every path begins at 1", {"epoch": "0"}),
    )


QUESTIONS = (
    Question("objective_value", "The objective of one sample", _objective),
    Question("alive_outside", "Outside, and alive", _alive_outside),
    Question("two_meters", "Outside or silent", _two_meters),
    Question("first_step", "The first step", _first_step),
)
