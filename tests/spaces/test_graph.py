"""Declared graphs: rules, limits, canonical form, networks."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acorn.datasets import get_dataset
from acorn.errors import InputError, InvalidArchitectureError
from acorn.graph import count_params, structure_features, trace
from acorn.spaces import get_space
from acorn.spaces.graph import GraphSpace
from acorn.spaces.graph.layers import lay_out
from acorn.spaces.graph.node_modules import MODULES
from acorn.spaces.graph.node_operations import ACTIVATIONS, OPERATIONS
from acorn.spaces.graph.spec import read_graph
from acorn.spaces.limits import LIMITS, NetworkLimits
from tests.spaces.graphs import GRAPHS, Drawing, Graph, residual

SPACE = get_space("graph")
CIFAR10 = get_dataset("cifar10")


@pytest.fixture(params=GRAPHS)
def graph(request: pytest.FixtureRequest) -> Graph:
    return copy.deepcopy(GRAPHS[request.param])


@pytest.mark.parametrize("name", SPACE.datasets)
def test_declared_numbers_are_those_of_the_built_network(graph: Graph, name: str) -> None:
    dataset = get_dataset(name)
    arch = SPACE.parse(graph).arch
    network = SPACE.build(arch, dataset)
    declared = lay_out(read_graph(arch, LIMITS), dataset.input_shape, dataset.num_classes, LIMITS)
    traced = trace(network, dataset.input_shape)
    assert structure_features(declared.graph) == pytest.approx(structure_features(traced))
    assert [each.kind for each in declared.graph.layers] == [each.kind for each in traced.layers]
    cost = SPACE.cost(arch, dataset)
    assert cost.params == count_params(network) / 1e6
    assert cost.flops == trace(network, dataset.input_shape, keep_dead=True).flops / 1e6


def test_every_operation_is_among_the_graphs_or_an_activation() -> None:
    used = {node["op"] for graph in GRAPHS.values() for node in graph["nodes"]}
    assert set(OPERATIONS) - used - set(ACTIVATIONS) == {"identity"}
    assert MODULES.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("op", ACTIVATIONS)
def test_activations_cost_one_operation_an_element(op: str) -> None:
    draw = Drawing()
    spec = draw.finish(draw.add(op, draw.add("conv", "input", out_channels=4, kernel=1)))
    arch = SPACE.parse(spec).arch
    network = SPACE.build(arch, CIFAR10)
    assert (
        SPACE.cost(arch, CIFAR10).flops
        == trace(network, CIFAR10.input_shape, keep_dead=True).flops / 1e6
    )
    traced = trace(network, CIFAR10.input_shape)
    assert structure_features(traced)["graph.count_activation"] == 1


def test_the_network_trains(graph: Graph) -> None:
    network = SPACE.build(SPACE.parse(graph).arch, CIFAR10)
    logits = network(torch.randn(2, *CIFAR10.input_shape))
    assert logits.shape == (2, 10)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_text_and_object_are_the_same(graph: Graph) -> None:
    parsed = SPACE.parse(graph)
    assert SPACE.parse(json.dumps(graph, indent=2)) == parsed
    assert SPACE.parse(parsed.arch) == parsed
    assert SPACE.parse(SPACE.example).space == "graph"


def test_defaults_are_spelt_out() -> None:
    parsed = SPACE.parse(residual())
    conv = next(node for node in json.loads(parsed.arch)["nodes"] if node["op"] == "conv")
    assert conv["padding"] == "same"
    conv = json.loads(parsed.canonical)["nodes"][0]
    assert conv == {
        "name": "n1",
        "op": "conv",
        "inputs": ["input"],
        "out_channels": 8,
        "kernel": 3,
        "stride": 1,
        "padding": 1,
        "dilation": 1,
        "groups": 1,
        "bias": False,
    }


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Maps of four channels in any wiring, ended by a head that reads all loose ends."""
    nodes: list[dict[str, Any]] = []
    loose: list[str] = []
    sources = ["input"]
    first = {"name": "first", "op": "conv", "inputs": ["input"], "out_channels": 4, "kernel": 1}
    nodes.append(first)
    sources, loose = ["first"], ["first"]
    for index in range(draw(st.integers(0, 12))):
        op = draw(st.sampled_from(["conv", "depthwise_conv", "relu", "add", "add", "identity"]))
        count = draw(st.integers(2, 3)) if op == "add" else 1
        inputs = draw(st.lists(st.sampled_from(sources), min_size=count, max_size=count))
        node: dict[str, Any] = {"name": f"node{index}", "op": op, "inputs": inputs}
        if op == "conv":
            node |= {"out_channels": 4, "kernel": 3, "padding": 1}
        elif op == "depthwise_conv":
            node |= {"kernel": 3, "padding": "same"}
        nodes.append(node)
        loose = [name for name in loose if name not in inputs] + [node["name"]]
        sources.append(node["name"])
    end = loose[0]
    if len(loose) > 1:
        end = "join"
        nodes.append({"name": end, "op": "concat", "inputs": loose})
    nodes.append({"name": "pool", "op": "global_avg_pool", "inputs": [end]})
    nodes.append({"name": "flat", "op": "flatten", "inputs": ["pool"]})
    head = {"name": "head", "op": "linear", "inputs": ["flat"], "out_features": "classes"}
    return {"nodes": [*nodes, head], "output": "head"}


