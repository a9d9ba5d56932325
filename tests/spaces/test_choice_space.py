"""Spaces that are declared by their choices."""

import json
import tracemalloc
from dataclasses import astuple, dataclass, replace
from typing import Annotated, Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from torch import nn

from acorn.datasets import Dataset, get_dataset
from acorn.errors import InputError, InvalidArchitectureError
from acorn.graph import count_params, trace
from acorn.spaces import ChoiceSpace, Neighbour

Kernel = Literal[3, 5, 7]


@dataclass(frozen=True)
class Choices:
    depth: Literal[1, 2, 3]
    kernels: tuple[Kernel, Kernel, Kernel]
    activation: Literal["relu", "silu", None]
    ratio: Literal[0.25, 1.0]  # type: ignore[valid-type]
    bias: bool


class StageSpace(ChoiceSpace):
    """One to three convolutions."""

    name, choices = "stages", Choices

    def canonical_choices(self, choices: Choices) -> Choices:
        """Kernels after the depth have no effect."""
        first, *others = choices.kernels
        used = [kernel if i < choices.depth else 3 for i, kernel in enumerate(others, start=1)]
        return replace(choices, kernels=(first, used[0], used[1]))

    def network(self, choices: Choices, dataset: Dataset) -> nn.Module:
        layers: list[nn.Module] = []
        channels, width = 3, int(8 * choices.ratio)
        for kernel in choices.kernels[: choices.depth]:
            layers += [nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=choices.bias)]
            if choices.activation is not None:
                layers.append(nn.ReLU() if choices.activation == "relu" else nn.SiLU())
            channels = width
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, dataset.num_classes)]
        return nn.Sequential(*layers, *head)


class LargeChoices(BaseModel):
    model_config = ConfigDict(frozen=True)
    width: Literal[16, 32, 64]
    operations: Annotated[tuple[Literal["conv", "pool", "skip"], ...], 20]


class LargeSpace(ChoiceSpace):
    name = "large"
    choices: type[Any] = LargeChoices

    def network(self, choices: LargeChoices, dataset: Dataset) -> nn.Module:
        raise NotImplementedError


SPACE, LARGE = StageSpace(), LargeSpace()

choices = st.builds(
    Choices,
    depth=st.sampled_from([1, 2, 3]),
    kernels=st.tuples(*[st.sampled_from([3, 5, 7])] * 3),
    activation=st.sampled_from(["relu", "silu", None]),
    ratio=st.sampled_from([0.25, 1.0]),
    bias=st.booleans(),
)
junk: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["depth", "kernels", "x"]) | st.text(max_size=3), inner)
    ),
    max_leaves=8,
)


def test_what_follows_from_the_declaration() -> None:
    assert SPACE.description == "One to three convolutions."
    assert SPACE.example == "depth=1,kernels=3:3:3,activation=relu,ratio=0.25,bias=false"
    assert SPACE.size == SPACE.combinations == 3 * 27 * 3 * 2 * 2
    assert "cifar100" in SPACE.datasets
    listed = [*SPACE.enumerate()]
    assert len({*listed}) == SPACE.size
    classes = {SPACE.parse(arch).canonical for arch in listed}
    assert len(classes) == (3 + 9 + 27) * 12
    assert classes <= {*listed}


@given(choices)
def test_every_spelling_is_read(chosen: Choices) -> None:
    depth, kernels, activation, ratio, bias = astuple(chosen)
    as_json = {
        "bias": bias,
        "depth": float(depth),
        "kernels": [*kernels],
        "activation": activation,
        "ratio": int(ratio) if ratio == 1 else ratio,
    }
    parsed = SPACE.parse(chosen)
    spellings = [as_json, json.dumps(as_json), json.dumps(as_json, indent=4), parsed.arch]
    spellings += [f" {parsed.arch.replace(',', ' , ').replace(':', ' : ')} "]
    assert all(SPACE.parse(spelling) == parsed for spelling in spellings)
    assert SPACE.read(parsed.arch) == chosen
    assert type(SPACE.read(as_json).depth) is int


