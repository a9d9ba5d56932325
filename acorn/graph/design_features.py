"""Design features: columns that tell the building blocks of a network for real images apart.

Cells of a search space share their blocks. Networks that people deploy differ in attention, gates,
normalisation, activations, stems and expansion ratios, which decide how well they are trained and
how fast devices process them.
"""

import math
from collections.abc import Callable, Iterable

from acorn.graph.layer_graph import CONVOLUTIONS, WEIGHTED, Kind, Layer, LayerGraph

NORMS = {
    "batch": ("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"),
    "layer": ("native_layer_norm", "_fused_rms_norm"),
    "group": ("native_group_norm",),
}
"""Torch's functions of each kind of normalisation."""

ACTIVATIONS = {
    "relu": ("relu", "relu6", "clamp_min", "hardtanh", "leaky_relu", "_prelu_kernel"),
    "gelu": ("gelu",),
    "silu": ("silu", "mish", "elu"),
    "hard": ("hardswish",),
}
"""Torch's functions of each kind of activation between layers."""

SIGMOIDS = ("sigmoid", "hardsigmoid", "tanh")
SOFTMAX = ("_softmax", "_safe_softmax")
UNFOLDINGS = ("im2col", "col2im", "unfold")

GATE = 4
"""A product whose one factor has at least so many times the elements of the other is a gate."""


def design_features(graph: LayerGraph) -> dict[str, float]:
    """Compute the design features of a network.

    Parameters
    ----------
    graph : LayerGraph
        As :func:`acorn.graph.trace` makes it: the kinds of normalisation, activation and attention
        are read from :attr:`~acorn.graph.Layer.function`.

    Returns
    -------
    dict of str to float
        Finite values of all columns, under ``graph.design_<column>``.

    Notes
    -----
    The *body* are the weighted layers at more than one position. The columns are:

        - ``attentions``: softmax activations over computed products
        - ``attention_tokens_max``: largest number of tokens that attention weighs
        - ``attention_tokens_mean``: mean number of tokens that attention weighs
        - ``attention_queries_mean``: mean number of queries of an attention
        - ``attention_groups_mean``: mean number of heads times windows of an attention
        - ``gates``: products with a factor of at most a quarter of the elements of the other
        - ``gates_per_layer``: gates / weighted layers
        - ``squeezed_layers``: weighted layers at a single position
        - ``share_norm_<kind>``: share of the normalisations of kind ``batch``, ``layer`` and
      ``group``
        - ``share_activation_<kind>``: share of the activations between layers of kind ``relu``,
      ``gelu``, ``silu`` and ``hard``
        - ``activations_per_layer``: activations between layers / weighted layers
        - ``sigmoids``: sigmoids and similar functions, which bound their outputs
        - ``stem_kernel``: height of the kernel of the first convolution
        - ``stem_stride``: stride of the first convolution
        - ``stem_width``: output channels of the first convolution
        - ``last_side``: square root of the positions of the last layer of the body
        - ``last_width``: output channels of the last layer of the body
        - ``head_inputs``: input channels of the last weighted layer
        - ``depthwise_kernel_mean``: mean height of the kernels of depthwise convolutions
        - ``depthwise_kernel_max``: largest height of the kernels of depthwise convolutions
        - ``depthwise_params_share``: share of the parameters in depthwise convolutions
        - ``expansion_mean``: mean ratio of output to input channels of widening pointwise layers
        - ``expansion_max``: largest ratio of output to input channels of widening pointwise layers
        - ``group_width_mean``: mean number of output channels of a group of grouped convolutions
        - ``side_by_macs``: mean square root of positions, weighted by multiply-accumulates
        - ``side_by_params``: mean square root of positions, weighted by parameters
        - ``log_width_by_macs``: log(1 + mean output channels, weighted by multiply-accumulates)
        - ``log_width_by_params``: log(1 + mean output channels, weighted by parameters)
        - ``others``: operations of kind ``other``
        - ``share_others``: share of the nodes of kind ``other``
        - ``layer_scales``: learned factors of single channels outside normalisations
        - ``upsamplings``: layers that interpolate
        - ``unfoldings``: layers that copy windows into columns or back
        - ``parallel_convs``: sums of a convolution and another branch of the same source
    """
    weighted = [layer for layer in graph.layers if layer.kind in WEIGHTED]
    body = [layer for layer in weighted if layer.positions > 1]
    values: dict[str, float] = {
        **_attention(graph),
        **_gates(graph, weighted),
        **_functions(graph, weighted),
        **_ends(weighted, body),
        **_blocks(graph, body),
        **_others(graph),
    }
    return {f"graph.design_{name}": float(value) for name, value in values.items()}


def _attention(graph: LayerGraph) -> dict[str, float]:
    scored = (Kind.MATMUL, Kind.ADD, Kind.OTHER, Kind.MUL)
    attentions = [
        layer
        for layer in graph.layers
        if layer.function in SOFTMAX
        and len(layer.shape) >= 2
        and layer.elements > 1
        and any(graph.layers[source].kind in scored for source in layer.inputs)
    ]
    tokens = [layer.shape[-1] for layer in attentions]
    return {
        "attentions": len(attentions),
        "attention_tokens_max": max(tokens, default=0),
        "attention_tokens_mean": _mean(tokens),
        "attention_queries_mean": _mean(layer.shape[-2] for layer in attentions),
        "attention_groups_mean": _mean(math.prod(layer.shape[:-2]) for layer in attentions),
    }


