import math
from typing import Any

import numpy as np
import pytest
from torch import nn

from acorn.graph import Kind, Layer, LayerGraph, trace
from acorn.proxies import run
from acorn.proxies.local_entropy import _mixing_loss, _pooled, _rectified, information
from acorn.spaces.nats_tss import parse_cell
from acorn.spaces.nats_tss.network import TopologyNetwork
from tests.proxies.small import batch, cell_network
from tests.timing import quickest


def chain(*layers: Layer) -> LayerGraph:
    return LayerGraph((Layer(Kind.INPUT, shape=(8, 16, 16)), *layers), outputs=(len(layers),))


def conv(source: int, kernel: int = 3, **options: int) -> Layer:
    sizes: dict[str, Any] = {"kernel": (kernel,) * 2, "stride": (1, 1), "dilation": (1, 1)}
    counts: dict[str, Any] = {"in_channels": 8, "out_channels": 8} | options
    return Layer(Kind.CONV, (source,), (8, 16, 16), **sizes, **counts)


def pool(source: int, size: int) -> Layer:
    return Layer(Kind.AVG_POOL, (source,), (8, 16, 16), (size,) * 2, (1, 1), (1, 1))


def test_reads_the_graph_alone() -> None:
    first = run(cell_network(0), *batch(), num_classes=4, proxies="local_entropy").values
    other = run(cell_network(1), *batch(4), num_classes=4, proxies="local_entropy").values
    assert first == other
    assert first["local_entropy"] == information(trace(cell_network(), (3, 8, 8)))


def test_larger_pooling_windows_leave_less() -> None:
    scores = [information(chain(pool(0, size), conv(1))) for size in (1, 2, 3, 5, 7)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == information(chain(Layer(Kind.RESHAPE, (0,), (8, 16, 16)), conv(1)))


def test_larger_kernels_leave_more() -> None:
    scores = [information(chain(conv(0, kernel))) for kernel in (1, 3, 5, 7)]
    assert scores == sorted(scores)


def test_skips_lower_it() -> None:
    rectifier = Layer(Kind.ACTIVATION, (1,), (8, 16, 16))
    norm = Layer(Kind.NORM, (3,), (8, 16, 16))
    plain = chain(conv(0), rectifier, Layer(Kind.NORM, (2,), (8, 16, 16)), norm, conv(4))
    skip = chain(conv(0), rectifier, Layer(Kind.ADD, (2, 0), (8, 16, 16)), norm, conv(4))
    assert information(skip) < information(plain)


def test_features_degraded_to_a_bias_say_nothing() -> None:
    poolings = [pool(source, 5) for source in range(40)]
    with_many = information(chain(*poolings, conv(40)))
    assert 0 <= with_many < 0.05


def test_pooled_field_against_a_sampled_one() -> None:
    correlation, size, stride = 0.8, 3, 2
    places = np.arange(size)
    lags = np.abs(places[:, None] - places[None, :])
    variance = (correlation**lags).mean() ** 2  # both axes
    shifted = np.abs(places[:, None] - places[None, :] - stride)
    expected = (correlation**shifted).mean() / (correlation**lags).mean()
    assert _pooled(2.0, correlation, size, stride) == pytest.approx((2 * variance, expected))


def test_rectified_correlation_against_draws() -> None:
    draws = np.random.default_rng(0).standard_normal((2, 400_000))
    for r in (0.0, 0.3, 0.9, 1.0):
        pair = np.maximum(np.stack([draws[0], r * draws[0] + (1 - r * r) ** 0.5 * draws[1]]), 0)
        assert _rectified(r) == pytest.approx(np.corrcoef(pair)[0, 1], abs=0.01)


def test_mixing_loss_against_a_random_matrix() -> None:
    """k = 3, as many channels out as in: 9 outputs a channel from 25 inputs."""
    matrix = np.random.default_rng(0).standard_normal((360, 1000)) / 1000**0.5
    expected = np.linalg.slogdet(matrix @ matrix.T)[1] / 360
    assert math.log(_mixing_loss(1.0, 3)) == pytest.approx(expected, abs=0.02)
    assert _mixing_loss(25 / 9, 3) == pytest.approx(math.exp(-1), rel=1e-3)  # continuous at 1


@pytest.mark.slow  # a ratio of processor times, which other work on the machine disturbs
def test_costs_a_small_part_of_tracing() -> None:
    everything = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    everything += "+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    network = TopologyNetwork(parse_cell(everything), 10)
    graph = trace(network, (3, 32, 32))
    tracing = quickest(lambda: trace(network, (3, 32, 32)))
    assert quickest(lambda: information(graph), 20) < tracing / 20  # about 1 / 400


def test_a_network_without_convolutions_scores_nothing() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    values = run(network, *batch(), num_classes=4, proxies="local_entropy").values
    assert values == {"local_entropy": 0}