def respelt(graph: Graph, rng: random.Random) -> Graph:
    """Rename nodes, shuffle them, their keys and the operands of sums; spell out a default."""
    labels = [f"{rng.randrange(10**9)}-{index}" for index in range(len(graph["nodes"]))]
    rng.shuffle(labels)
    renamed = {"input": "input"} | {
        node["name"]: label for node, label in zip(graph["nodes"], labels, strict=True)
    }
    nodes = []
    for node in graph["nodes"]:
        inputs = [renamed[name] for name in node["inputs"]]
        if node["op"] in ("add", "multiply"):
            rng.shuffle(inputs)
        new = node | {"name": renamed[node["name"]], "inputs": inputs}
        if new["op"] == "depthwise_conv" and rng.random() < 0.5 and "multiplier" not in new:
            new |= {"stride": [1, 1], "dilation": 1}
        items = [*new.items()]
        rng.shuffle(items)
        nodes.append(dict(items))
    rng.shuffle(nodes)
    return graph | {"nodes": nodes, "output": renamed[graph["output"]]}


@settings(deadline=None)
@given(graphs(), st.randoms(use_true_random=False))
def test_spellings_of_one_graph_have_one_id(graph: Graph, rng: random.Random) -> None:
    parsed = SPACE.parse(graph)
    assert SPACE.parse(parsed.canonical).canonical == parsed.canonical
    assert SPACE.parse(parsed.canonical).arch == parsed.canonical
    assert SPACE.parse(respelt(graph, rng)).id == parsed.id


@pytest.mark.parametrize("name", GRAPHS)
def test_spellings_of_known_graphs_have_one_id(name: str) -> None:
    rng = random.Random(0)
    ids = {SPACE.parse(respelt(GRAPHS[name], rng)).id for _ in range(10)}
    assert ids == {SPACE.parse(GRAPHS[name]).id}


@settings(max_examples=25)
@given(graphs(), st.randoms(use_true_random=False))
def test_the_canonical_network_has_the_same_layers(graph: Graph, rng: random.Random) -> None:
    parsed = SPACE.parse(graph)
    features = []
    for arch in (parsed.arch, parsed.canonical, SPACE.parse(respelt(graph, rng)).arch):
        declared = lay_out(read_graph(arch, LIMITS), (3, 16, 16), 10, LIMITS)
        features.append(structure_features(declared.graph))
    assert features[0] == pytest.approx(features[1])
    assert features[0] == pytest.approx(features[2])