def _gates(graph: LayerGraph, weighted: list[Layer]) -> dict[str, float]:
    gates = 0
    for layer in graph.layers:
        if layer.kind is Kind.MUL and len(layer.inputs) == 2:
            small, large = sorted(graph.layers[source].elements for source in layer.inputs)
            gates += small * GATE <= large
    return {
        "gates": gates,
        "gates_per_layer": _ratio(gates, len(weighted)),
        "squeezed_layers": sum(layer.positions == 1 for layer in weighted),
    }


def _functions(graph: LayerGraph, weighted: list[Layer]) -> dict[str, float]:
    norms = [layer.function for layer in graph.layers if layer.kind is Kind.NORM]
    activations = [layer.function for layer in graph.layers if layer.kind is Kind.ACTIVATION]
    counts = {
        kind: sum(map(activations.count, functions)) for kind, functions in ACTIVATIONS.items()
    }
    between = sum(counts.values())
    return {
        **{
            f"share_norm_{kind}": _ratio(sum(map(norms.count, functions)), len(norms))
            for kind, functions in NORMS.items()
        },
        **{f"share_activation_{kind}": _ratio(count, between) for kind, count in counts.items()},
        "activations_per_layer": _ratio(between, len(weighted)),
        "sigmoids": sum(map(activations.count, SIGMOIDS)),
    }


def _ends(weighted: list[Layer], body: list[Layer]) -> dict[str, float]:
    """Describe the first convolution and the last layers."""
    stem = next((layer for layer in weighted if layer.kind in CONVOLUTIONS), None)
    return {
        "stem_kernel": stem.kernel[0] if stem else 0,
        "stem_stride": stem.stride[0] if stem else 0,
        "stem_width": stem.out_channels if stem else 0,
        "last_side": math.sqrt(body[-1].positions) if body else 0,
        "last_width": body[-1].out_channels if body else 0,
        "head_inputs": weighted[-1].in_channels if weighted else 0,
    }


def _blocks(graph: LayerGraph, body: list[Layer]) -> dict[str, float]:
    """Describe kernels, widths and resolutions."""
    depthwise = [layer for layer in graph.layers if layer.kind is Kind.DEPTHWISE_CONV]
    kernels = [layer.kernel[0] for layer in depthwise]
    expansions = [
        layer.out_channels / layer.in_channels
        for layer in body
        if layer.area == 1 and not layer.grouped and layer.out_channels > layer.in_channels
    ]
    grouped = [layer for layer in graph.layers if layer.kind is Kind.CONV and layer.grouped]

    def weighted_mean(value: Callable[[Layer], float], weight: Callable[[Layer], int]) -> float:
        total = sum(value(layer) * weight(layer) for layer in body)
        return _ratio(total, sum(weight(layer) for layer in body))

    return {
        "depthwise_kernel_mean": _mean(kernels),
        "depthwise_kernel_max": max(kernels, default=0),
        "depthwise_params_share": _ratio(sum(layer.params for layer in depthwise), graph.params),
        "expansion_mean": _mean(expansions),
        "expansion_max": max(expansions, default=0),
        "group_width_mean": _mean(layer.out_channels / layer.groups for layer in grouped),
        "side_by_macs": weighted_mean(_side, _macs),
        "side_by_params": weighted_mean(_side, _params),
        "log_width_by_macs": math.log1p(weighted_mean(_width, _macs)),
        "log_width_by_params": math.log1p(weighted_mean(_width, _params)),
    }


def _others(graph: LayerGraph) -> dict[str, float]:
    others = [layer for layer in graph.layers if layer.kind is Kind.OTHER]
    functions = [layer.function for layer in graph.layers]
    return {
        "others": len(others),
        "share_others": len(others) / len(graph.layers),
        "layer_scales": sum(layer.function == "mul" and layer.params > 0 for layer in others),
        "upsamplings": sum(function.startswith("upsample") for function in functions),
        "unfoldings": sum(map(functions.count, UNFOLDINGS)),
        "parallel_convs": sum(_is_parallel(graph, layer) for layer in graph.layers),
    }


def _is_parallel(graph: LayerGraph, join: Layer) -> bool:
    """Whether a layer adds a convolution to another branch of the same source."""
    if join.kind is not Kind.ADD or len(join.inputs) != 2:
        return False
    branches = [_before_norms(graph, source) for source in join.inputs]
    layers = [graph.layers[branch] for branch in branches]
    are_convs = [layer.kind in CONVOLUTIONS for layer in layers]
    sources = [
        layer.inputs[0] if is_conv else branch
        for branch, layer, is_conv in zip(branches, layers, are_convs, strict=True)
    ]
    has_norm = list(join.inputs) != branches
    of_one_kind = layers[0].kind is layers[1].kind
    return sources[0] == sources[1] and any(are_convs) and (has_norm or of_one_kind)


def _before_norms(graph: LayerGraph, index: int) -> int:
    """Index of the layer whose output is normalised."""
    while graph.layers[index].kind is Kind.NORM and graph.layers[index].inputs:
        index = graph.layers[index].inputs[0]
    return index


def _side(layer: Layer) -> float:
    return math.sqrt(layer.positions)


def _width(layer: Layer) -> float:
    return layer.out_channels


def _macs(layer: Layer) -> int:
    return layer.macs


def _params(layer: Layer) -> int:
    return layer.params


def _mean(values: Iterable[float]) -> float:
    """Mean; 0 of no values."""
    values = list(values)
    return _ratio(sum(values), len(values))


def _ratio(part: float, whole: float) -> float:
    """Divide; 0 by 0 is 0."""
    return part / whole if whole else 0.0
