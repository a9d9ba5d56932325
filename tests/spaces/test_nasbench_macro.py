"""NAS-Bench-Macro: parsing, twins, networks, published sizes."""

import itertools
import math
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from acorn.datasets import get_dataset
from acorn.errors import InvalidArchitectureError
from acorn.graph import count_params, structure_features, trace
from acorn.spaces import get_space
from acorn.spaces.nasbench_macro.cost import receptive_fields, stage_costs
from acorn.spaces.nasbench_macro.digits import canonical_digits, split_stages

SPACE = get_space("nasbench_macro")
CIFAR10 = get_dataset("cifar10")
ALL = [*SPACE.enumerate()]
strings = st.text(alphabet="012", min_size=8, max_size=8)


@given(strings)
def test_parsing_keeps_the_digits(spec: str) -> None:
    parsed = SPACE.parse(spec)
    assert (parsed.space, parsed.arch) == ("nasbench_macro", spec)
    assert SPACE.parse(f" {spec}\n") == parsed
    again = SPACE.parse(parsed.canonical)
    assert again.arch == again.canonical == parsed.canonical
    assert again.id == parsed.id == f"nasbench_macro/{parsed.canonical}"


@given(
    st.one_of(st.text(), st.none(), st.integers(), st.floats(), st.binary(), st.lists(st.text()))
)
@example("0120120")
@example("012012012")
@example("01201203")
@example("٠١٢٠١٢٠١")
@example("01201201\n01201201")
@example(1201201)
@example("0" * 100_000)
def test_anything_else_is_refused_in_one_short_line(spec: object) -> None:
    if isinstance(spec, str) and len(spec.strip()) == 8 and set(spec.strip()) <= set("012"):
        return
    with pytest.raises(InvalidArchitectureError) as caught:
        SPACE.parse(spec)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 300
    assert "expected 8 digits, one a layer: 0 (identity)" in message


def test_enumeration_sampling_and_mutation() -> None:
    assert len(ALL) == len(set(ALL)) == SPACE.size == 6_561
    sample = SPACE.sample(300, seed=1)
    assert len(set(sample)) == 300
    assert sample == SPACE.sample(300, seed=1) != SPACE.sample(300, seed=2)
    neighbours = {SPACE.mutate(SPACE.example, seed=seed) for seed in range(500)}
    assert len(neighbours) == 8 * 2
    for mutant in neighbours:
        assert sum(a != b for a, b in zip(mutant, SPACE.example, strict=True)) == 1


def test_functions() -> None:
    assert len({canonical_digits(arch) for arch in ALL}) == 9 * 21 * 21 == 3_969
    assert canonical_digits("00010002") == "00010020"
    assert canonical_digits("10000000") == "10000000"
    assert canonical_digits("01201201") == "01210210"


def layers_of(arch: str) -> list[tuple[object, ...]]:
    """Everything that the built network does, in order."""
    with torch.device("meta"):
        network = SPACE.build(arch, CIFAR10)
    graph = trace(network, CIFAR10.input_shape)
    return [
        (node.kind, node.inputs, node.shape, node.kernel, node.stride, node.groups, node.params)
        for node in graph.layers
    ]


def test_twins_build_the_same_network_and_others_do_not() -> None:
    """Every pattern of every stage, with the other stages fixed."""
    archs = {"01" + "".join(p) + "120" for p in itertools.product("012", repeat=3)}
    archs |= {"011101" + "".join(p) for p in itertools.product("012", repeat=2)}
    archs |= {"".join(p) + "012120" for p in itertools.product("012", repeat=2)}
    by_network = defaultdict(set)
    by_id = defaultdict(set)
    for arch in archs:
        by_network[tuple(layers_of(arch))].add(arch)
        by_id[SPACE.parse(arch).id].add(arch)
    assert sorted(map(sorted, by_network.values())) == sorted(map(sorted, by_id.values()))
    assert len(by_id) < len(archs)


