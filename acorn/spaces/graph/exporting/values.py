"""What the tensors of a run are in a declared graph: nodes, and where the batch is.

A graph declares shapes for one image. A network moves the batch: to another axis, or together with
other axes into one. The run has a batch of :data:`BATCH` images, a prime number that divides no
other size, so that the axis that has the batch is found by its size. In the declared graph the
batch is always the first axis; all other elements keep their order.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from acorn.errors import InputError
from acorn.spaces.graph.node_operations import OPERATIONS
from acorn.spaces.graph.node_options import OptionError, is_left_out, read_options, write_option
from acorn.spaces.graph.spec import INPUT
from acorn.spaces.graph.tensor_layers import Shape

BATCH = 10_007
"""Images of a run."""


class LackingError(InputError):
    """The graph space cannot express an operation."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a tensor is in the declared graph.

    Attributes
    ----------
    shape : tuple of int
        Shape of the tensor.
    node : str or None
        Name of the node; None for a tensor that does not depend on the images.
    axis : int
        Index of the axis that has the batch; -1 for a constant.
    before : int
        Elements of this axis that come before the batch: 3 of a flattened (3, batch, 2).
    weights : frozenset of str
        Of a constant: names of the parameters that it depends on.
    is_stale : bool
        Whether an operation has written into a part of the tensor.
    """

    shape: Shape
    node: str | None = None
    axis: int = -1
    before: int = 1
    weights: frozenset[str] = frozenset()
    is_stale: bool = False

    @property
    def inner(self) -> int:
        """Elements of the batch's axis that come after the batch."""
        return self.shape[self.axis] // BATCH // self.before

    @property
    def batch_sizes(self) -> list[int]:
        """Sizes of the declared axes that the batch's axis stands for."""
        return [size for size in (self.before, self.inner) if size > 1]

    @property
    def declared(self) -> Shape:
        """Shape without the batch."""
        return tuple(size for sizes in self._sizes() for size in sizes)

    @property
    def axes(self) -> list[list[int]]:
        """For each axis of the tensor the declared axes, counted from 1."""
        axes, count = [], 1
        for sizes in self._sizes():
            axes.append([*range(count, count + len(sizes))])
            count += len(sizes)
        return axes

    def _sizes(self) -> list[list[int]]:
        return [
            self.batch_sizes if place == self.axis else [size]
            for place, size in enumerate(self.shape)
        ]

    def declared_axis(self, axis: int) -> int:
        """Convert an axis of the tensor; raises LackingError if it has the batch."""
        axis %= len(self.shape)
        if axis == self.axis:
            raise LackingError("works along the batch")
        return self.axes[axis][0]


class NodeWriter:
    """Collects the nodes of a graph."""

    def __init__(self, input_shape: Shape) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.shapes: dict[str, Shape] = {INPUT: input_shape}

    def write(self, op: str, /, *inputs: str, **options: Any) -> str:
        """Add a node, and return its name; raises LackingError if it is not possible."""
        operation = OPERATIONS[op]
        try:
            read = read_options(operation.options, options)
            layer = operation.apply(read, [self.shapes[name] for name in inputs])
        except OptionError as error:
            raise LackingError(f"cannot be written as {op} ({error})") from None
        name = f"{op}_{len(self.nodes)}"
        written = {
            key: write_option(value)
            for key, value in read.items()
            if not is_left_out(operation.options[key], value)
        }
        self.nodes[name] = {"name": name, "op": op, "inputs": [*inputs], **written}
        self.shapes[name] = layer.shape
        return name

    def write_like(self, value: Value, op: str, /, *inputs: str, **options: Any) -> Value:
        """Add a node for a tensor whose shape and batch are known; its node is filled in."""
        value = replace(value, node=self.write(op, *inputs, **options))
        declared = self.shapes[value.node or ""]
        if declared != value.declared:
            raise LackingError(f"has shape {declared} as {op}; expected {value.declared}")
        return value

    def reshaped(self, node: str, shape: Shape) -> str:
        """Add a node that moves the elements into a shape, unless they are in it."""
        if self.shapes[node] == shape:
            return node
        if self.nodes.get(node, {}).get("op") == "reshape":
            return self.reshaped(self.nodes[node]["inputs"][0], shape)
        return self.write("reshape", node, shape=[*shape])

    def permuted(self, node: str, axes: list[int]) -> str:
        """Add a node that reorders the axes, unless they are in order."""
        if axes == [*range(1, len(axes) + 1)]:
            return node
        former = self.nodes.get(node, {})
        if former.get("op") == "permute":
            return self.permuted(former["inputs"][0], [former["axes"][axis - 1] for axis in axes])
        return self.write("permute", node, axes=axes)

    def linear_before(self, node: str, features: int) -> dict[str, Any] | None:
        """Find the linear layer without bias that a node is, perhaps in another shape."""
        found = self.nodes.get(node, {})
        if found.get("op") == "reshape" and self.shapes[node][-1] == features:
            found = self.nodes.get(found["inputs"][0], {})
        is_plain = found.get("op") == "linear" and not found["bias"]
        return found if is_plain and found["out_features"] == features else None

    def viewed(self, value: Value, shape: Shape) -> Value:
        """Move all elements of a tensor into another shape, in their order."""
        places = [place for place, size in enumerate(shape) if size and size % BATCH == 0]
        before = math.prod(value.shape[: value.axis]) * value.before
        if len(places) == 1:
            (place,) = places
            outer = math.prod(shape[:place])
            if before % outer == 0 and shape[place] // BATCH % (before // outer) == 0:
                result = Value(shape, None, place, before // outer)
                return replace(result, node=self.reshaped(value.node or "", result.declared))
        raise LackingError("mixes the batch with other axes")

    def permuted_value(self, value: Value, dims: list[int]) -> Value:
        """Reorder the axes of a tensor."""
        dims = [dim % len(value.shape) for dim in dims]
        axes = [axis for dim in dims for axis in value.axes[dim]]
        shape = tuple(value.shape[dim] for dim in dims)
        node = self.permuted(value.node or "", axes)
        return Value(shape, node, dims.index(value.axis), value.before)

    def document(self, output: str) -> dict[str, Any]:
        """Write the graph of all nodes that lead to an output."""
        used, pending = {output}, [output]
        while pending:
            for name in self.nodes[pending.pop()]["inputs"]:
                if name not in used and name != INPUT:
                    used.add(name)
                    pending.append(name)
        nodes = [node for name, node in self.nodes.items() if name in used]
        return {"nodes": nodes, "output": output}
