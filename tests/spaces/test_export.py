"""Networks written as declared graphs, and what cannot be written."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import acorn
from acorn.datasets import get_dataset
from acorn.errors import InputError
from acorn.graph import count_params, structure_features, trace
from acorn.spaces import get_space
from tests.spaces.graphs import GRAPHS

CIFAR10 = get_dataset("cifar10")
SHAPE = CIFAR10.input_shape


class Attention(nn.Module):
    """A small vision transformer with a class token and a learned position."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 12))
        self.position = nn.Parameter(torch.randn(1, 17, 12))
        self.norm = nn.LayerNorm(12)
        self.qkv = nn.Linear(12, 36)
        self.out = nn.Linear(12, 12)
        self.head = nn.Linear(12, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.position
        parts = self.qkv(self.norm(x)).reshape(len(x), 17, 3, 2, 6).permute(2, 0, 3, 1, 4)
        q, k, v = parts.unbind(0)
        y = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(y.transpose(1, 2).reshape(len(x), 17, 12))
        return self.head(x[:, 0])


class Windows(nn.Module):
    """Shifted windows, folded into the batch, as Swin has them."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.norm = nn.LayerNorm(8)
        self.mix = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).permute(0, 2, 3, 1)
        x = torch.roll(x, (-2, -2), (1, 2))
        b, h, w, c = x.shape
        y = x.view(b, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        y = self.norm(y)
        y = self.mix(y, y, y, need_weights=False)[0]
        y = y.view(b, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        return self.head((x + torch.roll(y, (2, 2), (1, 2))).mean(dim=(1, 2)))


class Convolutions(nn.Module):
    """Convolutions of all kinds, a gate, a shuffle and an operation in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 5, 1, 4, dilation=2, groups=8)
        self.gate = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.blur: Tensor
        self.register_buffer("blur", torch.ones(8, 1, 2, 2) / 4)
        self.head = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = functional.relu_(self.norm(self.stem(images)))
        y = functional.silu(self.depthwise(x)) * self.scale
        gate = self.gate(y.mean((2, 3)).unsqueeze(1)).transpose(1, 2).unsqueeze(-1)
        y = y * torch.sigmoid(gate) * 0.5
        x = torch.cat([x, y], 1).reshape(len(x), 2, 8, 16, 16).transpose(1, 2).flatten(1, 2)
        left, right = x.chunk(2, dim=1)
        x = torch.cat([functional.conv2d(left, self.blur, groups=8), right[:, :, 1:, 1:]], 1)
        return self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))


def built(graph: Any) -> nn.Module:
    return acorn.build_network({"space": "graph", "arch": graph})


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "attention": Attention,
    "windows": Windows,
    "convolutions": Convolutions,
    **{name: partial(built, graph) for name, graph in GRAPHS.items()},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rebuilt_network_has_the_same_structure(name: str) -> None:
    network = NETWORKS[name]()
    spec = acorn.export_graph(network, SHAPE)
    rebuilt = acorn.build_network(spec)
    expected = trace(network, SHAPE)
    assert structure_features(trace(rebuilt, SHAPE)) == pytest.approx(structure_features(expected))
    assert count_params(rebuilt) == count_params(network)
    space = get_space("graph")
    parsed = space.parse(spec["arch"])
    assert space.cost(parsed.arch, CIFAR10).params == count_params(network) / 1e6
    assert space.cost(parsed.canonical, CIFAR10).flops == expected.flops / 1e6


def fill(network: nn.Module) -> nn.Module:
    """Give equal values to parameters of equal size, whatever their order."""
    with torch.no_grad():
        for parameter in network.parameters():
            values = torch.linspace(-1, 1, parameter.numel()).sin() * 0.7
            parameter.copy_(values.reshape(parameter.shape))
    return network.eval()


@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - {"convolutions", "moving"}))
def test_equal_weights_give_equal_logits(name: str) -> None:
    """The two that are left out have fixed filters, whose values are not kept."""
    network = fill(NETWORKS[name]())
    rebuilt = fill(acorn.build_network(acorn.export_graph(network, SHAPE)))
    images = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(rebuilt(images), network(images), rtol=1e-4, atol=1e-5)


def test_the_network_stays_as_it_is() -> None:
    network = Convolutions()
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    acorn.export_graph(network, SHAPE)
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, weights[name])


def test_a_graph_for_one_size_names_the_size() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 38 * 46, 10))
    spec = acorn.export_graph(network, (3, 40, 48))
    assert spec["arch"]["resolution"] == [40, 48]
    assert count_params(acorn.build_network(spec)) == count_params(network)


class Sorted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images).sort(dim=1).values


class Mixed(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :10] - images.flatten(1)[:, :10].mean(dim=0)


class Reading(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, : 10 if images.sum() > 0 else 20]


class Two(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images.flatten(1)[:, :10], images.flatten(1)[:, :10]


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (Sorted(), SHAPE, "the network calls sort, which the graph space lacks"),
        (nn.Sequential(Sorted()), SHAPE, "module '0' calls sort"),
        (Mixed(), SHAPE, "calls mean, which works along the batch"),
        (Reading(), SHAPE, "calls sum, which reduces all axes"),
        (Two(), SHAPE, "returns 2 tensors; expected the logits alone"),
        (Convolutions(), (1, 32, 32), "expected \\(3, height, width\\)"),
        (Convolutions(), (3, 32), "expected \\(3, height, width\\)"),
        (Attention(), (3, 40, 40), "fails on images"),
        (None, SHAPE, "got NoneType; expected a torch.nn.Module"),
    ],
)
def test_what_cannot_be_written_is_named(network: Any, shape: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        acorn.export_graph(network, shape)
