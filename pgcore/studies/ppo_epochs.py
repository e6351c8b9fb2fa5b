"""Chapter 5: one state, one batch, many epochs: where the ratio goes, and what drives it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pgcore.losses import clipped_surrogate
from pgcore.studies.ppo_clip import OBJECTIVES, PLACES, PPO, place

N_ACTIONS = 3
NEIGHBOUR_ADVANTAGE = 0.5
OPTIMIZERS = {
    "plain SGD": lambda groups: torch.optim.SGD(groups),
    "SGD, momentum 0.9": lambda groups: torch.optim.SGD(groups, momentum=0.9),
    "Adam": lambda groups: torch.optim.Adam(groups),
}


def paths(
    learning_rates: Sequence[float],
    optimizers: Sequence[str],
    shares: Sequence[float],
    advantages: Sequence[float],
    n_epochs: int,
    clip_eps: float,
    beta: float,
) -> pd.DataFrame:
    """Full-batch epochs on two samples: (state, action 0), and the same action in a neighbour.

        logits(s) = W phi(s),  W = 0 at first (all actions alike)
        phi(state) = (1, 0),  phi(neighbour) = (share, sqrt(1 - share^2))

    The state's sample has the given advantage, the neighbour's NEIGHBOUR_ADVANTAGE. Both sit in
    one loss, minus the mean of the objective, for each of ppo_clip.OBJECTIVES; the optimizers are
    torch's.

    Args:
        learning_rates: of the optimizer.
        optimizers: names in OPTIMIZERS.
        shares: overlap of the two states' features, 0 (no shared weight) to 1 (one state).
        advantages: of the state's sample.
        n_epochs: gradient steps on the same two samples.
        clip_eps, beta: of the objectives.
    Returns:
        Frame of one row for each setting, epoch (0 to n_epochs) and name: rate, optimizer,
        share, advantage, epoch, name; ratio and prob of the state's action; push (gradient of the
        sample's own objective by its log-probability, autograd); neighbour (its ratio); place;
        words: why the ratio of PPO is where it is (empty for the others).
    """
    names = list(OBJECTIVES)
    settings = torch.cartesian_prod(
        *(torch.tensor(values, dtype=torch.float64) for values in (shares, advantages))
    ).reshape(-1, 2)
    share, advantage = settings.T
    axes = [list(learning_rates), range(len(settings)), range(n_epochs + 1), names]
    index = pd.MultiIndex.from_product(axes, names=["rate", "setting", "epoch", "name"])
    frames = []
    for optimizer in optimizers:
        recorded = _run(optimizer, learning_rates, share, advantage, n_epochs, clip_eps, beta)
        # (epoch, rate, name, setting) -> one row each, in the order of the index
        flat = {key: value.permute(1, 3, 0, 2).flatten() for key, value in recorded.items()}
        frames.append(pd.DataFrame(flat, index=index).reset_index().assign(optimizer=optimizer))
    frame = pd.concat(frames, ignore_index=True)
    frame[["share", "advantage"]] = settings.numpy()[frame.pop("setting")]
    ratio = torch.tensor(frame["ratio"].to_numpy())
    frame["place"] = np.array(PLACES)[place(ratio, clip_eps)]
    clipped = frame["name"] == PPO
    frame["words"] = ""
    frame.loc[clipped, "words"] = _why(frame[clipped])
    return frame


def _run(
    optimizer: str,
    rates: Sequence[float],
    share: Tensor,
    advantage: Tensor,
    n_epochs: int,
    clip_eps: float,
    beta: float,
) -> dict[str, Tensor]:
    """All rates, objectives and settings (S,) at once; each value is (epoch, rate, name, S)."""
    n = len(share)
    features = torch.stack(  # (S, 2 states, 2 features)
        [
            torch.tensor([1.0, 0.0], dtype=torch.float64).expand(n, 2),
            torch.stack([share, (1 - share.square()).sqrt()], dim=-1),
        ],
        dim=1,
    )
    advantages = torch.stack([advantage, torch.full_like(advantage, NEIGHBOUR_ADVANTAGE)], dim=-1)
    shape = (len(OBJECTIVES), n, N_ACTIONS, 2)
    weights = [
        torch.zeros(shape, dtype=torch.float64, requires_grad=True) for _ in range(len(rates))
    ]
    stepper = OPTIMIZERS[optimizer](
        [{"params": [each], "lr": rate} for each, rate in zip(weights, rates, strict=True)]
    )

    def log_probs() -> Tensor:  # of action 0: (rate, name, S, 2 states)
        logits = torch.einsum("rknaf,nsf->rknsa", torch.stack(weights), features)
        return torch.log_softmax(logits, dim=-1)[..., 0]

    old = log_probs().detach()
    recorded: dict[str, list[Tensor]] = {"ratio": [], "prob": [], "push": [], "neighbour": []}
    for epoch in range(n_epochs + 1):
        new = log_probs()
        value = torch.stack(
            [
                function(new[:, k], old[:, k], advantages.expand_as(new[:, k]), clip_eps, beta)
                for k, function in enumerate(OBJECTIVES.values())
            ],
            dim=1,
        )
        (push,) = torch.autograd.grad(value.sum(), new, retain_graph=True)
        ratio = clipped_surrogate(new, old, advantages.expand_as(new), clip_eps).ratio.detach()
        recorded["ratio"].append(ratio[..., 0])
        recorded["prob"].append(new[..., 0].detach().exp())
        recorded["push"].append(push[..., 0])
        recorded["neighbour"].append(ratio[..., 1])
        if epoch < n_epochs:
            stepper.zero_grad()
            # The mean over the two samples of each run; runs do not touch each other's weights.
            (-value.mean(dim=-1).sum()).backward()
            stepper.step()
    return {key: torch.stack(values) for key, values in recorded.items()}


def _why(frame: pd.DataFrame) -> np.ndarray:
    """Why the ratio is where it is: one sentence a row, from what autograd and the run recorded."""
    first = (frame["epoch"] == 0).to_numpy()
    before = frame.shift(1)
    moved = ((frame["ratio"] - before["ratio"]).abs() > 1e-3).to_numpy()
    alive = (frame["push"] != 0).to_numpy()
    was_alive = (before["push"] != 0).to_numpy()
    outside = (frame["place"] != PLACES[1]).to_numpy()
    shared = (frame["share"] > 0).to_numpy()
    momentum = (frame["optimizer"] != "plain SGD").to_numpy()
    zero = (frame["advantage"] == 0).to_numpy()
    still = "The gradient is zero, yet the ratio still moves: "
    cases = [
        (
            first,
            "Before the first step the ratio is exactly 1: nothing is clipped, whatever ε is. The "
            "first step is always taken with the full gradient.",
        ),
        (
            zero & ~shared,
            "The advantage is zero and no weight is shared: nothing pushes, and the ratio stays "
            "at 1.",
        ),
        (
            zero,
            "The advantage is zero, so this pair never has a gradient of its own. Its ratio moves "
            "all the same: the neighbour's gradient moves the weights that the two share.",
        ),
        (
            outside & ~alive & was_alive,
            "Over the bound in one step: the gradient was alive when the step began, and a step "
            "does not stop at the bound. The clip can only switch off the next one.",
        ),
        (
            outside & ~alive & moved & momentum & shared,
            still + "the optimizer's momentum and the neighbour's gradient carry it on.",
        ),
        (
            outside & ~alive & moved & momentum,
            still + "the optimizer's momentum carries it on, outside the range.",
        ),
        (
            outside & ~alive & moved,
            still + "the neighbour's gradient moves the weights that the two share.",
        ),
        (
            outside & ~alive,
            "The gradient is zero and nothing else pushes: the ratio stays where it landed, "
            "outside the range. The clip does not pull it back.",
        ),
        (
            outside,
            "Outside the range on the side that its advantage is against: min picks the "
            "unclipped branch, and the gradient pulls the ratio back.",
        ),
        (
            ~outside & alive,
            "Inside the range: the gradient is alive, and the next step will be taken in full, "
            "however close the bound is.",
        ),
    ]
    return np.select([case for case, _ in cases], [words for _, words in cases], "")