def test_different_graphs_have_different_ids() -> None:
    """One option, one edge or one operation is enough."""
    spec = residual()
    ids = {SPACE.parse(spec).id}
    changes: list[tuple[int, dict[str, Any]]] = [
        (0, {"kernel": 5}),
        (0, {"bias": True}),
        (2, {"op": "gelu"}),
        (3, {"inputs": ["batch_norm_1"]}),
        (10, {"kernel": 5}),
    ]
    for index, change in changes:
        changed = copy.deepcopy(spec)
        changed["nodes"][index] |= change
        ids.add(SPACE.parse(changed).id)
    ids.add(SPACE.parse(spec | {"resolution": 40}).id)
    assert len(ids) == 2 + len(changes)


def test_nothing_is_nothing_and_depthwise_is_grouped() -> None:
    draw = Drawing()
    x = draw.add("conv", "input", out_channels=4, kernel=1)
    plain = draw.finish(draw.add("conv", x, out_channels=8, kernel=3, padding=1, groups=4))
    draw = Drawing()
    x = draw.add(
        "dropout", draw.add("conv", draw.add("identity", "input"), out_channels=4, kernel=1)
    )
    depthwise = draw.finish(draw.add("depthwise_conv", x, kernel=3, padding="same", multiplier=2))
    assert SPACE.parse(plain).id == SPACE.parse(depthwise).id
    assert SPACE.parse(plain).arch != SPACE.parse(depthwise).arch


def node(**changes: object) -> Graph:
    """Make the residual graph with its first node changed; None takes a key away."""
    spec = residual()
    first = spec["nodes"][0] | changes
    spec["nodes"][0] = {key: value for key, value in first.items() if value is not None}
    return spec


def chain(length: int, op: str = "relu") -> Graph:
    names = ["input", *(f"n{index}" for index in range(length))]
    nodes = [
        {
            "name": names[i + 1],
            "op": op,
            "inputs": [names[i]] * (2 if OPERATIONS[op].inputs[1] > 1 else 1),
        }
        for i in range(length)
    ]
    return {"nodes": nodes, "output": names[-1]}


def cyclic() -> Graph:
    spec = chain(1_999)
    spec["nodes"][0] |= {"op": "add", "inputs": ["input", "n1998"]}
    return spec


def deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def wide_deep() -> Any:
    """A document of 2^60 leaves, if written out."""
    value: Any = {"x": 1}
    for _ in range(60):
        value = {"a": value, "b": value}
    return value


