"""Reads declared graphs: from JSON to checked nodes, before any shape is known.

Sizes are checked before loops, no function recurses, and every error is one line that names the
node.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from typing import Any

from acorn.errors import InvalidArchitectureError, abbreviate
from acorn.spaces.graph.node_operations import OPERATIONS
from acorn.spaces.graph.node_options import (
    OptionError,
    is_left_out,
    pair,
    read_options,
    write_option,
)
from acorn.spaces.limits import NetworkLimits
from acorn.strict_json import JSONError, parse_json

INPUT = "input"
"""Name of the images among the nodes' inputs."""

_LONGEST_NAME = 64
_KEYS = ("nodes", "output", "resolution")
_FORM = "an object with nodes, output and, to resize images, resolution"


@dataclass(frozen=True, slots=True)
class Node:
    """One node: an operation with all its options, on named inputs.

    Attributes
    ----------
    name, op : str
        Its name, and that of its operation.
    inputs : tuple of str
        Names of nodes, or :data:`INPUT`.
    options : mapping
        Values of all options of the operation.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """A graph without cycles in which every node leads to the output.

    Attributes
    ----------
    nodes : tuple of Node
        Each after those that it reads.
    output : str
        Name of the node whose value the network returns.
    resolution : tuple of int or None, default=None
        (height, width) that images are resized to first; None leaves them as they are.
    """

    nodes: tuple[Node, ...]
    output: str
    resolution: tuple[int, int] | None = None


def read_graph(spec: object, limits: NetworkLimits) -> GraphSpec:
    """Read a graph.

    Parameters
    ----------
    spec : dict or str
        A JSON object, or its text.
    limits : NetworkLimits
        Bounds on characters, nodes, inputs and resolution.

    Returns
    -------
    GraphSpec
        The nodes in topological order, with all options.

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
            raise _at(node.name, "got this name twice; expected distinct names")
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
    """Write a graph as JSON.

    Parameters
    ----------
    spec : GraphSpec
        The graph.

    Returns
    -------
    str
        Compact JSON with sorted keys and all options, which :func:`read_graph` reads.
    """
    nodes = [
        {"name": node.name, "op": node.op, "inputs": list(node.inputs)}
        | {
            name: write_option(value)
            for name, value in node.options.items()
            if not is_left_out(OPERATIONS[node.op].options[name], value)
        }
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
        expected = f"{fewest} names or more"
        if fewest == most:
            expected = {0: "no name", 1: "one name"}.get(fewest, f"{fewest} names")
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
    """Sort nodes so that each comes after its inputs; otherwise keep their order."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for node in nodes.values():
        for source in node.inputs:
            if source != INPUT and source not in nodes:
                raise _at(
                    node.name, f"got input {abbreviate(source)}; expected {INPUT!r} or a node"
                )
        sorter.add(node.name, *(source for source in node.inputs if source != INPUT))
    try:
        sorter.prepare()
    except CycleError as error:
        raise _at(error.args[1][0], "got a cycle; expected a graph without cycles") from None
    names = [*nodes]
    position = {name: index for index, name in enumerate(names)}
    ready: list[int] = []
    ordered: list[Node] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heappush(ready, position[name])
        name = names[heappop(ready)]
        ordered.append(nodes[name])
        sorter.done(name)
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
