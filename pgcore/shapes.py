"""One check, used by every public function: no silent broadcasting."""

from __future__ import annotations

import torch


def require_same_shape(**tensors: torch.Tensor) -> None:
    """Raise unless all tensors have exactly one shape.

    A (B, 1) against a (B,) would broadcast to (B, B) and train on nonsense without a word.

    Raises:
        ValueError: naming the first two arguments that differ, with both shapes.
    """
    (first_name, first), *others = tensors.items()
    for name, tensor in others:
        if tensor.shape != first.shape:
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)} but {first_name} has shape "
                f"{tuple(first.shape)}: they must be equal, because broadcasting them would "
                "silently pair every sample with every other."
            )
