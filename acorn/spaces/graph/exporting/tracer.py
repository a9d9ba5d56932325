"""Runs a network on shapes, and writes a node for each operation that the run calls."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from acorn.graph.follower import SHAPED, TensorFollower, tensors_of
from acorn.spaces.graph.exporting.rules import RULES, Rules
from acorn.spaces.graph.exporting.values import LackingError, NodeWriter, Value
from acorn.spaces.graph.spec import INPUT


class Tracer(TensorFollower[Value]):
    """Writes the node of every operation, following tensors by identity.

    Parameters
    ----------
    images : Tensor (BATCH, channels, height, width)
        The input of the network, on the meta device.
    weights : mapping of str to Tensor
        Its parameters by name, on the meta device.
    joins_bias : bool, default=False
        As :class:`~.rules.Rules` takes it.

    Attributes
    ----------
    writer : NodeWriter
        The nodes so far.
    module : str
        Name of the module that runs, for messages.
    """

    def __init__(
        self, images: Tensor, weights: Mapping[str, Tensor], *, joins_bias: bool = False
    ) -> None:
        super().__init__(on_shapes=True)
        self.writer = NodeWriter(tuple(images.shape[1:]))
        self.module = ""
        sizes = {name: weight.numel() for name, weight in weights.items()}
        self._rules = Rules(self.writer, sizes, joins_bias=joins_bias)
        self._set(images, Value(tuple(images.shape), INPUT, 0))
        for name, weight in weights.items():
            self._set(weight, Value(tuple(weight.shape), weights=frozenset((name,))))

    def output(self, result: object) -> str:
        """Find the node of what the network returned."""
        leaves = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if len(leaves) != 1:
            raise LackingError(f"returns {len(leaves)} tensors; expected the logits alone")
        value = self._get(leaves[0])
        if value.node is None or value.node == INPUT or value.axis:
            raise LackingError("returns what is no vector of logits for each image")
        return value.node

    def _call(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: list[Tensor]
    ) -> list[Value]:
        operands = [] if name in SHAPED else tensors_of((*args, *kwargs.values()))
        values = [self._get(operand) for operand in operands]
        shapes = [tuple(output.shape) for output in outputs]
        if all(value.node is None for value in values):
            weights = frozenset[str]().union(*(value.weights for value in values))
            return [Value(shape, weights=weights) for shape in shapes]
        if any(value.is_stale for value in values):
            raise LackingError(f"calls {name} on a tensor of which a part was overwritten")
        if name not in RULES:
            raise LackingError(f"calls {name}, which the graph space lacks")
        read_args, read_kwargs = tree_map_only(Tensor, self._get, (args, kwargs))
        try:
            made = RULES[name](self._rules, name, read_args, read_kwargs, shapes)
        except LackingError as error:
            raise LackingError(f"calls {name}, which {error}") from None
        # Beside the first, a norm returns statistics and a pooling indices.
        return [*made, *(Value(shape, is_stale=True) for shape in shapes[len(made) :])]

    def _mutate(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], target: Tensor
    ) -> None:
        """Write an operation that overwrites a tensor, seen by all that share its storage."""
        shape = tuple(target.shape)
        if name == "copy":
            source = self._get(args[1])
            if source.node is not None and source.shape != shape:
                raise LackingError("calls copy, which repeats what it writes")
            value = source if source.node is not None else Value(shape, weights=source.weights)
        elif name in ("fill", "zero"):
            value = Value(shape)
        else:
            (value, *_) = self._call(name, args, kwargs, [target])
        for alias in self._aliases(target):
            if alias is target or self._same_place(alias, target):
                self._values[id(alias)] = value
            else:
                held = self._get(alias)
                if held.node is not None or value.node is not None:
                    self._values[id(alias)] = replace(held, node=held.node or INPUT, is_stale=True)

    def _unknown(self, tensor: Tensor) -> Value:
        return Value(tuple(tensor.shape))
