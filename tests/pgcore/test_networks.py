"""Networks: shapes, initial weights, and the NumPy forward pass that acts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from pgcore.networks import flatten, mlp, numpy_forward


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("sizes", "activation", "children"),
    [
        ((4, 2), "relu", [nn.Linear]),
        ((4, 128, 2), "relu", [nn.Linear, nn.ReLU, nn.Linear]),
        ((4, 64, 32, 2), "tanh", [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh, nn.Linear]),
    ],
)
def test_layers_alternate_and_end_in_a_bare_linear(sizes, activation, children):
    network = mlp(sizes, activation)
    assert [type(child) for child in network] == children
    linears = [child for child in network if isinstance(child, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linears] == list(pairwise(sizes))
    assert network(torch.zeros(8, sizes[0])).shape == (8, sizes[-1])


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_torch_init_draws_what_linear_draws(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        theirs = nn.Sequential(nn.Linear(4, 128), nn.ReLU(), nn.Linear(128, 2))
    ours = mlp((4, 128, 2), generator=seeded(seed))
    pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
    assert len(pairs) == 4 and all(torch.equal(a, b) for a, b in pairs)


def test_orthogonal_init_has_the_gains_of_ppos_reference_code():
    first, _, second, _, last = mlp((64, 64, 64, 2), "tanh", "orthogonal", 0.01, seeded())
    for layer, gain in ((first, 5 / 3), (second, 5 / 3), (last, 0.01)):
        product = layer.weight @ layer.weight.T
        torch.testing.assert_close(product, gain**2 * torch.eye(len(product)), rtol=0, atol=1e-5)
        assert not layer.bias.any()


@pytest.mark.parametrize("init", ["torch", "orthogonal"])
def test_weights_come_from_the_generator_alone(init):
    before = torch.get_rng_state()
    networks = [mlp((4, 8, 2), init=init, generator=seeded(seed)) for seed in (1, 1, 2)]
    same, again, other = (network[0].weight for network in networks)
    assert torch.equal(same, again) and not torch.equal(same, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("sizes", [(4, 2), (4, 128, 2), (6, 64, 64, 3)])
def test_numpy_forward_is_the_networks_forward(sizes, activation):
    network = mlp(sizes, activation, generator=seeded(1))
    x = torch.randn(64, sizes[0], generator=seeded(2))
    untouched = x.clone()
    torch.testing.assert_close(torch.from_numpy(numpy_forward(network)(x.numpy())), network(x))
    assert torch.equal(x, untouched)


def test_numpy_forward_sees_an_update_at_once():
    network = mlp((4, 8, 2), generator=seeded())
    forward, x = numpy_forward(network), np.ones((1, 4), np.float32)
    before = forward(x)
    network(torch.from_numpy(x)).sum().backward()
    torch.optim.Adam(network.parameters(), lr=0.1, fused=True).step()
    after = forward(x)
    assert not np.allclose(before, after)
    torch.testing.assert_close(torch.from_numpy(after), network(torch.from_numpy(x)))


@pytest.mark.parametrize(
    "network", [nn.Sequential(nn.Sigmoid(), nn.Flatten()), mlp((2, 8, 3)), mlp((2, 3))[0]]
)
def test_any_other_network_acts_too(network):
    x = torch.ones(3, 2)
    torch.testing.assert_close(torch.from_numpy(numpy_forward(network)(x.numpy())), network(x))


def test_a_linear_without_a_bias_acts_too():
    network = nn.utils.skip_init(nn.Linear, 2, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(2.0)
    assert numpy_forward(network)(np.ones((1, 2), np.float32)).item() == 4.0


def test_a_network_that_starts_with_an_activation_leaves_its_input_alone():
    x = -np.ones((3, 2), np.float32)
    assert not numpy_forward(nn.Sequential(nn.ReLU()))(x).any()
    assert (x == -1).all()


def test_flat_weights_are_the_networks_weights():
    network, twin = (mlp((4, 8, 2), generator=seeded()) for _ in range(2))
    vector, gradient = flatten(list(network.parameters()))
    assert vector.shape == gradient.shape == (4 * 8 + 8 + 8 * 2 + 2,)
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs) and ours.stride() == theirs.stride()
        assert not ours.grad.any() and ours.grad.stride() == theirs.stride()
    x = torch.randn(16, 4, generator=seeded(1))
    for one, weights in ((network, [vector]), (twin, twin.parameters())):
        optimizer = torch.optim.Adam(weights, lr=0.1)
        for _ in range(2):
            gradient.zero_()
            twin.zero_grad()
            one(x).square().mean().backward()
            optimizer.step()
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
