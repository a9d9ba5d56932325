import math
import re
import statistics
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from acorn.graph import Kind, Layer, LayerGraph, structure_features, trace
from acorn.graph._aten import quick_result
from acorn.graph.cost_features import INTENSITIES, MACS_KINDS, cost_features
from acorn.graph.design_features import ACTIVATIONS, NORMS, design_features
from acorn.graph.structure import STAGES
from acorn.spaces.nats_sss.network import SizeNetwork
from acorn.spaces.nats_tss import parse_cell
from acorn.spaces.nats_tss.network import TopologyNetwork

INPUT = Layer(Kind.INPUT, shape=(3, 8, 8))
CELL = "+".join(
    (
        "|nor_conv_3x3~0|",
        "|nor_conv_3x3~0|nor_conv_3x3~1|",
        "|skip_connect~0|nor_conv_1x1~1|avg_pool_3x3~2|",
    )
)


def conv(
    *inputs: int,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    side: int = 8,
    width: int = 4,
    **others: Any,
) -> Layer:
    return Layer(
        Kind.CONV,
        inputs,
        (width, side, side),
        kernel=(kernel,) * 2,
        stride=(stride,) * 2,
        dilation=(dilation,) * 2,
        in_channels=4,
        out_channels=width,
        **others,
    )


def add(*inputs: int) -> Layer:
    return Layer(Kind.ADD, inputs, (4, 8, 8))


def pool(*inputs: int, kernel: int = 2, stride: int = 2, side: int = 4) -> Layer:
    return Layer(
        Kind.AVG_POOL,
        inputs,
        (4, side, side),
        kernel=(kernel,) * 2,
        stride=(stride,) * 2,
        dilation=(1, 1),
    )


def features(*layers: Layer, outputs: tuple[int, ...] | None = None) -> dict[str, float]:
    graph = LayerGraph((INPUT, *layers), outputs or (len(layers),))
    return {key.removeprefix("graph."): v for key, v in structure_features(graph).items()}


def test_columns_are_documented_in_order() -> None:
    documented = re.findall(r"- ``(\w+(?:<i>_\w+)?)``: \w", structure_features.__doc__ or "")
    assert documented[-4:] == [f"stage_<i>_{n}" for n in ("side", "layers", "width", "macs_share")]
    stages = [name.replace("<i>", str(i)) for i in range(STAGES) for name in documented[-4:]]
    columns = [name for name in features() if not name.startswith("cost_")]
    assert columns == documented[:-4] + stages


def test_cost_columns_are_documented_in_order() -> None:
    text = cost_features.__doc__ or ""
    documented = re.findall(r"- ``(\w+(?:<\w+>)?)``: \w", text)
    values = {"kind": MACS_KINDS, "n": INTENSITIES}
    columns = []
    for name in documented:
        stem, _, placeholder = name.rstrip(">").partition("<")
        columns += [f"{stem}{value}" for value in values[placeholder]] if placeholder else [name]
    assert [f"graph.cost_{name}" for name in columns] == [
        *cost_features(LayerGraph((INPUT,), (0,)))
    ]


def test_design_columns_are_documented_in_order() -> None:
    documented = re.findall(r"- ``(\w+(?:<kind>)?)``: \w", design_features.__doc__ or "")
    kinds = {"share_norm_<kind>": NORMS, "share_activation_<kind>": ACTIVATIONS}
    columns = [
        name.replace("<kind>", kind) for name in documented for kind in kinds.get(name, ("",))
    ]
    found = design_features(LayerGraph((INPUT,), (0,)))
    assert [f"graph.design_{name}" for name in columns] == [*found]
    assert not any(found.values())


