"""Multilayer perceptrons, their initial weights, and quick ways to train them and to act."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

# ReLU works in place: its input, a Linear's output, is needed by nobody else.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "tanh": nn.Tanh,
}
_GAINS = {"relu": nn.init.calculate_gain("relu"), "tanh": nn.init.calculate_gain("tanh")}
_NUMPY_ACTIVATIONS: dict[type[nn.Module], Callable[..., np.ndarray]] = {
    nn.ReLU: lambda x: np.maximum(x, 0, out=x),
    nn.Tanh: lambda x: np.tanh(x, out=x),
}


def mlp(
    sizes: Sequence[int],
    activation: str = "relu",
    init: str = "torch",
    out_gain: float = 1.0,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Linear layers with an activation between them, ending in a bare Linear.

    Args:
        sizes: units a layer, inputs first: (4, 128, 2).
        activation: "relu" or "tanh".
        init: "torch" draws what nn.Linear draws, in its order, so that a generator seeded with s
            gives the weights that torch.manual_seed(s) would; "orthogonal" as in PPO's reference
            code, biases zero.
        out_gain: gain of the last layer, for "orthogonal".
        generator: where the draws come from. The global generator is never used: threads of one
            server share it.
    Source: "The 37 Implementation Details of Proximal Policy Optimization" (2022), detail 2.
    """
    generator = generator or torch.Generator().manual_seed(0)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layer = nn.utils.skip_init(nn.Linear, n_in, n_out)
        is_last = len(layers) == 2 * (len(sizes) - 2)
        with torch.no_grad():
            if init == "orthogonal":
                gain = out_gain if is_last else _GAINS[activation]
                nn.init.orthogonal_(layer.weight, gain, generator=generator)
                layer.bias.zero_()
            else:
                nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
                bound = 1 / math.sqrt(n_in)
                layer.bias.uniform_(-bound, bound, generator=generator)
        if n_in < n_out:
            # Kept column by column in memory, the weight gets its gradient as inputs^T @ grads,
            # which is several times faster here than (grads^T @ inputs), the same numbers.
            layer.weight.data = layer.weight.data.t().contiguous().t()
        layers.append(layer)
        if not is_last:
            layers.append(ACTIVATIONS[activation]())
    return nn.Sequential(*layers)


def flatten(weights: Sequence[nn.Parameter]) -> tuple[nn.Parameter, Tensor]:
    """One vector of all the numbers: every weight becomes a view of it, as do their gradients.

    An optimizer of the vector trains the networks. To zero, clip and step is then one operation
    each on 1,000 numbers or so, and not one for each layer's weights and biases.

    Args:
        weights: K numbers in all, float32. Zero their gradients in place: set to None, as
            zero_grad does it, one would no longer be the vector's.
    Returns:
        The vector (K,) and its .grad (K,), zero.
    """
    vector = nn.Parameter(torch.empty(sum(weight.numel() for weight in weights)))
    vector.grad = torch.zeros_like(vector)
    parts = zip(weights, views(vector.data, weights), views(vector.grad, weights), strict=True)
    for weight, data, grad in parts:
        weight.data, weight.grad = data.copy_(weight.data), grad
    return vector, vector.grad


def views(vector: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """The parts of flatten's vector, or of one like it, in the weights' shapes and memory order.

    Args:
        vector: (K,).
        weights: K numbers in all.
    """
    parts = vector.split([weight.numel() for weight in weights])
    return [
        part.as_strided(weight.shape, weight.stride(), part.storage_offset())
        for part, weight in zip(parts, weights, strict=True)
    ]


def numpy_forward(network: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    """The network's forward pass in NumPy, for acting: no graph, a tenth of the overhead.

    The weights are views of the parameters, so an optimizer that updates in place is seen at
    once. A network that is not made of nn.Linear, nn.ReLU and nn.Tanh runs in torch.

    Args:
        network: (B, n_in) -> (B, n_out).
    Returns:
        The same function, from and to float32 arrays.
    """
    layers = list(network) if isinstance(network, nn.Sequential) else [network]
    known = all(
        type(layer) in _NUMPY_ACTIVATIONS or (type(layer) is nn.Linear and layer.bias is not None)
        for layer in layers
    )
    # The activations work in place: without a Linear before them they would overwrite the input.
    if not known or not isinstance(layers[0], nn.Linear):
        return lambda x: _torch_forward(network, x)
    steps: list[tuple[np.ndarray, np.ndarray] | Callable[..., np.ndarray]] = []
    for layer in layers:
        if isinstance(layer, nn.Linear):
            steps.append((layer.weight.detach().numpy().T, layer.bias.detach().numpy()))
        else:
            steps.append(_NUMPY_ACTIVATIONS[type(layer)])

    def forward(x: np.ndarray) -> np.ndarray:
        for step in steps:
            if isinstance(step, tuple):
                x = x @ step[0]
                x += step[1]
            else:
                x = step(x)
        return x

    return forward


@torch.no_grad()
def _torch_forward(network: nn.Module, x: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(x)).numpy()
