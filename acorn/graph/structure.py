"""Structure features: columns that describe a network without its weights.

The same columns for every network, computed from its layer graph alone. They follow GRAF
(Kadlecova et al., ICML 2024), which counts operations and measures paths under subsets of
operations in cells; here they are of whole networks, so that spaces can be compared.

Paths run from the input to the outputs and are measured by dynamic programming; a path that uses
the output of a node twice (x + x) counts as two. A network whose output does not depend on its
input has no paths: their lengths are 0.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from acorn.graph.cost_features import cost_features
from acorn.graph.design_features import design_features
from acorn.graph.layer_graph import CONVOLUTIONS, POOLS, WEIGHTED, Kind, Layer, LayerGraph

STAGES = 5


def structure_features(graph: LayerGraph, *, design: bool = False) -> dict[str, float]:
    """Compute the structure features of a network.

    Parameters
    ----------
    graph : LayerGraph
        As :func:`acorn.graph.trace` makes it, or as declared; dead nodes count like others.
    design : bool, default=False
        Add the columns of :func:`design_features`, for networks of different building blocks.

    Returns
    -------
    dict of str to float
        Finite values of all columns, under ``graph.<column>``.

    Notes
    -----
    A *weighted layer* is a convolution or a linear layer. A *stage* is all weighted layers that are
    applied at the same number of positions, more than one; the head is those at a single position.
    Stages beyond the fifth count as part of it. The columns are:

        - ``log_params``: log(1 + parameters)
        - ``log_macs``: log(1 + multiply-accumulates of convolutions, linear layers, products)
        - ``log_flops``: log(1 + operations), in the convention of :mod:`acorn.graph`
        - ``log_macs_per_param``: log_macs - log_params
        - ``log_activations``: log(1 + output elements of all weighted layers)
        - ``log_largest_activation``: log(1 + output elements of the largest weighted layer)
        - ``head_params_share``: share of the parameters in linear layers at a single position
        - ``width_min``: fewest output channels of a weighted layer before the head
        - ``width_max``: most output channels of a weighted layer before the head
        - ``width_growth``: log of last over first width before the head
        - ``downsampling``: input side over the side of the coarsest stage
        - ``nodes``: number of nodes
        - ``count_conv``: convolutions
        - ``count_spatial``: convolutions with a kernel larger than one
        - ``count_pointwise``: convolutions with a kernel of one
        - ``count_depthwise``: depthwise convolutions
        - ``count_linear``: linear layers
        - ``count_norm``: normalisations
        - ``count_activation``: activations
        - ``count_max_pool``: maximum poolings, global ones not counted
        - ``count_avg_pool``: average poolings, global ones not counted
        - ``count_global_pool``: poolings over the whole map
        - ``count_add``: sums of computed tensors (of two operands each)
        - ``count_concat``: concatenations
        - ``count_mul``: products of two computed tensors, element by element
        - ``count_matmul``: matrix products of two computed tensors
        - ``count_strided``: convolutions and poolings with a stride
        - ``share_pool``: poolings among poolings and weighted layers, global ones not counted
        - ``share_pointwise``: pointwise among convolutions
        - ``share_grouped``: grouped (also depthwise) among convolutions
        - ``norms_per_layer``: normalisations over weighted layers
        - ``activations_per_layer``: activations over weighted layers
        - ``kernel_area_sum``: sum of kernel areas of convolutions
        - ``kernel_area_mean``: mean kernel area of convolutions
        - ``kernel_area_max``: largest kernel area of convolutions
        - ``kernel_area_by_params``: mean kernel area of convolutions, weighted by parameters
        - ``kernel_area_by_macs``: mean kernel area of convolutions, weighted by MACs
        - ``path_log_count``: log(1 + number of paths)
        - ``path_shortest``: weighted layers on the shortest path
        - ``path_longest``: weighted layers on the longest path (depth)
        - ``path_mean``: weighted layers on a path, mean over all paths
        - ``path_std``: weighted layers on a path, standard deviation over all paths
        - ``path_shortest_spatial``: fewest convolutions with a kernel larger than one on a path
        - ``path_longest_spatial``: most convolutions with a kernel larger than one on a path
        - ``path_shortest_pointwise``: fewest pointwise convolutions on a path
        - ``path_longest_pointwise``: most pointwise convolutions on a path
        - ``path_shortest_pool``: fewest poolings on a path, global ones not counted
        - ``path_longest_pool``: most poolings on a path, global ones not counted
        - ``path_shortest_activation``: fewest activations on a path
        - ``path_longest_activation``: most activations on a path
        - ``path_log_count_without_pool``: log(1 + paths without pooling, global ones not counted)
        - ``path_share_without_pool``: share of the paths without pooling
        - ``field_shortest``: receptive field in pixels on the path where it is smallest
        - ``field_longest``: receptive field in pixels on the path where it is largest
        - ``field_mean``: receptive field in pixels, mean over all paths
        - ``field_std``: receptive field in pixels, standard deviation over all paths
        - ``field_ratio``: largest receptive field over the input's side
        - ``joins``: sums and concatenations, nested ones as one
        - ``join_fan_in_mean``: mean number of operands of a join
        - ``join_fan_in_max``: largest number of operands of a join
        - ``skip_edges``: operands of joins that another operand of the join is computed from
        - ``skip_share``: skip edges among the operands of joins
        - ``skip_length_mean``: weighted layers that a skip edge passes by, mean
        - ``skip_length_max``: weighted layers that a skip edge passes by, largest
        - ``out_degree_mean``: mean number of readers of a node
        - ``out_degree_max``: largest number of readers of a node
        - ``stage_<i>_side``: square root of the number of positions (pixels, tokens), at the i-th
      finest resolution from 0 (0 if there is none)
        - ``stage_<i>_layers``: number of weighted layers, at the i-th finest resolution from 0 (0
      if there is none)
        - ``stage_<i>_width``: mean number of output channels of the weighted layers, at the i-th
      finest resolution from 0 (0 if there is none)
        - ``stage_<i>_macs_share``: share of the network's multiply-accumulates, at the i-th finest
      resolution from 0 (0 if there is none)
    """
    values: dict[str, float] = {
        **_sizes(graph),
        **_counts(graph),
        **_kernels(graph),
        **_paths(graph),
        **_joins(graph),
        **_stages(graph),
    }
    columns = {f"graph.{name}": float(value) for name, value in values.items()}
    return columns | cost_features(graph) | (design_features(graph) if design else {})


@dataclass(frozen=True, slots=True)
class _Lengths:
    """Number of paths, and statistics of their lengths."""

    count: int
    shortest: float = 0.0
    longest: float = 0.0
    mean: float = 0.0
    variance: float = 0.0


def _measure(graph: LayerGraph, length: Callable[[Layer], float]) -> _Lengths:
    """Measure all paths from the input to the outputs, where each layer after it adds a length.

    Counts are exact integers: they outgrow floats in deep networks, their ratios do not.
    """
    at = [_Lengths(1)]
    for layer in graph.layers[1:]:
        before, added = _merge([at[source] for source in layer.inputs]), length(layer)
        at.append(
            replace(
                before,
                shortest=before.shortest + added,
                longest=before.longest + added,
                mean=before.mean + added,
            )
        )
    return _merge([at[output] for output in graph.outputs])


def _merge(parts: Sequence[_Lengths]) -> _Lengths:
    """Pool the paths of several nodes."""
    parts = [part for part in parts if part.count]
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return _Lengths(0)
    count = sum(part.count for part in parts)
    weights = [part.count / count for part in parts]
    mean = sum(weight * part.mean for weight, part in zip(weights, parts, strict=True))
    return _Lengths(
        count,
        min(part.shortest for part in parts),
        max(part.longest for part in parts),
        mean,
        sum(
            weight * (part.variance + (part.mean - mean) ** 2)
            for weight, part in zip(weights, parts, strict=True)
        ),
    )


def _count_without(graph: LayerGraph, avoided: Callable[[Layer], bool]) -> int:
    """Count the paths through none of the nodes that ``avoided`` marks."""
    counts = [1]
    for layer in graph.layers[1:]:
        counts.append(0 if avoided(layer) else sum(counts[source] for source in layer.inputs))
    return sum(counts[output] for output in graph.outputs)


def _paths(graph: LayerGraph) -> dict[str, float]:
    all_paths = _measure(graph, _is_weighted)
    values = {
        "path_log_count": math.log(all_paths.count + 1),
        "path_shortest": all_paths.shortest,
        "path_longest": all_paths.longest,
        "path_mean": all_paths.mean,
        "path_std": math.sqrt(all_paths.variance),
    }
    for name, belongs in _SUBSETS.items():
        lengths = _measure(graph, belongs)
        values[f"path_shortest_{name}"] = lengths.shortest
        values[f"path_longest_{name}"] = lengths.longest
    without_pool = _count_without(graph, _is_pool)
    values["path_log_count_without_pool"] = math.log(without_pool + 1)
    values["path_share_without_pool"] = _ratio(without_pool, all_paths.count)
    field = _measure(graph, _field_growth(graph))
    # The input itself is one pixel; without a path nothing of it is seen.
    pixel = float(field.count > 0)
    return values | {
        "field_shortest": field.shortest + pixel,
        "field_longest": field.longest + pixel,
        "field_mean": field.mean + pixel,
        "field_std": math.sqrt(field.variance),
        "field_ratio": _ratio(field.longest + pixel, _side(graph.layers[0])),
    }


def _field_growth(graph: LayerGraph) -> Callable[[Layer], float]:
    """Make a function of the input pixels that a layer adds to the receptive field, by its height.

    The distance of neighbouring elements of a layer's operand, in input pixels, follows from the
    shapes, so that upsampling and declared graphs need no rule of their own.
    """
    side = graph.layers[0].shape[1] if len(graph.layers[0].shape) > 1 else 1

    def growth(layer: Layer) -> float:
        if not _is_windowed(layer) or not (height := layer.shape[-len(layer.kernel)]):
            return 0.0
        return (layer.kernel[0] - 1) * layer.dilation[0] * side / (height * layer.stride[0])

    return growth


def _sizes(graph: LayerGraph) -> dict[str, float]:
    weighted = [layer for layer in graph.layers if _is_weighted(layer)]
    body = [layer for layer in weighted if layer.positions > 1]
    head = sum(layer.params for layer in weighted if layer.positions == 1)
    widths = [layer.out_channels for layer in body]
    coarsest = math.sqrt(min((layer.positions for layer in body), default=0))
    return {
        "log_params": math.log1p(graph.params),
        "log_macs": math.log1p(graph.macs),
        "log_flops": math.log1p(graph.flops),
        "log_macs_per_param": math.log1p(graph.macs) - math.log1p(graph.params),
        "log_activations": math.log1p(sum(layer.elements for layer in weighted)),
        "log_largest_activation": math.log1p(max((la.elements for la in weighted), default=0)),
        "head_params_share": _ratio(head, graph.params),
        "width_min": min(widths, default=0),
        "width_max": max(widths, default=0),
        "width_growth": math.log(widths[-1] / widths[0]) if widths else 0.0,
        "downsampling": _ratio(_side(graph.layers[0]), coarsest),
    }


def _counts(graph: LayerGraph) -> dict[str, float]:
    layers = graph.layers
    kinds = Counter(layer.kind for layer in layers)
    convolutions = [layer for layer in layers if layer.kind in CONVOLUTIONS]
    pools = kinds[Kind.MAX_POOL] + kinds[Kind.AVG_POOL]
    weighted = len(convolutions) + kinds[Kind.LINEAR]
    pointwise = sum(layer.area == 1 for layer in convolutions)
    others = (Kind.INPUT, *CONVOLUTIONS, Kind.RESHAPE, Kind.OTHER)
    return {
        "nodes": len(layers),
        "count_conv": len(convolutions),
        "count_spatial": len(convolutions) - pointwise,
        "count_pointwise": pointwise,
        "count_depthwise": kinds[Kind.DEPTHWISE_CONV],
        **{f"count_{kind}": kinds[kind] for kind in Kind if kind not in others},
        "count_strided": sum(_is_windowed(la) and max(la.stride) > 1 for la in layers),
        "share_pool": _ratio(pools, pools + weighted),
        "share_pointwise": _ratio(pointwise, len(convolutions)),
        "share_grouped": _ratio(sum(layer.grouped for layer in convolutions), len(convolutions)),
        "norms_per_layer": _ratio(kinds[Kind.NORM], weighted),
        "activations_per_layer": _ratio(kinds[Kind.ACTIVATION], weighted),
    }


def _kernels(graph: LayerGraph) -> dict[str, float]:
    convolutions = [layer for layer in graph.layers if layer.kind in CONVOLUTIONS]
    areas = [layer.area for layer in convolutions]
    params = sum(layer.params for layer in convolutions)
    macs = sum(layer.macs for layer in convolutions)
    return {
        "kernel_area_sum": sum(areas),
        "kernel_area_mean": _ratio(sum(areas), len(areas)),
        "kernel_area_max": max(areas, default=0),
        "kernel_area_by_params": _ratio(sum(la.area * la.params for la in convolutions), params),
        "kernel_area_by_macs": _ratio(sum(la.area * la.macs for la in convolutions), macs),
    }


def _joins(graph: LayerGraph) -> dict[str, float]:
    """Describe sums and concatenations: how many operands, and which of them are skips."""
    layers = graph.layers
    ancestors = [0]  # bit sets: bit i of entry j tells whether node j is computed from node i
    depths = [0]  # weighted layers on the longest path to each node
    for layer in layers[1:]:
        before, depth = 0, 0
        for source in layer.inputs:
            before |= ancestors[source] | 1 << source
            depth = max(depth, depths[source])
        ancestors.append(before)
        depths.append(depth + _is_weighted(layer))
    fan_ins: list[int] = []
    skips: list[int] = []
    for operands in _join_operands(graph):
        fan_ins.append(len(operands))
        for place, operand in enumerate(operands):
            others = operands[:place] + operands[place + 1 :]
            # Of equal operands each is a skip past the other, of length 0.
            later = [o for o in others if o == operand or ancestors[o] >> operand & 1]
            if later:
                skips.append(max(depths[o] for o in later) - depths[operand])
    return {
        "joins": len(fan_ins),
        "join_fan_in_mean": _ratio(sum(fan_ins), len(fan_ins)),
        "join_fan_in_max": max(fan_ins, default=0),
        "skip_edges": len(skips),
        "skip_share": _ratio(len(skips), sum(fan_ins)),
        "skip_length_mean": _ratio(sum(skips), len(skips)),
        "skip_length_max": max(skips, default=0),
        "out_degree_mean": _ratio(sum(map(len, graph.consumers)), len(layers)),
        "out_degree_max": max(map(len, graph.consumers)),
    }


def _join_operands(graph: LayerGraph) -> list[list[int]]:
    """List the operands of each join; a sum that only a sum reads is part of the latter."""
    layers, consumers = graph.layers, graph.consumers

    def inner(index: int) -> bool:
        readers = consumers[index]
        return (
            layers[index].kind is Kind.ADD
            and len(readers) == 1
            and layers[readers[0]].kind is Kind.ADD
            and index not in graph.outputs
        )

    operands: dict[int, list[int]] = {}
    for index, layer in enumerate(layers):
        if layer.kind in (Kind.ADD, Kind.CONCAT):
            operands[index] = [
                operand
                for source in layer.inputs
                for operand in (operands.pop(source) if inner(source) else [source])
            ]
    return list(operands.values())


def _stages(graph: LayerGraph) -> dict[str, float]:
    stages: dict[int, list[Layer]] = {}
    for layer in graph.layers:
        if _is_weighted(layer) and layer.positions > 1:
            stages.setdefault(layer.positions, []).append(layer)
    groups = [stages[positions] for positions in sorted(stages, reverse=True)]
    groups[STAGES - 1 :] = [list(itertools.chain.from_iterable(groups[STAGES - 1 :]))]
    values: dict[str, float] = {}
    for stage in range(STAGES):
        members = groups[stage] if stage < len(groups) else []
        values |= {
            f"stage_{stage}_side": math.sqrt(max((la.positions for la in members), default=0)),
            f"stage_{stage}_layers": len(members),
            f"stage_{stage}_width": _ratio(sum(la.out_channels for la in members), len(members)),
            f"stage_{stage}_macs_share": _ratio(sum(la.macs for la in members), graph.macs),
        }
    return values


def _is_weighted(layer: Layer) -> bool:
    return layer.kind in WEIGHTED


def _is_pool(layer: Layer) -> bool:
    return layer.kind in POOLS


def _is_windowed(layer: Layer) -> bool:
    """Whether the layer slides a window over a map."""
    return layer.kind in CONVOLUTIONS or layer.kind in POOLS


_SUBSETS: Mapping[str, Callable[[Layer], bool]] = {
    "spatial": lambda layer: layer.kind in CONVOLUTIONS and layer.area > 1,
    "pointwise": lambda layer: layer.kind in CONVOLUTIONS and layer.area == 1,
    "pool": _is_pool,
    "activation": lambda layer: layer.kind is Kind.ACTIVATION,
}


def _side(layer: Layer) -> float:
    """Square root of the number of positions of an image."""
    return math.sqrt(math.prod(layer.shape[1:]))


def _ratio(part: float, whole: float) -> float:
    """Divide; 0 by 0 is 0."""
    return part / whole if whole else 0.0
