import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from acorn.datasets import get_dataset
from acorn.errors import InvalidArchitectureError
from acorn.graph import count_params, trace
from acorn.spaces.nats_sss import NatsSizeSpace, parse_channels
from acorn.spaces.nats_sss.channels import WIDTHS
from acorn.spaces.nats_sss.cost import size_cost

SPACE = NatsSizeSpace()
ALL = [*SPACE.enumerate()]

channels = st.tuples(*[st.sampled_from(WIDTHS)] * 5)
specs = channels.map(lambda widths: ":".join(map(str, widths)))


@given(specs)
def test_parsing_keeps_the_widths(spec: str) -> None:
    parsed = SPACE.parse(spec)
    assert parsed.space == "nats_sss"
    assert parsed.arch == parsed.canonical == spec
    assert SPACE.parse(f" {spec}\n") == parsed
    assert parsed.id == f"nats_sss/{spec}"


@given(channels, st.sampled_from(":-,"), st.sampled_from(["", " ", "\t"]))
def test_spellings_of_widths(widths: tuple[int, ...], separator: str, space: str) -> None:
    arch = ":".join(map(str, widths))
    text = f"{space}{separator}{space}".join(map(str, widths))
    numbers = list(map(np.int64, widths))
    for spec in (text, [*widths], widths, numbers, json.dumps(widths), str(widths), f" {widths} "):
        assert SPACE.parse(spec).arch == arch
    assert parse_channels(text) == widths


def test_an_index_is_one_of_the_benchmarks_order(shared: Path) -> None:
    table = pl.read_parquet(shared / "benchmarks" / "nats_sss_clean.parquet")
    for index, arch in table.select("index", "arch").iter_rows():
        assert SPACE.parse(index).arch == SPACE.parse(str(index)).arch == arch


def test_all_indices_are_the_enumeration() -> None:
    assert [SPACE.parse(index).arch for index in range(SPACE.size)] == [*SPACE.enumerate()]


@pytest.mark.parametrize(
    "spec", [-1, 32_768, "-1", "32768", pytest.param(10**5_000, id="huge"), "9" * 10_000, "1" * 13]
)
def test_an_index_out_of_range_is_refused(spec: str | int) -> None:
    with pytest.raises(InvalidArchitectureError, match=r"^got index .*; expected 0 to 32767, in"):
        SPACE.parse(spec)


almost = st.text(alphabet="0123456789:,()[] -\n", max_size=30)
anything = st.one_of(
    st.text(),
    almost,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(),
    st.lists(st.integers()),
    st.lists(st.one_of(st.sampled_from(WIDTHS), st.booleans(), st.floats()), min_size=5),
)


@given(anything)
@example("8:8:8:8")
@example("8:8:8:8:8:8")
@example("8:8:8:8:72")
@example("08:8:8:8:8")
@example("8:8:8:8:8.0")
@example("8:8-8:8:8")
@example("[8, 8, 8, 8, 8)")
@example("[8, 8, 8, 8]")
@example("[8, 8, 8, 8, True]")
@example([8, 8, 8, 8, True])
@example([8, 8, 8, 8, 8.0])
@example([8, 8, 8, 8, 10])
@example([[8, 8, 8, 8, 8]])
@example(True)
@example(8.0)
@example("007")
@example("+7")
@example("\u0668")
@example("\u0668:8:8:8:8")
@example("8:8:8:8:8\n8:8:8:8:8")
@example({"a": 1})
@example("[" * 10_000)
@example("8," * 10_000)
@example(" " * 10_000 + "8:")
@example([8] * 100_000)
def test_anything_else_is_refused_in_one_short_line(spec: object) -> None:
    try:
        parsed = SPACE.parse(spec)
    except InvalidArchitectureError as error:
        message = str(error)
    else:  # by chance one of the spellings; digits and their order say which
        assert parsed.arch in ALL
        text = spec if isinstance(spec, str) else repr(spec)
        digits = [int(word) for word in re.findall("[0-9]+", text)]
        assert digits in ([*parse_channels(parsed.arch)], [ALL.index(parsed.arch)])
        return
    assert len(message.splitlines()) == 1
    assert len(message) < 300
    assert (
        "expected five widths 'a:b:c:d:e' or [a, b, c, d, e], each one of 8, 16" in message
        or "expected 0 to 32767" in message
    )