@given(choices)
def test_canonical_forms_are_fixed_points_of_the_same_network(chosen: Choices) -> None:
    arch = SPACE.parse(chosen)
    again = SPACE.parse(arch.canonical)
    assert again.arch == again.canonical == arch.canonical
    assert SPACE.columns(arch.canonical).keys() == SPACE.columns(SPACE.example).keys()


def flat(one: Choices) -> list[object]:
    return [one.depth, *one.kernels, one.activation, one.ratio, one.bias]


@settings(max_examples=3)
@given(choices)
def test_neighbours_are_all_that_differ_in_one_choice(chosen: Choices) -> None:
    neighbours = [*SPACE.neighbours(SPACE.parse(chosen).arch)]
    changed = [flat(SPACE.read(neighbour.arch)) for neighbour in neighbours]
    before = flat(chosen)
    assert all(sum(a != b for a, b in zip(before, after, strict=True)) == 1 for after in changed)
    positions = zip(*map(flat, map(SPACE.read, SPACE.enumerate())), strict=True)
    assert len({neighbour.arch for neighbour in neighbours}) == sum(
        len({*values}) - 1 for values in positions
    )


@given(choices, st.integers(0, 2**32))
def test_a_mutation_changes_one_choice_and_the_architecture(chosen: Choices, seed: int) -> None:
    arch = SPACE.parse(chosen)
    mutated = SPACE.mutate(arch.arch, seed=seed)
    assert mutated == SPACE.mutate(arch.arch, seed=seed)
    assert SPACE.parse(mutated).canonical != arch.canonical
    pairs = zip(flat(chosen), flat(SPACE.read(mutated)), strict=True)
    assert sum(before != after for before, after in pairs) == 1


@settings(max_examples=50)
@given(junk)
def test_what_is_no_architecture_is_one_clear_error(spec: object) -> None:
    with pytest.raises(InvalidArchitectureError, match="expected") as caught:
        SPACE.parse(spec)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400


VALID = json.loads('{"depth":1,"kernels":[3,3,3],"activation":null,"ratio":1,"bias":true}')


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (VALID | {"depth": 4}, "depth: got 4; expected one of 1, 2, 3"),
        (VALID | {"depth": True}, "depth: got True; expected one of 1, 2, 3"),
        (VALID | {"bias": 1}, "bias: got 1; expected one of false, true"),
        (VALID | {"kernels": [3, 3]}, r"kernels: got \[3, 3\]; expected a list of 3 values"),
        (VALID | {"kernels": [3, 4, 3]}, "kernels, position 1: got 4; expected one of 3, 5, 7"),
        (VALID | {"x": 1}, "got the choice 'x'; expected depth, kernels, activation"),
        ({"depth": 1}, "got no kernels; expected depth, kernels"),
        (SPACE.example.replace("3:3:3", "3:3"), "kernels: got '3:3'; expected 3 values with"),
        (SPACE.example.replace("depth=1", "depth=1:2"), "depth: got '1:2'; expected one value"),
        (SPACE.example + ",depth=1", "expected choices such as depth=1,"),
        ("__import__('os')", "expected choices such as depth=1,"),
        ('{"depth": 1, "depth": 2}', "has the key 'depth' twice"),
        ("{" * 100, "is not JSON"),
        ("depth=" + "1" * 10**7, "expected choices such as"),
    ],
)
def test_errors_name_the_choice(spec: object, message: str) -> None:
    with pytest.raises(InvalidArchitectureError, match=message):
        SPACE.parse(spec)