class Blocks(nn.Module):
    """A stem, a gated bottleneck with parallel branches, and attention over its positions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.BatchNorm2d(16), nn.ReLU())
        self.deep = nn.Conv2d(16, 16, 5, padding=2, groups=16)
        self.flat = nn.Conv2d(16, 16, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 16, 1), nn.Sigmoid())
        self.widen, self.narrow = nn.Conv2d(16, 64, 1), nn.Conv2d(64, 16, 1)
        self.norm, self.qkv = nn.LayerNorm(16), nn.Linear(16, 48)
        self.scale, self.head = nn.Parameter(torch.ones(16)), nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = self.deep(x) + self.flat(x)
        x = x * self.gate(x)
        x = x + self.narrow(nn.functional.gelu(self.widen(x)))
        x = x.flatten(2).transpose(1, 2)
        query, key, value = self.qkv(self.norm(x)).chunk(3, dim=-1)
        x = x + self.scale * (torch.softmax(query @ key.transpose(1, 2), dim=-1) @ value)
        return self.head(x.mean(dim=1))


def test_design_of_blocks() -> None:
    found = {
        name.removeprefix("graph.design_"): value
        for name, value in design_features(trace(Blocks(), (3, 32, 32))).items()
    }
    expected = {
        "attentions": 1,
        "attention_tokens_max": 64,
        "attention_queries_mean": 64,
        "attention_groups_mean": 1,
        "gates": 1,
        "squeezed_layers": 2,
        "share_norm_batch": 0.5,
        "share_norm_layer": 0.5,
        "share_activation_relu": 0.5,
        "share_activation_gelu": 0.5,
        "sigmoids": 1,
        "stem_kernel": 4,
        "stem_stride": 4,
        "stem_width": 16,
        "last_side": 8,
        "last_width": 48,
        "head_inputs": 16,
        "depthwise_kernel_max": 5,
        "expansion_max": 4,
        "expansion_mean": 3.5,
        "side_by_macs": 8,
        "layer_scales": 1,
        "parallel_convs": 0,  # two kinds of convolution without norms are no branches of one layer
        "upsamplings": 0,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("norm", [False, True])
def test_parallel_convolutions(norm: bool) -> None:
    branches = [conv(0), conv(0, kernel=1)]
    if norm:
        branches += [Layer(Kind.NORM, (source,), (4, 8, 8)) for source in (1, 2)]
    join = add(len(branches) - 1, len(branches))
    graph = LayerGraph((INPUT, *branches, join), (len(branches) + 1,))
    assert design_features(graph)["graph.design_parallel_convs"] == 1
    chain = LayerGraph((INPUT, conv(0), conv(1), add(1, 2)), (3,))
    assert design_features(chain)["graph.design_parallel_convs"] == 0


def test_design_columns_are_added_on_request() -> None:
    graph = LayerGraph((INPUT, conv(0)), (1,))
    assert structure_features(graph, design=True) == structure_features(graph) | design_features(
        graph
    )


def test_costs_of_a_chain() -> None:
    found = features(
        conv(0, params=100, macs=90_000),
        Layer(Kind.NORM, (1,), (4, 8, 8), params=8),
        Layer(Kind.RESHAPE, (2,), (256,)),
        Layer(Kind.LINEAR, (3,), (10,), in_channels=256, out_channels=10, params=2570, macs=2560),
    )
    first, norm, last = 192 + 256 + 100, 256 + 256 + 8, 256 + 10 + 2570
    assert INPUT.elements == 192
    expected = {
        "log_macs_dense": math.log1p(90_000),
        "log_macs_linear": math.log1p(2560),
        "log_macs_depthwise": 0,
        "share_macs_dense": 90_000 / 92_560,
        "log_traffic": math.log1p(first + norm + last),
        "log_elementwise": math.log1p(norm),
        "log_moved": math.log1p(512),
        "intensity": math.log1p(92_560 / (first + norm + last)),
        "log_launches": math.log1p(3),
        "log_roofline_20": math.log1p(90_000 / 20 + norm + last),
        "log_roofline_200": math.log1p(first + norm + last),
    }
    for name, value in expected.items():
        assert found[f"cost_{name}"] == pytest.approx(value), name


def test_a_chain() -> None:
    found = features(
        conv(0, params=100, macs=900),
        Layer(Kind.NORM, (1,), (4, 8, 8), params=8),
        Layer(Kind.ACTIVATION, (2,), (4, 8, 8)),
        pool(3),
        conv(4, kernel=1, side=4, width=16, params=20, macs=100),
        Layer(Kind.GLOBAL_POOL, (5,), (16, 1, 1)),
        Layer(Kind.LINEAR, (6,), (10,), in_channels=16, out_channels=10, params=170, macs=160),
    )
    expected = {
        "log_params": math.log1p(298),
        "log_macs": math.log1p(1160),
        "log_activations": math.log1p(256 + 256 + 10),
        "log_largest_activation": math.log1p(256),
        "head_params_share": 170 / 298,
        "width_min": 4,
        "width_max": 16,
        "width_growth": math.log(4),
        "downsampling": 2,
        "nodes": 8,
        "count_conv": 2,
        "count_spatial": 1,
        "count_pointwise": 1,
        "count_linear": 1,
        "count_avg_pool": 1,
        "count_global_pool": 1,
        "count_strided": 1,
        "share_pool": 1 / 4,
        "share_pointwise": 1 / 2,
        "norms_per_layer": 1 / 3,
        "kernel_area_sum": 10,
        "kernel_area_mean": 5,
        "kernel_area_max": 9,
        "kernel_area_by_params": (900 + 20) / 120,
        "kernel_area_by_macs": (8100 + 100) / 1000,
        "path_log_count": math.log(2),
        "path_shortest": 3,
        "path_longest": 3,
        "path_mean": 3,
        "path_std": 0,
        "path_longest_pool": 1,
        "path_share_without_pool": 0,
        "field_longest": 4,
        "joins": 0,
        "skip_share": 0,
        "stage_0_side": 8,
        "stage_0_layers": 1,
        "stage_0_width": 4,
        "stage_0_macs_share": 900 / 1160,
        "stage_1_side": 4,
        "stage_1_width": 16,
        "stage_1_macs_share": 100 / 1160,
        "stage_2_layers": 0,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_a_residual_block() -> None:
    found = features(conv(0), conv(1), conv(2), add(1, 3))
    expected = {
        "path_log_count": math.log(3),
        "path_shortest": 1,
        "path_longest": 3,
        "path_mean": 2,
        "path_std": 1,
        "field_shortest": 3,
        "field_longest": 7,
        "field_mean": 5,
        "field_ratio": 7 / 8,
        "joins": 1,
        "join_fan_in_mean": 2,
        "skip_edges": 1,
        "skip_share": 1 / 2,
        "skip_length_mean": 2,
        "skip_length_max": 2,
        "out_degree_max": 2,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_nested_sums_are_one_join_and_projections_are_no_skips() -> None:
    found = features(conv(0), conv(0, kernel=1), add(1, 2), conv(0), add(3, 4))
    assert (found["joins"], found["join_fan_in_max"], found["skip_edges"]) == (1, 3, 0)


def test_a_sum_that_others_read_too_stays_a_join() -> None:
    found = features(conv(0), add(0, 1), conv(2), add(2, 3))
    assert (found["joins"], found["join_fan_in_max"], found["skip_edges"]) == (2, 2, 2)


def test_a_tensor_added_to_itself_passes_itself_by() -> None:
    found = features(conv(0), add(1, 1))
    assert (found["skip_edges"], found["skip_share"], found["skip_length_max"]) == (2, 1, 0)


def test_dense_connections_are_skips() -> None:
    found = features(conv(0), Layer(Kind.CONCAT, (0, 1), (7, 8, 8)))
    assert (found["joins"], found["skip_edges"], found["skip_length_max"]) == (1, 1, 1)


def test_receptive_field_with_stride_dilation_and_upsampling() -> None:
    # 3x3 stride 2: 3 pixels; 3x3 dilation 2 at distance 2: + 8; upsampled back; 3x3: + 2.
    up = Layer(Kind.RESHAPE, (2,), (4, 8, 8))
    found = features(conv(0, stride=2, side=4), conv(1, dilation=2, side=4), up, conv(3))
    assert found["field_longest"] == 3 + 8 + 2


def test_paths_around_a_pool() -> None:
    found = features(conv(0), pool(1, kernel=3, stride=1, side=8), add(1, 2))
    assert found["path_share_without_pool"] == 1 / 2
    assert found["path_log_count_without_pool"] == math.log(2)
    assert (found["path_shortest_pool"], found["path_longest_pool"]) == (0, 1)


def test_without_a_path_lengths_are_zero() -> None:
    found = features(Layer(Kind.OTHER, (), (4, 8, 8)), conv(1))
    names = ("path_log_count", "path_longest", "field_longest", "path_share_without_pool")
    assert [found[name] for name in names] == [0, 0, 0, 0]


def test_stages_beyond_the_last_are_pooled_with_it() -> None:
    sides = (64, 32, 16, 8, 4, 2)
    layers = [conv(i, stride=2, side=side, macs=1) for i, side in enumerate(sides)]
    found = features(*layers)
    assert [found[f"stage_{i}_side"] for i in range(STAGES)] == [64, 32, 16, 8, 4]
    assert found[f"stage_{STAGES - 1}_layers"] == 2
    assert sum(found[f"stage_{i}_macs_share"] for i in range(STAGES)) == pytest.approx(1)


@pytest.mark.slow
def test_path_counts_beyond_floats() -> None:
    # Each sum doubles the number of paths: 2 ** 2000 of them.
    found = features(*(layer for i in range(2000) for layer in (add(i, i),)))
    assert found["path_log_count"] == pytest.approx(2000 * math.log(2))
    deep = [conv(0)]
    while len(deep) < 4000:
        deep += [add(len(deep), len(deep)), conv(len(deep) + 1)]
    found = features(*deep)
    assert found["path_mean"] == found["path_longest"] > 2000
    assert all(map(math.isfinite, found.values()))


@st.composite
def graphs(draw: st.DrawFn) -> LayerGraph:
    """Random wiring of convolutions, pools, sums and activations, outputs anywhere."""
    layers = [INPUT]
    for index in range(1, draw(st.integers(1, 9))):
        sources = st.integers(0, index - 1)
        kind = draw(st.sampled_from(["conv", "point", "pool", "add", "relu", "constant"]))
        match kind:
            case "conv":
                layers.append(conv(draw(sources), params=3, macs=5))
            case "point":
                layers.append(conv(draw(sources), kernel=1))
            case "pool":
                layers.append(pool(draw(sources), kernel=3, stride=1, side=8))
            case "add":
                layers.append(add(*draw(st.lists(sources, min_size=1, max_size=3))))
            case "relu":
                layers.append(Layer(Kind.ACTIVATION, (draw(sources),), (4, 8, 8)))
            case _:
                layers.append(Layer(Kind.OTHER, (), (4, 8, 8)))
    ends = st.lists(st.integers(0, len(layers) - 1), min_size=1, max_size=2, unique=True)
    return LayerGraph(tuple(layers), tuple(draw(ends)))


def all_paths(graph: LayerGraph, end: int) -> list[list[int]]:
    if end == 0:
        return [[0]]
    inputs = graph.layers[end].inputs
    return [[*path, end] for source in inputs for path in all_paths(graph, source)]


@given(graphs())
def test_paths_agree_with_listing_them(graph: LayerGraph) -> None:
    found = structure_features(graph)
    paths = [path for end in graph.outputs for path in all_paths(graph, end)]
    assert found["graph.path_log_count"] == pytest.approx(math.log(len(paths) + 1))

    def lengths(counts: Callable[[Layer], int]) -> list[int]:
        return [sum(counts(graph.layers[node]) for node in path) for path in paths] or [0]

    weighted = lengths(lambda layer: layer.kind is Kind.CONV)
    assert found["graph.path_shortest"] == min(weighted)
    assert found["graph.path_longest"] == max(weighted)
    assert found["graph.path_mean"] == pytest.approx(statistics.fmean(weighted))
    assert found["graph.path_std"] == pytest.approx(statistics.pstdev(weighted), abs=1e-6)
    spatial = lengths(lambda layer: layer.kind is Kind.CONV and layer.area == 9)
    assert found["graph.path_shortest_spatial"] == min(spatial)
    assert found["graph.path_longest_spatial"] == max(spatial)
    pools = lengths(lambda layer: layer.kind is Kind.AVG_POOL)
    free = sum(length == 0 for length in pools) if paths else 0
    assert found["graph.path_share_without_pool"] == pytest.approx(free / max(1, len(paths)))
    field = lengths(lambda layer: 2 * (layer.area == 9))
    assert found["graph.field_mean"] == pytest.approx(statistics.fmean(field) + bool(paths))


@given(graphs())
def test_every_column_is_finite_for_every_graph(graph: LayerGraph) -> None:
    assert all(map(math.isfinite, structure_features(graph).values()))


def test_an_empty_map_is_no_division_by_zero() -> None:
    layers = (Layer(Kind.INPUT, shape=(3, 0, 0)), conv(0, side=0), pool(1, side=0))
    assert all(map(math.isfinite, structure_features(LayerGraph(layers, (2,))).values()))


def test_networks_without_maps() -> None:
    for module in (nn.Flatten(), nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), nn.Identity()):
        found = structure_features(trace(module, (3, 4, 4)))
        assert all(map(math.isfinite, found.values()))


def test_a_published_cell() -> None:
    graph = trace(TopologyNetwork(parse_cell(CELL), 10), (3, 32, 32))
    found = structure_features(graph)
    # Three stages of five cells: 3 + 1 convolutions a cell, 3 a reduction, and the stem.
    assert found["graph.count_conv"] == 15 * 4 + 2 * 3 + 1
    assert found["graph.count_avg_pool"] == 15 + 2
    # A skip passes a cell by, a pooled shortcut a reduction: stem, two shortcuts, classifier.
    assert found["graph.path_shortest"] == 1 + 2 + 1
    # Two convolutions at most in a cell, and in a reduction.
    assert found["graph.path_longest"] == 1 + 15 * 2 + 2 * 2 + 1
    assert found["graph.path_log_count"] == pytest.approx(math.log(4**15 * 2**2), abs=1e-6)
    assert [found[f"graph.stage_{i}_side"] for i in range(4)] == [32, 16, 8, 0]


def test_spaces_have_the_same_columns() -> None:
    size = structure_features(trace(SizeNetwork((8, 16, 24, 32, 40), 100), (3, 32, 32)))
    cell = structure_features(trace(TopologyNetwork(parse_cell(CELL), 120), (3, 16, 16)))
    assert [*size] == [*cell]


def test_tracing_a_cell_leaves_little_to_the_shape_rules_of_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They run in Python, and take most of the time of a trace on the meta device."""
    answered = []

    def spy(name: str, args: tuple[Any, ...]) -> Any:
        result = quick_result(name, args)
        answered.append(result is not None)
        return result

    monkeypatch.setattr("acorn.graph.follower.quick_result", spy)
    with torch.device("meta"):
        module = TopologyNetwork(parse_cell(CELL), 10)
    trace(module, (3, 32, 32))
    assert statistics.mean(answered) > 0.5
