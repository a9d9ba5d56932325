"""The topology space: parsing, twins, networks."""

import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from acorn.datasets import get_dataset
from acorn.errors import InvalidArchitectureError
from acorn.graph import count_params, trace
from acorn.spaces import get_space
from acorn.spaces.nats_tss.canonical import (
    Convolved,
    Input,
    NormalForm,
    Pooled,
    Term,
    canonical_cell,
    live_edges,
    normal_form,
)
from acorn.spaces.nats_tss.cell import EDGES, format_cell, parse_cell
from acorn.spaces.nats_tss.network import Cell as CellModule

SPACE = get_space("nats_tss")
CELLS = [parse_cell(arch) for arch in SPACE.enumerate()]
cells = st.sampled_from(CELLS)


def test_number_of_cells_and_of_equivalence_classes() -> None:
    assert len(CELLS) == SPACE.size == 15_625
    assert len({normal_form(cell) for cell in CELLS}) == 4_660
    assert len({canonical_cell(cell) for cell in CELLS}) == 4_660


def test_equivalence_classes_are_the_published_ones(shared: Path) -> None:
    table = pl.read_parquet(shared / "benchmarks/nats_tss_hardware.parquet")
    assert len(table) == 15_625
    ids = [SPACE.parse(arch).id for arch in table["arch"]]
    pairs = set(zip(ids, table["function_class"], strict=True))
    assert len(pairs) == len(set(ids)) == table["function_class"].n_unique()


@given(cells)
def test_text_round_trip(cell: tuple[str, ...]) -> None:
    assert parse_cell(format_cell(cell)) == cell


@given(cells)
def test_canonical_form_is_a_fixed_point_without_dead_edges(cell: tuple[str, ...]) -> None:
    canonical = canonical_cell(cell)
    assert canonical_cell(canonical) == canonical
    assert normal_form(canonical) == normal_form(cell)
    assert len(live_edges(canonical)) == sum(name != "none" for name in canonical)


@given(cells, st.sampled_from(["", " ", "  ", "\t", "\n "]))
def test_spaces_between_the_parts_of_a_cell_are_read(cell: tuple[str, ...], space: str) -> None:
    parts = re.findall(r"[|+~]|[a-z0-9_]+", format_cell(cell))
    parsed = SPACE.parse(space.join(["", *parts, ""]))
    assert parsed == SPACE.parse(format_cell(cell))
    assert parsed.arch == format_cell(cell)


def test_an_index_is_one_of_the_benchmarks_order(shared: Path) -> None:
    table = pl.read_parquet(shared / "benchmarks/nats_tss_hardware.parquet")
    assert len(table) == SPACE.size
    for index, arch in table.select("index", "arch").iter_rows():
        assert SPACE.parse(index).arch == SPACE.parse(f" {index}").arch == arch


def test_the_benchmarks_order_does_not_depend_on_the_python() -> None:
    """The order is a shuffle: other versions of Python must shuffle in the same way."""
    order = [SPACE.parse(index).arch for index in range(15_625)]
    assert sorted(order) == sorted(SPACE.enumerate())
    digest = hashlib.sha256("\n".join(order).encode()).hexdigest()
    assert digest == "83abc799e45cf34e9d2163654668ab998b9a54d01c39e72ca1f71f2cdf356d84"


@pytest.mark.parametrize(
    "spec", [-1, 15_625, "-1", "15625", pytest.param(10**5_000, id="huge"), "9" * 10_000]
)
def test_an_index_out_of_range_is_refused(spec: object) -> None:
    with pytest.raises(InvalidArchitectureError, match=r"^got index .*; expected 0 to 15624, in"):
        SPACE.parse(spec)


def test_tuples_of_naslib() -> None:
    """Pairs by hand from NASLib's EDGE_LIST and OP_NAMES_NB201, each edge another operation."""
    assert SPACE.parse("(4, 0, 3, 1, 4, 3)").arch == (
        "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
    )
    assert SPACE.parse([0, 1, 2, 3, 4, 0]).arch == (
        "|skip_connect~0|+|none~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|skip_connect~2|"
    )