def test_columns() -> None:
    got = SPACE.columns("depth=2,kernels=3:5:3,activation=none,ratio=0.25,bias=true")
    assert got == {
        "stages.depth": 2,
        "stages.kernels.0": 3,
        "stages.kernels.1": 5,
        "stages.kernels.2": 3,
        "stages.kernels.sum": 11,
        "stages.activation.relu": 0,
        "stages.activation.silu": 0,
        "stages.activation.none": 1,
        "stages.ratio": 0.25,
        "stages.bias": 1,
    }
    columns = LARGE.columns(LARGE.parse({"width": 64, "operations": ["conv"] * 20}).canonical)
    assert columns["large.operations.19.conv"] == 1
    assert columns["large.operations.count.conv"] == 20
    assert columns["large.operations.count.pool"] == 0


def test_networks_and_their_cost() -> None:
    arch = "depth=2,kernels=3:5:7,activation=silu,ratio=1.0,bias=false"
    dataset = get_dataset("cifar100")
    state = torch.get_rng_state()
    cost = SPACE.cost(arch, dataset)
    assert torch.equal(torch.get_rng_state(), state)
    network = SPACE.build(arch, dataset)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 100)
    assert cost.params == count_params(network) / 1e6
    assert cost.flops == trace(network, (3, 32, 32)).macs / 1e6
    assert SPACE.recognises(arch)


def test_a_large_space_is_sampled_without_a_list() -> None:
    assert LARGE.combinations == 3**21
    assert LARGE.size is None
    tracemalloc.start()
    drawn = LARGE.sample(1_000, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22
    assert len({*drawn}) == 1_000
    assert drawn == LARGE.sample(1_000, seed=0) != LARGE.sample(1_000, seed=1)
    assert len({arch[:8] for arch in drawn}) == 3
    assert all(LARGE.parse(arch).arch == arch for arch in drawn[:20])
    with pytest.raises(InputError, match=r"has 10,460,353,203 architectures; expected sample:N"):
        LARGE.enumerate()


def test_a_model_may_refuse_combinations() -> None:
    @dataclass(frozen=True)
    class Increasing:
        widths: Annotated[tuple[Literal[8, 16, 24], ...], 2]

        def __post_init__(self) -> None:
            if self.widths[0] >= self.widths[1]:
                raise ValueError("widths do not increase")

    class IncreasingSpace(LargeSpace):
        name, choices = "increasing", Increasing

    space = IncreasingSpace()
    assert space.example == "widths=8:16"
    assert [*space.enumerate()] == ["widths=8:16", "widths=8:24", "widths=16:24"]
    assert sorted(space.sample(3, seed=0)) == sorted(space.enumerate())
    assert space.mutate("widths=8:16", seed=0) == "widths=8:24"
    (neighbour,) = space.neighbours("widths=8:16")
    assert neighbour == Neighbour("widths=8:24", "widths, position 1: 16 to 24")
    with pytest.raises(InvalidArchitectureError, match="refuses: widths do not increase"):
        space.parse("widths=24:8")


def declared(hint: Any) -> type[ChoiceSpace]:
    model: type[Any] = dataclass(frozen=True)(type("Model", (), {"__annotations__": {"x": hint}}))
    return type("Declared", (LargeSpace,), {"name": "declared", "choices": model})


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (int, "x: got the type .*int.*; expected bool, a Literal or a tuple"),
        (tuple[Kernel, ...], "x: got a tuple of any length; expected its length from 1"),
        (Annotated[tuple[Kernel, ...], 10**9], "x: got a tuple of any length"),
        (Literal["a,b"], "x: got the values .*; expected None, booleans, finite numbers"),
        (Literal[float("inf")], "x: got the values .*; expected None, booleans, finite"),
        (Literal[1, 1.0], "x: got the values .*; expected distinct ones"),
        (Literal["3", 3], "x: got the values .*; expected distinct ones"),
        (tuple[()], "expected 1 to 1000 of them"),
    ],
)
def test_a_wrong_declaration_is_one_clear_error(hint: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        declared(hint)


def test_choices_are_a_model() -> None:
    with pytest.raises(InputError, match="expected a dataclass or pydantic model"):
        type("Wrong", (LargeSpace,), {"choices": dict})