STEM = "conv_0"
BAD = {
    "nothing": (None, "got None; expected an object with nodes, output"),
    "a list": ([], "got \\[\\]; expected an object"),
    "no nodes": ({"output": "x"}, "expected an object with nodes, output"),
    "empty nodes": ({"nodes": [], "output": "x"}, "got 0 nodes; expected a list of 1 to 2000"),
    "nodes as an object": ({"nodes": {}, "output": "x"}, "got {}; expected a list of 1 to 2000"),
    "an unknown key": (residual() | {"version": 2}, "got key 'version'"),
    "a number as key": (residual() | {7: 2}, "got key 7"),
    "a text": ("resnet18", "got 'resnet18': it is not JSON: Expecting value at line 1, column 1"),
    "a key twice": ('{"nodes": [], "nodes": [], "output": ""}', "'nodes' twice"),
    "NaN": ('{"nodes": NaN, "output": ""}', "got NaN; expected a finite number"),
    "a node that is none": ({"nodes": [1], "output": "x"}, "node 0: got 1; expected an object"),
    "no name": (node(name=None), "node 0: got name None; expected 1 to 64 printable"),
    "the input's name": (node(name="input"), "node 0: got name 'input'"),
    "a long name": (node(name="x" * 65), "node 0: got name 'xxx"),
    "a name of two lines": (node(name="a\nb"), "node 0: got name 'a\\\\nb'"),
    "a name twice": (node(name="batch_norm_1"), "node 'batch_norm_1': got this name twice"),
    "an unknown op": (node(op="exec"), f"node '{STEM}': got op 'exec'; expected one of conv, "),
    "no inputs": (node(inputs=[]), f"node '{STEM}': got 0 inputs; expected a list of one name"),
    "inputs as text": (node(inputs="input"), f"node '{STEM}': got 'input'; expected a list"),
    "an input that is no name": (node(inputs=[3]), f"node '{STEM}': got input 3"),
    "an input that is nowhere": (node(inputs=["x"]), f"node '{STEM}': got input 'x'"),
    "an unknown option": (node(filters=3), f"node '{STEM}': got option 'filters'; expected one"),
    "a missing option": (node(kernel=None), f"node '{STEM}': got no kernel; expected one"),
    "a boolean": (node(kernel=True), f"node '{STEM}': kernel: got True; expected an integer"),
    "a float": (node(kernel=3.0), f"node '{STEM}': kernel: got 3.0; expected an integer"),
    "not a number": (node(stride=float("nan")), f"node '{STEM}': stride: got nan"),
    "a huge float": (node(out_channels=1e308), f"node '{STEM}': out_channels: got 1e\\+308"),
    "a huge integer": (node(out_channels=10**5000), "got <integer of 16610 bits>"),
    "a negative": (
        node(padding=-1),
        "padding: got -1; expected an integer of 0 to 1024, or 'same'",
    ),
    "three numbers": (node(kernel=[3, 3, 3]), "kernel: got \\[3, 3, 3\\]; expected one integer"),
    "a flag that is none": (node(bias=1), f"node '{STEM}': bias: got 1; expected true or false"),
    "an even kernel": (node(kernel=2), f"node '{STEM}': got padding 'same' with kernel \\[2, 2\\]"),
    "a kernel too large": (
        node(kernel=255, padding=0),
        f"node '{STEM}': got kernel \\[255, 255\\] on",
    ),
    "groups": (node(groups=2), f"node '{STEM}': got groups of 2 for 3 channels"),
    "an output that is nowhere": (
        residual() | {"output": "x"},
        "got output 'x'; expected the name",
    ),
    "an output that is none": (residual() | {"output": ["x"]}, "got output \\['x'\\]"),
    "an unused node": (
        residual() | {"output": "relu_2"},
        "node 'conv_3': got a node that does not lead to output 'relu_2'",
    ),
    "a map as output": (chain(3), "node 'n2': got a map of 3 x 32 x 32 as output"),
    "a sum of two shapes": (
        node(stride=2, out_channels=16),
        "node 'add_8': got 16 x 16 x 16 and 8 x 16 x 16; expected inputs of one shape",
    ),
    "a cycle": (cyclic(), "got a cycle"),
    "itself": (node(inputs=[STEM]), f"node '{STEM}': got a cycle"),
    "resolution": (residual() | {"resolution": 257}, "resolution: got 257; expected an integer of"),
    "resolution as a flag": (residual() | {"resolution": True}, "resolution: got True"),
    "too many nodes": (chain(100_000), "got 100000 nodes; expected a list of 1 to 2000 nodes"),
    "too many inputs": (
        {"nodes": [{"name": "x", "op": "add", "inputs": ["input"] * 60_000}], "output": "x"},
        "node 'x': got more than 10000 inputs in all",
    ),
    "doubling": (chain(1_999, "concat"), "got more than 20000000 output elements up to here"),
    "many parameters": (
        {
            "nodes": [
                {
                    "name": "a",
                    "op": "conv",
                    "inputs": ["input"],
                    "out_channels": 65_536,
                    "kernel": 1,
                },
                {"name": "b", "op": "conv", "inputs": ["a"], "out_channels": 65_536, "kernel": 255},
            ],
            "output": "b",
        },
        "node 'a': got more than 20000000 output elements",
    ),
    "a wide head": (
        {
            "nodes": [
                {"name": "f", "op": "flatten", "inputs": ["input"]},
                {"name": "a", "op": "linear", "inputs": ["f"], "out_features": 65_536},
            ],
            "output": "a",
        },
        "node 'a': got more than 150000000 parameters",
    ),
    "nesting": (deep(100_000), "expected an object"),
    "nesting in an option": (node(kernel=deep(100_000)), "kernel: got"),
    "nesting as text": ("[" * 900_000, "nested deeper"),
    "leaves without number": (wide_deep(), "expected an object"),
    "leaves in an option": (node(kernel=wide_deep()), "kernel: got"),
    "a long text": ("[" * 1_000_001, "got 1000001 characters; expected at most 1000000"),
    "many keys": (residual() | {str(i): i for i in range(100_000)}, "got key '0'"),
    "many options": (node(**{f"x{i}": i for i in range(100_000)}), "got option 'x0'"),
    "a long op": (node(op="x" * 100_000), f"node '{STEM}': got op 'xxx"),
}