def test_tuples_of_naslib_have_the_cost_that_it_published(shared: Path) -> None:
    """The cell of NAS-Bench-Suite-Zero's first key, (4, 0, 3, 1, 4, 3), is the oracle's first."""
    oracle = pl.read_parquet(shared / "oracles/naslib_proxies_nats_tss_cifar10.parquet")
    arch = SPACE.parse((4, 0, 3, 1, 4, 3)).arch
    assert oracle["arch"][0] == arch
    assert oracle["params"][0] == pytest.approx(SPACE.cost(arch, get_dataset("cifar10")).params)


numbers = st.tuples(*[st.integers(0, 4)] * 6)


@given(numbers)
def test_tuples_of_naslib_in_every_spelling(numbers: tuple[int, ...]) -> None:
    parsed = SPACE.parse(numbers)
    names = ["skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3"]
    assert sorted(parse_cell(parsed.arch)) == sorted(names[number] for number in numbers)
    tight = json.dumps(numbers, separators=(",", ":"))
    integers = list(map(np.int64, numbers))
    for spec in ([*numbers], integers, str(numbers), str([*numbers]), tight, f" {numbers}\n"):
        assert SPACE.parse(spec) == parsed


almost = st.text(alphabet="0123456789,()[]|~+ -\n", max_size=30)


@given(
    st.one_of(
        st.text(),
        almost,
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.lists(st.text()),
        st.lists(st.one_of(st.integers(0, 5), st.booleans(), st.floats()), min_size=6, max_size=7),
    )
)
@example(True)
@example(3.0)
@example("003143")
@example("+3")
@example("\u0663")
@example([0, 0, 0, 0, 0, True])
@example([0, 0, 0, 0, 0, 0.0])
@example([0, 0, 0, 0, 0, 5])
@example([0, 0, 0, 0, 0])
@example("(4, 0, 3, 1, 4, 3]")
@example("(4, 0, 3, 1, 4, True)")
@example("(4, 0, 3, 1, 4, 3)" * 2)
@example("(" * 100_000)
@example("[4," * 100_000)
@example("|" + " " * 100_000)
@example([0] * 100_000)
@example([[0, 0, 0, 0, 0, 0]])
def test_anything_else_is_refused_in_one_line(spec: object) -> None:
    try:
        parsed = SPACE.parse(spec)
    except InvalidArchitectureError as error:
        message = str(error)
    else:  # by chance an index or a tuple: nothing but its integers is read
        text = spec if isinstance(spec, str) else repr(spec)
        digits = [int(word) for word in re.findall("[0-9]+", text)]
        again = digits[0] if len(digits) == 1 else digits
        assert SPACE.parse(again) == parsed
        assert "True" not in text
        return
    assert "expected a cell" in message or "expected 0 to 15624" in message
    assert len(message.splitlines()) == 1
    assert len(message) < 500


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~3|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|\n+",
        "|max_pool_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|" * 1000,
        "|no ne~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2",
    ],
)
def test_near_misses_are_refused(spec: str) -> None:
    with pytest.raises(InvalidArchitectureError):
        SPACE.parse(spec)


def test_mutation_changes_one_edge_and_sampling_repeats() -> None:
    for seed in range(20):
        before = parse_cell(SPACE.example)
        after = parse_cell(SPACE.mutate(SPACE.example, seed=seed))
        assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
    assert SPACE.sample(50, seed=3) == SPACE.sample(50, seed=3) != SPACE.sample(50, seed=4)
    assert len(set(SPACE.sample(50, seed=3))) == 50


@settings(max_examples=40)
@given(cells, cells)
def test_columns_belong_to_the_function(cell: tuple[str, ...], other: tuple[str, ...]) -> None:
    columns = SPACE.columns(format_cell(cell))
    assert all(value - value == 0 for value in columns.values())
    assert columns == SPACE.columns(format_cell(canonical_cell(cell)))
    assert columns.keys() == SPACE.columns(format_cell(other)).keys()
    if normal_form(cell) != normal_form(other):
        assert columns != SPACE.columns(format_cell(other))


