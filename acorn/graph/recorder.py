"""Recording what a network computes, operation by operation, while it runs."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from acorn.graph._aten import ADDITIONS, PRODUCTS, TRANSPARENT, read_layer
from acorn.graph.follower import SHAPED, TensorFollower, tensors_of
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


class Recorder(TensorFollower[_Value]):
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
        super().__init__(on_shapes=image.is_meta)
        self.batch = image.shape[0]
        self.sizes = {name: weight.numel() for name, weight in weights.items()}
        shape = tuple(image.shape[1:])
        self.entries = [Entry(Layer(Kind.INPUT, shape=shape), frozenset(), constant=False)]
        self.outputs: tuple[int, ...] = ()
        self._set(image, _Value(0, constant=False))
        for name, weight in weights.items():
            self._set(weight, _Value(None, constant=True, weights=frozenset((name,))))

    def finish(self, result: object) -> None:
        """Store the entries that the network returned.

        Parameters
        ----------
        result : object
            What the forward of the network returned: any nesting of tensors.
        """
        values = (self._get(leaf) for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
        self.outputs = tuple(
            dict.fromkeys(value.node for value in values if value.node is not None)
        )

    def graph(self, *, keep_dead: bool) -> LayerGraph:
        """Convert the entries to a graph.

        Parameters
        ----------
        keep_dead : bool
            Keep the nodes that reach no output, and those that do not depend on the input.

        Returns
        -------
        LayerGraph
            Each parameter belongs to its first reader in the graph.
        """
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
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: list[Tensor]
    ) -> list[_Value]:
        """Record an operation that makes new tensors."""
        operands = [] if name in SHAPED else tensors_of((*args, *kwargs.values()))
        several = len(outputs) > 1 and name.startswith(("split", "unbind", "chunk"))
        # Beside the first, a norm returns statistics and a pooling indices.
        made = [
            self._value(name, args, operands, each) for each in outputs[: None if several else 1]
        ]
        return made if several else made * len(outputs)

    def _mutate(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], target: Tensor
    ) -> None:
        """Record an operation that writes into ``target``, seen by all that share its storage."""
        operands = tensors_of((*args, *kwargs.values()))
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
        for alias in self._aliases(target):
            held = self._get(alias)
            if alias is not target and alias.numel() > target.numel():
                # Only a part of this one was written: it depends on both.
                part = Layer(Kind.OTHER, shape=self._image_shape(alias))
                self._values[id(alias)] = self._add(part, [held, value])
            else:
                self._values[id(alias)] = value

    def _value(self, name: str, args: Any, operands: list[Tensor], output: Tensor) -> _Value:
        """Make the node of an operation, or return that of its operand if it computes nothing."""
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
            function=name,
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

    def _unknown(self, tensor: Tensor) -> _Value:  # noqa: ARG002
        return _NOTHING


def _passed(values: list[_Value]) -> _Value:
    """Return the first computed operand, or else a constant with the weights of all."""
    if not values:
        return _NOTHING
    first = next((value for value in values if not value.constant), values[0])
    if not first.constant:
        return first
    return replace(first, weights=frozenset().union(*(value.weights for value in values)))
