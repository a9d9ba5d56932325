"""Recording what a network computes, operation by operation, while it runs."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from acorn.graph._aten import ADDITIONS, PRODUCTS, TRANSPARENT, quick_result, read_layer
from acorn.graph.layer_graph import Kind, Layer, LayerGraph


@dataclass(slots=True)
class Entry:
    """A recorded operation; ``constant`` when it does not depend on the network's input."""

    layer: Layer
    weights: frozenset[str]
    constant: bool


@dataclass(frozen=True, slots=True)
class _Value:
    """Origin of a tensor: the node that made it, and the parameters that no node owns yet."""

    node: int | None
    constant: bool
    weights: frozenset[str] = frozenset()


_NOTHING = _Value(None, constant=True)
_BLANK = frozenset(("empty", "zeros", "ones", "full"))
# These take the shape of an operand, not its values.
_SHAPED = frozenset(
    """empty_like zeros_like ones_like full_like rand_like randn_like
    new_empty new_empty_strided new_zeros new_ones new_full""".split()  # noqa: SIM905
)


class Recorder(TorchDispatchMode):
    """Records every aten operation as an entry, following tensors by identity.

    Parameters
    ----------
    image : torch.Tensor, shape (batch, channels, height, width)
        The network's input.
    weights : dict of str to torch.Tensor
        Its parameters by name. If these and the image are on the meta device, so is everything
        that the forward makes.

    Attributes
    ----------
    entries : list of Entry
        The input, then every operation that computes, in the order of the run.
    outputs : tuple of int
        Entries that the network returned; set by :meth:`finish`.
    """

    def __init__(self, image: Tensor, weights: dict[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.batch = image.shape[0]
        self._on_shapes = image.is_meta
        self.sizes = {name: weight.numel() for name, weight in weights.items()}
        shape = tuple(image.shape[1:])
        self.entries = [Entry(Layer(Kind.INPUT, shape=shape), frozenset(), constant=False)]
        self.outputs: tuple[int, ...] = ()
        self._values: dict[int, _Value] = {}
        # Tensors by the storage they share; also keeps them alive, so that no id is used twice.
        self._roots: dict[int, int] = {}
        self._shares: dict[int, list[Tensor]] = {}
        self._set(image, _Value(0, constant=False))
        for name, weight in weights.items():
            self._set(weight, _Value(None, constant=True, weights=frozenset((name,))))

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the operation, and record it."""
        kwargs = kwargs or {}
        name, mutates, views = _signature(func)
        operands = _tensors((*args, *kwargs.values()))
        metas = sum(operand.is_meta for operand in operands)
        if 0 < metas < len(operands):
            # Constants made by the forward, or held outside parameters and buffers.
            args, kwargs = tree_map_only(Tensor, _as_meta, (args, kwargs))
            return self.__torch_dispatch__(func, types, args, kwargs)
        if self._on_shapes and name in _BLANK and not operands:
            # Filled in later, perhaps with computed values; other constants keep their values,
            # so that the forward may read them.
            kwargs = kwargs | {"device": "meta"}
        result = quick_result(name, args) if metas and not mutates else None
        if result is None:
            result = func(*args, **kwargs)
        outputs = _tensors(result)
        if outputs:
            target = kwargs.get("out", args[0]) if mutates else None
            if isinstance(target, Tensor):
                self._mutate(name, args, operands, target)
            else:
                self._call(name, args, operands, outputs, views=views)
        return result

    def finish(self, result: object) -> None:
        """Store the entries that the network returned."""
        values = (self._get(leaf) for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
        self.outputs = tuple(
            dict.fromkeys(value.node for value in values if value.node is not None)
        )

    def graph(self, *, keep_dead: bool) -> LayerGraph:
        """Turn the entries into a graph, each parameter given to its first reader in it."""
        keep = range(len(self.entries)) if keep_dead else self._live()
        renamed = {old: new for new, old in enumerate(keep)}
        outputs = tuple(renamed[output] for output in self.outputs if output in renamed)
        owned: set[str] = set()
        layers = []
        for index in keep:
            entry = self.entries[index]
            weights = entry.weights - owned
            owned |= weights
            inputs = tuple(renamed[i] for i in entry.layer.inputs if i in renamed)
            params = sum(self.sizes[name] for name in weights)
            layers.append(replace(entry.layer, inputs=inputs, params=params))
        # A network whose logits do not depend on the image still has a graph: the input alone.
        return LayerGraph(tuple(layers), outputs or (0,))

    def _live(self) -> list[int]:
        """Entries between the input and the outputs, and the input."""
        reached = {0, *self.outputs}
        for index in reversed(range(len(self.entries))):
            if index in reached:
                reached.update(self.entries[index].layer.inputs)
        return [index for index in sorted(reached) if not self.entries[index].constant]

    def _call(
        self,
        name: str,
        args: Any,
        operands: list[Tensor],
        outputs: list[Tensor],
        *,
        views: bool,
    ) -> None:
        """Record an operation that makes new tensors."""
        if name in _SHAPED:
            operands = []
        several = len(outputs) > 1 and name.startswith(("split", "unbind", "chunk"))
        value = _NOTHING
        for position, output in enumerate(outputs):
            if position == 0 or several:  # else a norm's statistics or a pooling's indices
                value = self._value(name, args, operands, output)
            self._set(output, value, root=operands[0] if views and operands else None)

    def _mutate(self, name: str, args: Any, operands: list[Tensor], target: Tensor) -> None:
        """Record an operation that writes into ``target``, seen by all that share its storage."""
        if name == "copy" and self._same_place(target, operands[1]):
            return  # `y[:, :2] += x` ends with this
        before = self._get(target)
        if target is not operands[0]:  # an out= argument, which is not read
            operands = [operand for operand in operands if operand is not target]
        if name in ("copy", "fill", "zero"):  # what was there is gone
            value = _passed([self._get(operand) for operand in operands[1:]])
        else:
            value = self._value(name, args, operands, target)
        if value == before:
            return
        for alias in self._shares.get(self._roots.get(id(target), id(target)), (target,)):
            held = self._get(alias)
            if alias is not target and alias.numel() > target.numel():
                # Only a part of this one was written: it depends on both.
                part = Layer(Kind.OTHER, shape=self._image_shape(alias))
                self._values[id(alias)] = self._add(part, [held, value])
            else:
                self._values[id(alias)] = value

    def _value(self, name: str, args: Any, operands: list[Tensor], output: Tensor) -> _Value:
        """Make the node of an operation, or pass on its operand's where it does nothing."""
        values = [self._get(operand) for operand in operands]
        computed = [value for value in values if not value.constant]
        alone = len(computed) == 1 and not any(v.weights for v in values if v.constant)
        if name in TRANSPARENT or (alone and name in ADDITIONS | PRODUCTS):
            return _passed(computed or values)
        layer = read_layer(name, args, output, lambda tensor: not self._get(tensor).constant)
        if not computed and not layer.flops:
            return _passed(values)
        if len(computed) == 1 and layer.kind in (Kind.ADD, Kind.MUL):
            # A learned shift or scale joins no two branches.
            layer = replace(layer, kind=Kind.OTHER)
        layer = replace(
            layer,
            shape=self._image_shape(output),
            macs=layer.macs // self.batch,
            flops=layer.flops // self.batch,
        )
        return self._add(layer, values)

    def _add(self, layer: Layer, values: list[_Value]) -> _Value:
        inputs = tuple(value.node for value in values if value.node is not None)
        # The parameters of a constant operand go to its readers, should it be dropped itself.
        weights = frozenset().union(*(value.weights for value in values if value.constant))
        constant = all(value.constant for value in values)
        self.entries.append(Entry(replace(layer, inputs=inputs), weights, constant))
        return _Value(len(self.entries) - 1, constant, weights if constant else frozenset())

    def _image_shape(self, tensor: Tensor) -> tuple[int, ...]:
        """Shape for one image; the batch may be folded into the first axis."""
        first, *rest = tensor.shape or (1,)
        if first == self.batch:
            return tuple(rest)
        return (first // self.batch if first % self.batch == 0 else first, *rest)

    def _same_place(self, left: Tensor, right: Tensor) -> bool:
        """Whether two tensors are the same view of the same storage."""
        return (
            self._roots.get(id(left)) == self._roots.get(id(right), id(right))
            and left.storage_offset() == right.storage_offset()
            and left.shape == right.shape
            and left.stride() == right.stride()
        )

    def _get(self, tensor: Tensor) -> _Value:
        return self._values.get(id(tensor), _NOTHING)

    def _set(self, tensor: Tensor, value: _Value, root: Tensor | None = None) -> None:
        key = id(tensor) if root is None else self._roots.get(id(root), id(root))
        if id(tensor) not in self._values:
            self._roots[id(tensor)] = key
            self._shares.setdefault(key, []).append(tensor)
        self._values[id(tensor)] = value


def _passed(values: list[_Value]) -> _Value:
    """Pass an operation's operand on; constants pass on their weights."""
    if not values:
        return _NOTHING
    first = next((value for value in values if not value.constant), values[0])
    if not first.constant:
        return first
    return replace(first, weights=frozenset().union(*(value.weights for value in values)))


@lru_cache(maxsize=1024)  # there are some hundreds of operations in use
def _signature(func: Any) -> tuple[str, bool, bool]:
    """Name without in-place underscore, whether it writes into an operand, whether it views one."""
    schema = func._schema
    name = func.overloadpacket.__name__
    mutates = any(
        argument.alias_info is not None
        and argument.alias_info.is_write
        and (index == 0 or argument.is_out)
        for index, argument in enumerate(schema.arguments)
    )
    views = not mutates and any(output.alias_info is not None for output in schema.returns)
    return (name[:-1] if mutates and name.endswith("_") else name), mutates, views


def _tensors(tree: object) -> list[Tensor]:
    """List the tensors among an operation's operands or results."""
    if isinstance(tree, Tensor):
        return [tree]
    if not isinstance(tree, list | tuple):
        return []
    return [tensor for item in tree for tensor in _tensors(item)]


def _as_meta(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else torch.empty_like(tensor, device="meta")