class Weights:
    """One ReLU-conv-BN for each term of a normal form: equal terms, equal weights."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._of: dict[object, nn.Module] = {}

    def of(self, term: Convolved) -> nn.Module:
        if term not in self._of:
            edges = ("none", "none", "none", term.operation, "none", "none")
            module: Any = CellModule(edges, self._channels).edges["0_3"].double()
            nn.init.normal_(module[2].weight)
            nn.init.normal_(module[2].bias)
            self._of[term] = module
        return self._of[term]


def with_weights(cell: tuple[str, ...], weights: Weights, channels: int) -> CellModule:
    """Build a cell whose convolutions carry the weights of their terms."""
    module = CellModule(cell, channels).double()
    nodes: list[NormalForm] = [(Input(),)]
    for target in (1, 2, 3):
        partial = tuple(
            name if end == target else "none" for (_, end), name in zip(EDGES, cell, strict=True)
        )
        terms: list[Term] = []
        for (source, end), name in zip(EDGES, partial, strict=True):
            if end != target or name == "none" or not nodes[source]:
                continue
            if name == "skip_connect":
                terms += nodes[source]
            elif name == "avg_pool_3x3":
                terms += [Pooled(term) for term in nodes[source]]
            else:
                term = Convolved(name, nodes[source])
                terms.append(term)
                module.edges[f"{source}_{end}"].load_state_dict(weights.of(term).state_dict())
        nodes.append(tuple(sorted(terms, key=repr)))
    return module


@settings(max_examples=60)
@given(cells)
def test_a_cell_and_its_canonical_form_compute_the_same(cell: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    weights = Weights(4)
    x = torch.randn(3, 4, 6, 6, dtype=torch.float64)
    submitted = with_weights(cell, weights, 4)
    canonical = with_weights(canonical_cell(cell), weights, 4)
    # A convolution of zeros is zero but for BatchNorm's bias, which a dead edge cannot have.
    for index, (source, target) in enumerate(EDGES):
        if index not in live_edges(cell) and cell[index].startswith("nor_conv"):
            nn.init.zeros_(submitted.get_parameter(f"edges.{source}_{target}.2.bias"))
    torch.testing.assert_close(submitted(x), canonical(x))


def test_carried_weights_are_free_in_all_but_six_functions() -> None:
    """The canonical form has, of all twins, most convolutions that may differ."""
    twins = defaultdict(list)
    for cell in CELLS:
        twins[normal_form(cell)].append(cell)

    def convolutions(cell: tuple[str, ...]) -> int:
        return sum(cell[index].startswith("nor_conv") for index in live_edges(cell))

    for group in twins.values():
        best = max(map(convolutions, group))
        assert convolutions(canonical_cell(group[0])) == best


@pytest.mark.parametrize("name", SPACE.datasets)
def test_network_maps_images_to_logits(name: str) -> None:
    dataset = get_dataset(name)
    for arch in (SPACE.example, format_cell(("none",) * 6)):
        network = SPACE.build(arch, dataset)
        assert network(torch.randn(2, *dataset.input_shape)).shape == (2, dataset.num_classes)


@pytest.mark.parametrize("name", ["cifar10", "ImageNet16-120"])
def test_cost_is_the_published_one_of_every_cell(shared: Path, name: str) -> None:
    oracle = pl.read_parquet(shared / f"oracles/naslib_proxies_nats_tss_{name}.parquet")
    assert len(oracle) == 9_445
    dataset = get_dataset(name)
    for row in oracle.select("arch", "params", "flops").iter_rows(named=True):
        cost = SPACE.cost(row["arch"], dataset)
        assert (cost.params, cost.flops) == (row["params"], row["flops"])


@pytest.mark.parametrize("name", SPACE.datasets)
def test_cost_is_that_of_the_network_as_submitted(name: str) -> None:
    dataset = get_dataset(name)
    dead = "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|avg_pool_3x3~0|none~1|none~2|"
    for arch in (SPACE.example, dead):
        network = SPACE.build(arch, dataset)
        cost = SPACE.cost(arch, dataset)
        assert cost.params == count_params(network) / 1e6
        assert cost.flops == trace(network, dataset.input_shape, keep_dead=True).flops / 1e6