@pytest.mark.timeout(20)  # matching must not take exponential time
@pytest.mark.parametrize("name", BAD)
def test_bad_graphs_are_refused_in_one_line_and_at_once(name: str) -> None:
    spec, expected = BAD[name]
    with pytest.raises(InvalidArchitectureError, match=expected) as caught:
        SPACE.parse(spec)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 800


def test_limits_are_the_spaces_own() -> None:
    small = GraphSpace(NetworkLimits(params=1_000))
    with pytest.raises(InvalidArchitectureError, match="got more than 1000 parameters up to here"):
        small.parse(residual())
    with pytest.raises(InvalidArchitectureError, match="got more than 1000 FLOPs up to here"):
        GraphSpace(NetworkLimits(flops=1_000)).parse(residual())


@pytest.mark.timeout(60)
def test_the_largest_graph_is_read_in_time() -> None:
    head = [
        {"name": "pool", "op": "global_avg_pool", "inputs": ["n1996"]},
        {"name": "flat", "op": "flatten", "inputs": ["pool"]},
        {"name": "head", "op": "linear", "inputs": ["flat"], "out_features": "classes"},
    ]
    spec = {"nodes": chain(1_997)["nodes"] + head, "output": "head"}
    parsed = SPACE.parse(spec)
    assert len(json.loads(parsed.canonical)["nodes"]) == LIMITS.nodes


def test_the_number_of_logits_is_the_datasets() -> None:
    spec = residual()
    spec["nodes"][-1]["out_features"] = 10
    arch = SPACE.parse(spec).arch
    assert SPACE.build(arch, CIFAR10)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    for use in (SPACE.build, SPACE.cost):
        with pytest.raises(InvalidArchitectureError, match="got 10 logits; expected 100 for cifar"):
            use(arch, get_dataset("cifar100"))


def test_images_may_be_too_small() -> None:
    arch = SPACE.parse(node(kernel=31, padding=0)).arch
    SPACE.cost(arch, CIFAR10)
    with pytest.raises(InvalidArchitectureError, match="expected one that fits"):
        SPACE.cost(arch, get_dataset("ImageNet16-120"))


def test_what_the_space_cannot_do() -> None:
    assert SPACE.size is None
    assert SPACE.columns(SPACE.example) == {}
    for call in (
        SPACE.enumerate,
        lambda: SPACE.sample(3, seed=0),
        lambda: SPACE.mutate(SPACE.example, seed=0),
    ):
        with pytest.raises(InputError, match="expected a"):
            call()


DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "graph_spec.md"


def test_the_documented_example_runs() -> None:
    example = DOCUMENTATION.read_text("utf-8").split("```json\n")[1].split("```")[0]
    parsed = SPACE.parse(example)
    network = SPACE.build(parsed.arch, CIFAR10)
    assert network(torch.randn(2, *CIFAR10.input_shape)).shape == (2, 10)


def test_the_documentation_names_every_operation_option_and_limit() -> None:
    text = DOCUMENTATION.read_text("utf-8")
    for name, operation in OPERATIONS.items():
        assert f"`{name}`" in text
        assert all(f"`{option}`" in text for option in operation.options)
    for row in (
        f"| nodes | {LIMITS.nodes:,} |",
        f"| inputs over all nodes | {LIMITS.inputs:,} |",
        f"| characters of the JSON text | {LIMITS.characters:,} |",
        f"| parameters | {LIMITS.params // 10**6} million |",
        f"| FLOPs for one image | {LIMITS.flops // 10**9} billion |",
        f"over all nodes | {LIMITS.activations // 10**6} million |",
        f"| image side after resizing | {LIMITS.resolution} pixels |",
    ):
        assert row in text