def test_enumeration() -> None:
    everything = [*SPACE.enumerate()]
    assert len(everything) == len(set(everything)) == SPACE.size == 32_768
    assert everything[0] == "8:8:8:8:8"
    assert everything[-1] == "64:64:64:64:64"
    assert all(SPACE.parse(arch).arch == arch for arch in everything[::501])


def test_enumeration_is_in_the_benchmarks_order(shared: Path) -> None:
    everything = [*SPACE.enumerate()]
    table = pl.read_parquet(shared / "benchmarks" / "nats_sss_clean.parquet")
    assert [everything[index] for index in table["index"]] == table["arch"].to_list()


def test_samples_are_distinct_and_repeat_with_their_seed() -> None:
    sample = SPACE.sample(500, seed=1)
    assert len(set(sample)) == 500
    assert sample == SPACE.sample(500, seed=1)
    assert sample != SPACE.sample(500, seed=2)


@given(specs, st.integers(0, 2**32))
def test_a_mutation_changes_one_width(spec: str, seed: int) -> None:
    mutant = SPACE.mutate(spec, seed=seed)
    assert mutant == SPACE.mutate(spec, seed=seed)
    pairs = zip(parse_channels(spec), parse_channels(mutant), strict=True)
    assert sum(before != after for before, after in pairs) == 1


def test_mutations_reach_every_neighbour() -> None:
    neighbours = {SPACE.mutate(SPACE.example, seed=seed) for seed in range(1000)}
    assert len(neighbours) == 5 * 7


def test_columns() -> None:
    columns = SPACE.columns("8:16:8:32:64")
    assert columns["size.log_width_1"] == math.log(16)
    assert columns["size.log_product_0_3"] == pytest.approx(math.log(8 * 32))
    assert columns["size.log_ratio_0_3"] == pytest.approx(math.log(4))
    assert columns["size.log_width_min"] == math.log(8)
    assert columns["size.log_width_max"] == math.log(64)
    assert columns["size.log_params"] == math.log(size_cost((8, 16, 8, 32, 64))[0])
    assert len(columns) == 5 + 2 * 10 + 4


@given(specs)
def test_columns_have_the_same_names_and_are_finite(spec: str) -> None:
    columns = SPACE.columns(spec)
    assert [*columns] == [*SPACE.columns(SPACE.example)]
    assert all(map(math.isfinite, columns.values()))
    assert all(name.startswith("size.") for name in columns)


@pytest.mark.parametrize("name", SPACE.datasets)
def test_closed_forms_agree_with_the_network(name: str) -> None:
    dataset = get_dataset(name)
    for arch in [SPACE.example, "8:8:8:8:8", "8:16:24:32:40", *SPACE.sample(3, seed=5)]:
        module = SPACE.build(arch, dataset)
        widths = parse_channels(arch)
        flops = trace(module, dataset.input_shape, keep_dead=True).flops
        expected = size_cost(widths, dataset.num_classes, dataset.height)
        assert (count_params(module), flops) == expected


def test_published_params_of_every_row(shared: Path) -> None:
    table = pl.read_parquet(shared / "benchmarks" / "nats_sss_clean.parquet")
    wrong = [
        (arch, published)
        for arch, published in table.select("arch", "cifar10.params").iter_rows()
        if size_cost(parse_channels(arch))[0] != published
    ]
    assert table.height > 26_000
    assert not wrong


def test_the_network_runs() -> None:
    dataset = get_dataset("ImageNet16-120")
    module = SPACE.build("8:16:24:32:40", dataset)
    logits = module(torch.randn(2, *dataset.input_shape))
    assert logits.shape == (2, 120)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    widths = [layer.out_channels for layer in module.modules() if hasattr(layer, "out_channels")]
    assert set(widths) == {8, 16, 24, 32, 40}


def test_parsing_needs_no_torch() -> None:
    program = (
        "import sys; import acorn.graph; "
        "from acorn.spaces.nats_sss import NatsSizeSpace; "
        f"space = NatsSizeSpace(); space.columns(space.parse({SPACE.example!r}).canonical); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_building_refuses_what_parsing_refuses() -> None:
    with pytest.raises(InvalidArchitectureError, match="expected five widths"):
        SPACE.build("8:8", get_dataset("cifar10"))
