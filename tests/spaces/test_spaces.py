"""The registry of spaces, the defaults of their base class, and networks of any space."""

import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest
import torch
from torch import nn

from acorn import build_network
from acorn.datasets import Dataset, get_dataset
from acorn.errors import (
    InputError,
    InvalidArchitectureError,
    UnknownDatasetError,
    UnknownSpaceError,
)
from acorn.spaces import SPACES, Architecture, Cost, Space, get_space, register_space

OWN = ["nats_tss", "nats_sss", "nasbench_macro", "darts", "graph", "timm"]


class Letters(Space):
    """Three linear networks."""

    name, description, example = "letters", "One of three letters", "a"
    datasets = ("cifar10",)

    def parse(self, spec: object) -> Architecture:
        if spec not in ("a", "b", "c"):
            raise InvalidArchitectureError(f"got {spec!r}; expected a, b or c")
        return Architecture(self.name, str(spec), str(spec))

    def build(self, arch: str, dataset: Dataset) -> nn.Module:  # noqa: ARG002
        return nn.Sequential(nn.Flatten(), nn.Linear(3072, dataset.num_classes))

    def cost(self, arch: str, dataset: Dataset) -> Cost:  # noqa: ARG002
        return Cost(0.030730, 0.030720)


class ListedLetters(Letters):
    def enumerate(self) -> Iterator[str]:
        return iter("abc")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Space]:
    monkeypatch.setattr(SPACES, "_spaces", dict(SPACES))
    return SPACES


def test_acorns_spaces_come_in_a_fixed_order() -> None:
    assert [*SPACES] == OWN
    assert all(get_space(name).name == name for name in OWN)


def test_finding_the_spaces_needs_neither_torch_nor_timm() -> None:
    program = "import sys, acorn.spaces; sys.exit(bool({'torch', 'timm'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_registered_space_is_found_and_builds(registry: Mapping[str, Space]) -> None:
    assert register_space(Letters()) is get_space("letters") is registry["letters"]
    network = build_network({"space": "letters", "arch": "b"})
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    register_space(again := Letters())  # a notebook's cell, run twice
    assert get_space("letters") is again


def test_a_name_belongs_to_one_class(registry: Mapping[str, Space]) -> None:
    register_space(Letters())
    with pytest.raises(InputError, match="got a second space 'letters'; expected a name"):
        register_space(ListedLetters())
    universal = Letters()
    universal.name = "universal"
    with pytest.raises(InputError, match="'universal'"):
        register_space(universal)
    with pytest.raises(InputError, match=r"expected an instance of acorn\.spaces\.Space"):
        register_space(Letters)  # type: ignore[arg-type]


def test_what_a_space_cannot_do_is_one_clear_error() -> None:
    space = Letters()
    assert (space.size, space.limits, space.needs_package) == (None, None, None)
    assert space.columns("a") == {}
    for call in (space.enumerate, lambda: space.sample(2, seed=0)):
        with pytest.raises(InputError, match="letters, which cannot be listed; expected a file"):
            call()
    with pytest.raises(InputError, match="got letters; expected a space with mutations"):
        space.mutate("a", seed=0)
    with pytest.raises(TypeError, match="abstract"):
        Space()  # type: ignore[abstract]


def test_a_space_that_lists_its_architectures_can_be_sampled() -> None:
    space = ListedLetters()
    assert sorted(space.sample(3, seed=0)) == ["a", "b", "c"]
    assert space.sample(2, seed=1) == space.sample(2, seed=1)
    assert len({tuple(space.sample(3, seed=seed)) for seed in range(20)}) > 1
    with pytest.raises(InputError, match="got sample:4; expected at most the 3 of letters"):
        space.sample(4, seed=0)


@pytest.mark.parametrize("name", OWN[:-1])
def test_a_network_of_every_space(name: str) -> None:
    space = get_space(name)
    for dataset in map(get_dataset, (space.datasets[0], space.datasets[-1])):
        network = build_network({"space": name, "arch": space.example}, dataset=dataset.name)
        assert isinstance(network, nn.Module)
        images = torch.zeros(2, *dataset.input_shape)
        assert network(images).shape == (2, dataset.num_classes)


def test_a_network_is_that_of_the_spelling_as_given() -> None:
    dead = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    params = sum(p.numel() for p in build_network({"space": "nats_tss", "arch": dead}).parameters())
    assert params / 1e6 == get_space("nats_tss").cost(dead, get_dataset("cifar10")).params


@pytest.mark.parametrize(
    ("spec", "dataset", "error", "message"),
    [
        (None, "cifar10", InputError, r'^got None; expected {"space": \.\.\., "arch": \.\.\.}$'),
        ("nats_sss", "cifar10", InputError, "expected {"),
        ({"space": "nats_sss"}, "cifar10", InputError, "expected {"),
        ({"space": "nats_sss", "arch": 0, "x": 1}, "cifar10", InputError, "expected {"),
        ({"space": "x", "arch": 0}, "cifar10", UnknownSpaceError, "expected one of"),
        ({"space": ["nats_sss"], "arch": 0}, "cifar10", UnknownSpaceError, "expected one of"),
        ({"space": "nats_sss", "arch": "-1"}, "cifar10", InvalidArchitectureError, "expected 0 to"),
        ({"space": "nats_sss", "arch": None}, "cifar10", InvalidArchitectureError, "five widths"),
        ({"space": "nats_sss", "arch": 0}, "mnist", UnknownDatasetError, "'mnist'"),
        ({"space": "nats_sss", "arch": 0}, None, UnknownDatasetError, "None"),
        (
            {"space": "nasbench_macro", "arch": "01201201"},
            "cifar100",
            UnknownDatasetError,
            "unknown dataset 'cifar100'; expected one of cifar10",
        ),
    ],
)
def test_bad_input_is_one_clear_error(
    spec: object, dataset: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        build_network(spec, dataset=dataset)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "n"), [("nats_tss", 24), ("nats_sss", 35), ("nasbench_macro", 16)]
)
def test_neighbours_are_what_mutations_reach(name: str, n: int) -> None:
    space = get_space(name)
    neighbours = [*space.neighbours(space.example)]
    archs = [neighbour.arch for neighbour in neighbours]
    assert len({*archs}) == len({neighbour.change for neighbour in neighbours}) == n
    assert {space.parse(arch).arch for arch in archs} == {*archs}
    assert {*archs} == {space.mutate(space.example, seed=seed) for seed in range(20 * n)}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("nats_tss", "edge from node 0 to 1: 3x3 convolution to no operation"),
        ("nats_sss", "layer 1: 64 to 8 channels"),
        ("nasbench_macro", "layer 1: identity to kernel 3, expansion 3"),
    ],
)
def test_edits_are_in_words(name: str, change: str) -> None:
    space = get_space(name)
    assert next(space.neighbours(space.example)).change == change


def test_a_space_lists_no_neighbours_by_default() -> None:
    with pytest.raises(InputError, match="got letters; expected a space that lists neighbours"):
        Letters().neighbours("a")
