"""Reading a declared graph: from JSON to nodes that follow the rules, before any shape is known.

Everything is bounded before it is walked, nothing is walked recursively, and every error is one
line that names the node.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from acorn.errors import InvalidArchitectureError, abbreviate
from acorn.spaces.graph.operations import OPERATIONS
from acorn.spaces.graph.options import OptionError, pair, read_options, write_option
from acorn.spaces.limits import NetworkLimits
from acorn.strict_json import JSONError, parse_json

INPUT = "input"
"""Name of the images among the nodes' inputs."""

_LONGEST_NAME = 64
_KEYS = ("nodes", "output", "resolution")
_FORM = "an object with nodes, output and, where images are to be resized, resolution"


@dataclass(frozen=True, slots=True)
class Node:
    """One node: an operation with all its options, on named inputs."""

    name: str
    op: str
    inputs: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """A graph without cycles in which every node leads to the output.

    Attributes
    ----------
    nodes
        Each after those that it reads.
    output
        Name of the node whose value the network returns.
    resolution
        (height, width) that images are resized to first; None leaves them as they are.
    """

    nodes: tuple[Node, ...]
    output: str
    resolution: tuple[int, int] | None = None


def read_graph(spec: object, limits: NetworkLimits) -> GraphSpec:
    """Read a graph from a JSON object, or from its text.

    Raises
    ------
    InvalidArchitectureError
        In one line that names the node.
    """
    document = _load(spec, limits) if isinstance(spec, str) else spec
    if not isinstance(document, dict) or not {"nodes", "output"} <= document.keys():
        raise InvalidArchitectureError(f"got {abbreviate(document)}; expected {_FORM}")
    for key in document:
        if key not in _KEYS:
            raise InvalidArchitectureError(f"got key {abbreviate(key)}; expected {_FORM}")
    items = document["nodes"]
    if not isinstance(items, list) or not 1 <= len(items) <= limits.nodes:
        got = f"{len(items)} nodes" if isinstance(items, list) else abbreviate(items)
        raise InvalidArchitectureError(f"got {got}; expected a list of 1 to {limits.nodes} nodes")
    nodes: dict[str, Node] = {}
    inputs = 0
    for index, item in enumerate(items):
        node = _read_node(index, item)
        if node.name in nodes:
            raise _at(node.name, "got this name twice; expected names of their own")
        nodes[node.name] = node
        inputs += len(node.inputs)
        if inputs > limits.inputs:
            raise _at(node.name, f"got more than {limits.inputs} inputs in all; expected fewer")
    output = document["output"]
    if not isinstance(output, str) or output not in nodes:
        raise InvalidArchitectureError(
            f"got output {abbreviate(output)}; expected the name of a node"
        )
    ordered = _in_order(nodes)
    _check_used(nodes, output)
    return GraphSpec(tuple(ordered), output, _read_resolution(document, limits))


def write_graph(spec: GraphSpec) -> str:
    """Spell a graph as compact JSON: sorted keys, all options."""
    nodes = [
        {"name": node.name, "op": node.op, "inputs": list(node.inputs)}
        | {name: write_option(value) for name, value in node.options.items()}
        for node in spec.nodes
    ]
    document: dict[str, Any] = {"nodes": nodes, "output": spec.output}
    if spec.resolution is not None:
        document["resolution"] = write_option(spec.resolution)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _load(text: str, limits: NetworkLimits) -> object:
    if len(text) > limits.characters:
        raise InvalidArchitectureError(
            f"got {len(text)} characters; expected at most {limits.characters}"
        )
    try:
        return parse_json(text)
    except JSONError as error:
        raise InvalidArchitectureError(
            f"got {abbreviate(text)}: it {error}; expected {_FORM}, as JSON"
        ) from None


def _read_node(index: int, item: object) -> Node:
    if not isinstance(item, dict):
        raise InvalidArchitectureError(
            f"node {index}: got {abbreviate(item)}; expected an object with name, op and inputs"
        )
    name, op, inputs = item.get("name"), item.get("op"), item.get("inputs")
    if not isinstance(name, str) or not _is_name(name):
        raise InvalidArchitectureError(
            f"node {index}: got name {abbreviate(name)}; expected 1 to {_LONGEST_NAME} printable "
            f"characters other than {INPUT!r}"
        )
    if not isinstance(op, str) or op not in OPERATIONS:
        raise _at(name, f"got op {abbreviate(op)}; expected one of {', '.join(OPERATIONS)}")
    operation = OPERATIONS[op]
    fewest, most = operation.inputs
    if not isinstance(inputs, list) or not fewest <= len(inputs) <= most:
        expected = "one name" if fewest == most else f"{fewest} names or more"
        got = f"{len(inputs)} inputs" if isinstance(inputs, list) else abbreviate(inputs)
        raise _at(name, f"got {got}; expected a list of {expected} for {op}")
    for source in inputs:
        if not isinstance(source, str):
            raise _at(name, f"got input {abbreviate(source)}; expected the name of a node")
    given = {key: value for key, value in item.items() if key not in ("name", "op", "inputs")}
    try:
        options = read_options(operation.options, given)
    except OptionError as error:
        raise _at(name, str(error)) from None
    return Node(name, op, tuple(inputs), options)


def _is_name(name: str) -> bool:
    return 1 <= len(name) <= _LONGEST_NAME and name.isprintable() and name != INPUT


def _in_order(nodes: Mapping[str, Node]) -> list[Node]:
    """Sort nodes so that each comes after its inputs; keep an order that is sorted already."""
    waiting: dict[str, int] = {}
    readers: dict[str, list[str]] = {name: [] for name in nodes}
    for node in nodes.values():
        sources = [source for source in node.inputs if source != INPUT]
        for source in sources:
            if source not in nodes:
                raise _at(
                    node.name, f"got input {abbreviate(source)}; expected {INPUT!r} or a node"
                )
            readers[source].append(node.name)
        waiting[node.name] = len(sources)
    place = {name: index for index, name in enumerate(nodes)}
    ready = [(place[name], name) for name, count in waiting.items() if count == 0]
    ordered: list[Node] = []
    while ready:
        _, name = heappop(ready)
        ordered.append(nodes[name])
        for reader in readers[name]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heappush(ready, (place[reader], reader))
    if len(ordered) < len(nodes):
        stuck = next(name for name, count in waiting.items() if count)
        raise _at(stuck, "got a cycle, here or before it; expected a graph without cycles")
    return ordered


def _check_used(nodes: Mapping[str, Node], output: str) -> None:
    used = {output}
    pending = [output]
    while pending:
        for source in nodes[pending.pop()].inputs:
            if source != INPUT and source not in used:
                used.add(source)
                pending.append(source)
    for name in nodes:
        if name not in used:
            raise _at(name, f"got a node that does not lead to output {output!r}; expected none")


def _read_resolution(
    document: Mapping[str, object], limits: NetworkLimits
) -> tuple[int, int] | None:
    if "resolution" not in document:
        return None
    try:
        return pair(1, limits.resolution)(document["resolution"])
    except OptionError as error:
        raise InvalidArchitectureError(f"resolution: {error}") from None


def _at(name: str, message: str) -> InvalidArchitectureError:
    return InvalidArchitectureError(f"node {name!r}: {message}")