@pytest.mark.parametrize(("arch", "twin"), [("01101201", "01110210"), ("22202002", "22220020")])
def test_twins_compute_the_same(arch: str, twin: str) -> None:
    assert SPACE.parse(arch).id == SPACE.parse(twin).id
    images = torch.randn(2, 3, 16, 16)
    logits = []
    for spelling in (arch, twin):
        torch.manual_seed(0)
        logits.append(SPACE.build(spelling, CIFAR10)(images))
    torch.testing.assert_close(*logits, rtol=0, atol=0)


# Sizes that the benchmark publishes.
@pytest.mark.parametrize(
    ("arch", "params", "flops"),
    [
        ("00000000", 387_882, 7_713_280),
        ("22222222", 2_932_586, 105_660_928),
        ("02012100", 890_666, 47_327_744),
        ("11111221", 2_181_386, 65_012_224),
    ],
)
def test_cost_is_the_published_one(arch: str, params: int, flops: int) -> None:
    cost = SPACE.cost(arch, CIFAR10)
    assert (cost.params, cost.flops) == (params / 1e6, flops / 1e6)


def test_cost_is_the_published_one_of_every_row(shared: Path) -> None:
    table = pl.read_parquet(shared / "benchmarks/nasbench_macro_clean.parquet")
    assert table.height > 5_000
    for arch, params, flops in table.select("arch", "params", "flops").iter_rows():
        cost = SPACE.cost(arch, CIFAR10)
        assert (cost.params, cost.flops) == (params / 1e6, flops / 1e6)


@pytest.mark.parametrize("arch", ["00000000", "22222222", "01201201", "12021002"])
def test_cost_is_that_of_the_network(arch: str) -> None:
    network = SPACE.build(arch, CIFAR10)
    graph = trace(network, CIFAR10.input_shape)
    cost = SPACE.cost(arch, CIFAR10)
    assert cost.params == count_params(network) / 1e6
    assert cost.flops == graph.macs / 1e6


@pytest.mark.parametrize("arch", ["00000000", "22222222", "01201201"])
def test_receptive_field_is_that_of_the_traced_network(arch: str) -> None:
    graph = trace(SPACE.build(arch, CIFAR10), CIFAR10.input_shape)
    assert receptive_fields(arch)[-1] == structure_features(graph)["graph.field_longest"]


@settings(max_examples=50)
@given(strings, strings)
def test_columns(arch: str, other: str) -> None:
    columns = SPACE.columns(canonical_digits(arch))
    assert all(map(math.isfinite, columns.values()))
    assert all(name.startswith("macro.") for name in columns)
    assert [*columns] == [*SPACE.columns(canonical_digits(other))]
    if canonical_digits(arch) != canonical_digits(other):
        assert columns != SPACE.columns(canonical_digits(other))


def test_columns_of_one_string() -> None:
    columns = SPACE.columns("01210210")
    assert columns["macro.layer_1.1"] == columns["macro.layer_2.2"] == 1
    assert columns["macro.layer_1.0"] == 0
    assert (columns["macro.count.1"], columns["macro.count.2"]) == (3, 2)
    assert columns["macro.stage_1.count.2"] == 1
    assert columns["macro.stage_0.depth"] == 1 + 3
    assert columns["macro.stage_2.depth"] == 3 + 3
    assert columns["macro.depth"] == 4 + 6 + 6
    assert columns["macro.log_params"] == math.log(SPACE.cost("01210210", CIFAR10).params * 1e6)
    assert columns["macro.stage_1.log_macs"] == math.log(stage_costs("01210210")[2].macs)
    # stem 3; then 3x3 at step 2; then 5x5 at 2, 3x3 at 4; then 5x5 at 4, 3x3 at 8.
    assert receptive_fields("01210210") == [3 + 4, 7 + 8 + 8, 23 + 16 + 16]
    assert split_stages("01210210") == ["01", "210", "210"]


def test_the_network_runs() -> None:
    network = SPACE.build("01201201", CIFAR10)
    logits = network(torch.randn(2, *CIFAR10.input_shape))
    assert logits.shape == (2, 10)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_building_refuses_what_parsing_refuses() -> None:
    with pytest.raises(InvalidArchitectureError, match="expected 8 digits"):
        SPACE.build("0", CIFAR10)
