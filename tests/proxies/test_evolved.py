"""Evolved proxies: programs over the statistics of layers, measured by one pass."""

import numpy as np
import pytest
import torch
from torch import nn

from acorn.proxies import list_proxies, run, select
from acorn.proxies._programs.evolved import EvolvedProxy
from acorn.proxies._programs.layer_statistics import layer_statistics
from acorn.proxies._programs.layer_table import LayerTable
from acorn.proxies._programs.program import Program
from acorn.spaces.nats_tss import parse_cell
from acorn.spaces.nats_tss.network import TopologyNetwork
from tests.proxies.small import CELL, batch, cell_network, measured

EVOLVED = list_proxies("evolved_*")


def program_of(name: str) -> Program:
    (proxy,) = select([name])
    assert isinstance(proxy.definition, type)
    assert issubclass(proxy.definition, EvolvedProxy)
    return proxy.definition.program


@pytest.mark.parametrize("name", EVOLVED)
def test_value_is_the_program_of_all_statistics(name: str) -> None:
    network, (images, labels) = cell_network(), batch()
    program = program_of(name)
    with measured(network, images) as copied:
        found = layer_statistics(copied, images, labels)
    statistics = {column: values.numpy() for column, values in found.items()}
    expected = program(LayerTable(np.zeros(1, np.int64), statistics))[0]
    together = run(network, images, labels, num_classes=4).values[name]
    alone = run(network, images, labels, num_classes=4, proxies=[name]).values[name]
    assert alone == together == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["evolved_channel_rank", "evolved_weight_rank"])
def test_wider_networks_have_larger_values(name: str) -> None:
    def value(width: int) -> float:
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for number in range(4):
            layers += [nn.Conv2d(width if number else 3, width, 3, padding=1)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
        net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4))
        found = run(net, *batch(), num_classes=4, proxies=[name]).values[name]
        assert found is not None
        return found

    assert value(4) < value(8) < value(16)


def test_a_cell_without_convolutions_has_a_smaller_floor() -> None:
    def value(cell: str) -> float:
        torch.manual_seed(0)
        net = TopologyNetwork(parse_cell(cell), 4, channels=4, cells=1)
        found = run(net, *batch(), num_classes=4, proxies=["evolved_topology"]).values
        assert found["evolved_topology"] is not None
        return found["evolved_topology"]

    pooled = CELL.replace("nor_conv_3x3", "avg_pool_3x3").replace("nor_conv_1x1", "avg_pool_3x3")
    assert value(pooled) < value(CELL)


def test_networks_without_layers_have_no_value() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(dim=(1, 2, 3))[:, None] + self.bias

    result = run(Constant(), *batch(), num_classes=4, proxies=EVOLVED)
    assert set(result.values.values()) == {None}
    assert all("layers" in reason for reason in result.reasons.values())
