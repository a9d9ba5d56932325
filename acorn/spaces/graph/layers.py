"""Computes the layer graph of a declared graph: shapes, parameters and FLOPs by arithmetic."""

import math
from dataclasses import dataclass, field, replace

from acorn.errors import InvalidArchitectureError
from acorn.graph import Kind, Layer, LayerGraph
from acorn.spaces.graph.node_operations import CLASSES, OPERATIONS
from acorn.spaces.graph.node_options import OptionError, Options
from acorn.spaces.graph.spec import INPUT, GraphSpec, Node
from acorn.spaces.graph.tensor_layers import Shape, in_words
from acorn.spaces.limits import NetworkLimits


@dataclass(frozen=True, slots=True)
class Declared:
    """What a declared graph is for images of one size.

    Attributes
    ----------
    graph : LayerGraph
        The layers, as tracing the built network would find them.
    shapes : dict of str to tuple
        Output shape of each node, and of the images, by name.
    """

    graph: LayerGraph
    shapes: dict[str, Shape]


def lay_out(
    spec: GraphSpec, input_shape: Shape, num_classes: int, limits: NetworkLimits
) -> Declared:
    """Compute every shape and cost.

    Parameters
    ----------
    spec : GraphSpec
        The graph.
    input_shape : tuple of int
        (channels, height, width) of an image.
    num_classes : int
        Replaces ``"classes"``.
    limits : NetworkLimits
        Bounds on parameters, FLOPs and activations of the whole.

    Returns
    -------
    Declared
        The layer graph and all shapes.

    Raises
    ------
    InvalidArchitectureError
        In one line that names the node, if shapes do not fit or the network becomes too large.
    """
    layers = [Layer(Kind.INPUT, shape=input_shape)]
    if spec.resolution is not None and spec.resolution != input_shape[1:]:
        resized = (input_shape[0], *spec.resolution)
        layers.append(Layer(Kind.RESHAPE, inputs=(0,), shape=resized))
    laid = _Laid(layers, {INPUT: len(layers) - 1}, {INPUT: layers[-1].shape})
    params = flops = activations = 0
    for node in spec.nodes:
        before = len(layers)
        try:
            laid.append(node, num_classes)
        except OptionError as error:
            raise InvalidArchitectureError(f"node {node.name!r}: {error}") from None
        if len(layers) == before:  # a repetition, or a parameter
            sources = [math.prod(laid.shapes[name]) for name in node.inputs]
            activations += max(0, math.prod(laid.shapes[node.name]) - sum(sources))
        for layer in layers[before:]:
            params += layer.params
            flops += layer.flops
            activations += layer.elements
        if excess := limits.excess(params=params, flops=flops, activations=activations):
            raise InvalidArchitectureError(
                f"node {node.name!r}: got {excess} up to here; expected fewer"
            )
    place, shape = laid.places[spec.output], laid.shapes[spec.output]
    if len(shape) != 1 or place is None:
        raise InvalidArchitectureError(
            f"node {spec.output!r}: got a map of {in_words(shape)} as output; "
            "expected a vector of one logit for each class"
        )
    return Declared(LayerGraph(tuple(layers), (place,)), laid.shapes)


def resolve_classes(options: Options, num_classes: int) -> Options:
    """Replace ``"classes"`` by the number of classes.

    Parameters
    ----------
    options : mapping
        Options of a node.
    num_classes : int
        Number of classes of the dataset.

    Returns
    -------
    mapping
        Options with an integer as ``out_features``.
    """
    if options.get("out_features") != CLASSES:
        return options
    return {**options, "out_features": num_classes}


@dataclass(slots=True)
class _Laid:
    """The layers so far, and where each node is among them.

    Attributes
    ----------
    layers : list of Layer
    places : dict of str to (int or None)
        Index of the layer of each node; None for parameters.
    shapes : dict of str to tuple
    unowned : dict of str to int
        Learned numbers of the parameters that no layer has read yet.
    """

    layers: list[Layer]
    places: dict[str, int | None]
    shapes: dict[str, Shape]
    unowned: dict[str, int] = field(default_factory=dict)

    def append(self, node: Node, num_classes: int) -> None:
        """Add the layers of one node, note the place of the last, and its shape."""
        operation = OPERATIONS[node.op]
        options = resolve_classes(node.options, num_classes)
        if not node.inputs:
            layer = operation.apply(options, [])
            self.places[node.name], self.shapes[node.name] = None, layer.shape
            self.unowned[node.name] = layer.params
            return
        sources = [(self.places[name], self.shapes[name]) for name in node.inputs]
        computed = sum(place is not None for place, _ in sources)
        if not computed or (computed < len(sources) and not operation.takes_parameters):
            raise OptionError("got parameters alone; expected inputs that depend on the images")
        if operation.moves:
            ((place, source),) = sources
            self.places[node.name] = place
            self.shapes[node.name] = operation.apply(options, [source]).shape
            return
        groups = [sources]
        if operation.pairwise:
            groups = [sources[:2], *([source] for source in sources[2:])]
        learned = sum(self.unowned.pop(name, 0) for name in node.inputs)
        shape: Shape = ()
        for index, group in enumerate(groups):
            if index:  # the result so far is the first of the two
                group = [(len(self.layers) - 1, shape), *group]
            layer = operation.apply(options, [source_shape for _, source_shape in group])
            inputs = tuple(place for place, _ in group if place is not None)
            if len(inputs) < len(group) and layer.kind in (Kind.ADD, Kind.MUL):
                layer = replace(layer, kind=Kind.OTHER)  # a shift or scale joins no two branches
            self.layers.append(replace(layer, inputs=inputs, params=layer.params + learned))
            shape, learned = layer.shape, 0
        self.places[node.name] = len(self.layers) - 1
        self.shapes[node.name] = shape
