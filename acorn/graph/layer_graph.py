"""Layer graphs: the operations of a network as nodes and edges, without weights or torch.

A graph is either traced from a module (:func:`acorn.graph.trace`) or declared; everything
that reads structure (:func:`acorn.graph.structure_features`) reads it from here.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from acorn.errors import InvalidArchitectureError, abbreviate


class Kind(StrEnum):
    """What a node does."""

    INPUT = "input"
    CONV = "conv"  # dense, grouped (groups > 1) or transposed
    DEPTHWISE_CONV = "depthwise_conv"  # groups == in_channels > 1
    LINEAR = "linear"
    NORM = "norm"
    ACTIVATION = "activation"
    MAX_POOL = "max_pool"
    AVG_POOL = "avg_pool"
    GLOBAL_POOL = "global_pool"
    ADD = "add"
    CONCAT = "concat"
    MUL = "mul"
    MATMUL = "matmul"  # of two computed operands: attention
    RESHAPE = "reshape"  # moves or picks elements, computes nothing
    OTHER = "other"


CONVOLUTIONS = frozenset({Kind.CONV, Kind.DEPTHWISE_CONV})
WEIGHTED = frozenset({*CONVOLUTIONS, Kind.LINEAR})
POOLS = frozenset({Kind.MAX_POOL, Kind.AVG_POOL})


@dataclass(frozen=True, slots=True)
class Layer:
    """One node of a layer graph.

    Attributes
    ----------
    kind : Kind
        What it does.
    inputs : tuple of int
        Indices of the nodes that it reads, all smaller than its own.
    shape : tuple of int
        Output shape without the batch: (channels, height, width) for feature maps. If a network
        folds other axes into the batch, they come first.
    kernel, stride, dilation : tuple of int
        Of convolutions and poolings, one number an axis; empty for the other kinds.
    groups, in_channels, out_channels : int
        Of convolutions and linear layers; 1, 0 and 0 for the other kinds.
    params : int
        Number of parameters that it owns (a shared parameter belongs to its first reader).
    macs : int
        Multiply-accumulates of convolutions, linear layers and matrix products; otherwise 0.
    flops : int
        Operations in the convention of :mod:`acorn.graph`.
    function : str, default=""
        Name of torch's function if the layer was traced, such as ``gelu``.
    """

    kind: Kind
    inputs: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    in_channels: int = 0
    out_channels: int = 0
    params: int = 0
    macs: int = 0
    flops: int = 0
    function: str = ""

    @property
    def elements(self) -> int:
        """Number of output elements of one image."""
        return math.prod(self.shape)

    @property
    def positions(self) -> int:
        """Number of pixels or tokens at which a weighted layer is applied."""
        return self.elements // self.out_channels if self.out_channels else 0

    @property
    def area(self) -> int:
        """Area of the kernel; 1 if there is none."""
        return math.prod(self.kernel)

    @property
    def grouped(self) -> bool:
        """Whether it is a convolution in groups, depthwise included."""
        return self.groups > 1


@dataclass(frozen=True)
class LayerGraph:
    """Layers in topological order; the first is the input.

    Attributes
    ----------
    layers : tuple of Layer
        The nodes. Exactly the first has kind ``input``.
    outputs : tuple of int
        Indices of the nodes that the network returns.

    Raises
    ------
    InvalidArchitectureError
        On construction, in one line that names the node, if the graph is inconsistent.
    """

    layers: tuple[Layer, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.layers or self.layers[0].kind is not Kind.INPUT:
            raise InvalidArchitectureError(
                f"got a graph of {len(self.layers)} layers; expected an input as the first"
            )
        for index, layer in enumerate(self.layers):
            _check_layer(index, layer)
        for output in self.outputs:
            if not 0 <= output < len(self.layers):
                raise InvalidArchitectureError(
                    f"got output {output}; expected an index below {len(self.layers)}"
                )
        if not self.outputs:
            raise InvalidArchitectureError("got no outputs; expected at least one")

    @cached_property
    def consumers(self) -> tuple[tuple[int, ...], ...]:
        """For each node, the nodes that read it (once for each time that they do)."""
        readers: list[list[int]] = [[] for _ in self.layers]
        for index, layer in enumerate(self.layers):
            for source in layer.inputs:
                readers[source].append(index)
        return tuple(map(tuple, readers))

    @property
    def params(self) -> int:
        """Parameters of all layers in the graph."""
        return sum(layer.params for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers in the graph."""
        return sum(layer.macs for layer in self.layers)

    @property
    def flops(self) -> int:
        """Operations of all layers in the graph."""
        return sum(layer.flops for layer in self.layers)

    def live(self) -> "LayerGraph":
        """Drop the nodes that reach no output; the input always stays.

        Returns
        -------
        LayerGraph
            The remaining nodes, numbered anew in their order.
        """
        needed = {0, *self.outputs}
        for index in range(len(self.layers) - 1, 0, -1):
            if index in needed:
                needed.update(self.layers[index].inputs)
        number_of = {old: new for new, old in enumerate(sorted(needed))}
        layers = [
            replace(self.layers[old], inputs=tuple(number_of[i] for i in self.layers[old].inputs))
            for old in number_of
        ]
        return LayerGraph(tuple(layers), tuple(number_of[output] for output in self.outputs))


def _check_layer(index: int, layer: Layer) -> None:
    """Raise if a layer is inconsistent, or at a wrong place."""
    if (layer.kind is Kind.INPUT) != (index == 0):
        raise _invalid(index, layer, "the input first and nowhere else")
    if index == 0 and layer.inputs:
        raise _invalid(index, layer, "an input without inputs")
    if any(not 0 <= source < index for source in layer.inputs):
        raise _invalid(index, layer, f"inputs in 0..{index - 1}, earlier in the order")
    if any(size < 0 for size in layer.shape):
        raise _invalid(index, layer, "a shape of sizes that are not negative")
    geometry = (*layer.kernel, *layer.stride, *layer.dilation, layer.groups)
    if any(size < 1 for size in geometry):
        raise _invalid(index, layer, "kernel, stride, dilation and groups of at least 1")
    if min(layer.params, layer.macs, layer.flops, layer.in_channels, layer.out_channels) < 0:
        raise _invalid(index, layer, "counts that are not negative")
    if layer.kind in WEIGHTED and (layer.in_channels < 1 or layer.out_channels < 1):
        raise _invalid(index, layer, "in_channels and out_channels of at least 1")
    if not len(layer.kernel) == len(layer.stride) == len(layer.dilation):
        raise _invalid(index, layer, "kernel, stride and dilation for the same axes")
    if layer.kind in CONVOLUTIONS | POOLS and not 0 < len(layer.kernel) < len(layer.shape):
        raise _invalid(index, layer, "a kernel, and a shape of channels and the kernel's axes")
    if layer.kind in CONVOLUTIONS:
        if layer.in_channels % layer.groups or layer.out_channels % layer.groups:
            raise _invalid(index, layer, "groups that divide in_channels and out_channels")
        if (layer.kind is Kind.DEPTHWISE_CONV) != (layer.groups == layer.in_channels > 1):
            raise _invalid(
                index, layer, "depthwise_conv where groups == in_channels > 1, else conv"
            )


def _invalid(index: int, layer: Layer, expected: str) -> InvalidArchitectureError:
    return InvalidArchitectureError(
        f"layer {index}: got {abbreviate(layer, 200)}; expected {expected}"
    )
