"""Canonical form of declared graphs.

It does not depend on names, on the order of nodes, keys and operands of ``add`` and ``multiply``,
on omitted defaults, or on ``identity`` and ``dropout``; a depthwise convolution is one with as many
groups as channels. Rewritings of the function itself (nested sums, consecutive linear layers,
permuted channels) are not recognised.

Operands that commute are sorted by the nodes before and after them in the graph (colour
refinement). Operands of equal colour are mirror images of each other, so that their order makes no
difference, except in graphs that were constructed to defeat this method.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from acorn.spaces.graph.node_operations import NOTHING, OPERATIONS, same_padding
from acorn.spaces.graph.node_options import write_option
from acorn.spaces.graph.spec import INPUT, GraphSpec, Node
from acorn.spaces.graph.tensor_layers import Shape

_MOST_ROUNDS = 8


def canonical_graph(spec: GraphSpec, shapes: Mapping[str, Shape]) -> GraphSpec:
    """Rewrite a graph into its canonical form.

    Parameters
    ----------
    spec : GraphSpec
        The graph.
    shapes : mapping of str to tuple
        Output shape of each node, for images of any size.

    Returns
    -------
    GraphSpec
        Equal for all forms of one graph.
    """
    nodes, output = _without_identities(spec, shapes)
    colours = _colours(nodes)
    rank = {name: place for place, name in enumerate([INPUT, *nodes])}

    def operands(node: Node) -> Sequence[str]:
        if not OPERATIONS[node.op].commutes:
            return node.inputs
        return sorted(node.inputs, key=lambda name: (colours[name], rank[name]))

    names = {INPUT: INPUT}
    ordered: list[Node] = []
    stack = [output]
    while stack:  # operands first, in their order: depends on nothing but the structure
        node = nodes[stack[-1]]
        inputs = operands(node)
        missing = [name for name in inputs if name not in names]
        if missing:
            stack.extend(reversed(missing))
            continue
        stack.pop()
        if node.name not in names:
            names[node.name] = f"n{len(names)}"
            renamed = tuple(names[name] for name in inputs)
            ordered.append(Node(names[node.name], node.op, renamed, node.options))
    return GraphSpec(tuple(ordered), names[output], spec.resolution)


def _without_identities(
    spec: GraphSpec, shapes: Mapping[str, Shape]
) -> tuple[dict[str, Node], str]:
    """Drop the operations that do nothing, and write each of the others in one form."""
    stands_for = {INPUT: INPUT}
    nodes: dict[str, Node] = {}
    for node in spec.nodes:
        inputs = tuple(stands_for[name] for name in node.inputs)
        if node.op in NOTHING:
            stands_for[node.name] = inputs[0]
            continue
        stands_for[node.name] = node.name
        op, options = node.op, dict(node.options)
        if op == "depthwise_conv":
            op = "conv"
            channels = shapes[node.inputs[0]][0]
            options["out_channels"] = channels * options.pop("multiplier")
            options["groups"] = channels
        if "padding" in options and op == "conv":
            options["padding"] = same_padding(options)
        nodes[node.name] = Node(node.name, op, inputs, options)
    return nodes, stands_for[spec.output]


def _colours(nodes: Mapping[str, Node]) -> dict[str, bytes]:
    """Distinguish nodes by their operation, their inputs and their readers."""
    colours = {INPUT: _digest(b"input")}
    readers: dict[str, list[tuple[str, int]]] = {name: [] for name in (INPUT, *nodes)}
    for name, node in nodes.items():
        options = {key: write_option(value) for key, value in node.options.items()}
        colours[name] = _digest(json.dumps([node.op, options], sort_keys=True).encode())
        for place, source in enumerate(node.inputs):
            readers[source].append((name, -1 if OPERATIONS[node.op].commutes else place))
    distinct = 0
    for _ in range(_MOST_ROUNDS):
        above = {INPUT: colours[INPUT]}
        for name, node in nodes.items():
            parts = [above[source] for source in node.inputs]
            if OPERATIONS[node.op].commutes:
                parts.sort()
            above[name] = _digest(colours[name], *parts)
        below: dict[str, bytes] = {}
        for name in reversed([INPUT, *nodes]):
            parts = sorted(below[reader] + str(place).encode() for reader, place in readers[name])
            below[name] = _digest(above[name], *parts)
        colours = below
        if len(set(colours.values())) == distinct:
            break
        distinct = len(set(colours.values()))
    return colours


def _digest(*parts: bytes) -> bytes:
    return blake2b(b"|".join(parts), digest_size=16).digest()
