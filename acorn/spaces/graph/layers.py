"""Computes the layer graph of a declared graph: shapes, parameters and FLOPs by arithmetic."""

from dataclasses import dataclass, replace

from acorn.errors import InvalidArchitectureError
from acorn.graph import Kind, Layer, LayerGraph
from acorn.spaces.graph.node_operations import CLASSES, OPERATIONS, Shape
from acorn.spaces.graph.node_options import OptionError, Options
from acorn.spaces.graph.spec import INPUT, GraphSpec, Node
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
    places = {INPUT: len(layers) - 1}
    shapes = {INPUT: layers[-1].shape}
    params = flops = activations = 0
    for node in spec.nodes:
        before = len(layers)
        try:
            shapes[node.name] = _append(layers, node, places, shapes, num_classes)
        except OptionError as error:
            raise InvalidArchitectureError(f"node {node.name!r}: {error}") from None
        params += sum(layer.params for layer in layers[before:])
        flops += sum(layer.flops for layer in layers[before:])
        activations += sum(layer.elements for layer in layers[before:])
        for total, most, word in (
            (params, limits.params, "parameters"),
            (flops, limits.flops, "FLOPs"),
            (activations, limits.activations, "output elements"),
        ):
            if total > most:
                raise InvalidArchitectureError(
                    f"node {node.name!r}: got more than {most} {word} up to here; expected fewer"
                )
    if len(shapes[spec.output]) != 1:
        raise InvalidArchitectureError(
            f"node {spec.output!r}: got a map of {' x '.join(map(str, shapes[spec.output]))} as "
            "output; expected a vector of one logit a class"
        )
    return Declared(LayerGraph(tuple(layers), (places[spec.output],)), shapes)


def resolve_classes(options: Options, num_classes: int) -> Options:
    """Put the number of classes where ``"classes"`` stands."""
    if options.get("out_features") != CLASSES:
        return options
    return {**options, "out_features": num_classes}


def _append(
    layers: list[Layer],
    node: Node,
    places: dict[str, int],
    shapes: dict[str, Shape],
    num_classes: int,
) -> Shape:
    """Add the layers of one node, note the place of the last, and return its shape."""
    operation = OPERATIONS[node.op]
    options = resolve_classes(node.options, num_classes)
    sources = [(places[name], shapes[name]) for name in node.inputs]
    if operation.moves:
        ((place, shape),) = sources
        places[node.name] = place
        return operation.apply(options, [shape]).shape
    groups = [sources]
    if operation.pairwise:
        groups = [sources[:2], *([source] for source in sources[2:])]
    shape = ()
    for index, group in enumerate(groups):
        if index:  # the result so far is the first of the two
            group = [(len(layers) - 1, shape), *group]
        layer = operation.apply(options, [each for _, each in group])
        layers.append(replace(layer, inputs=tuple(place for place, _ in group)))
        shape = layer.shape
    places[node.name] = len(layers) - 1
    return shape
