"""Cost features: columns that tell how long a device takes, from the layer graph alone.

The time of a layer is bounded by its multiply-accumulates, or by the numbers that it reads and
writes, whichever takes longer on a device (the roofline model of Williams et al., 2009).
"""

import math
from collections import Counter

from acorn.graph.layer_graph import Kind, Layer, LayerGraph

INTENSITIES = (5, 20, 60, 200)
"""Multiply-accumulates that a device does in the time in which it moves one number. Processors have
about 5 to 20, graphics processors with tensor cores 60 to 200."""

MACS_KINDS = ("dense", "pointwise", "grouped", "depthwise", "linear", "matmul")
"""Kinds of layers that multiply and accumulate."""


def cost_features(graph: LayerGraph) -> dict[str, float]:
    """Compute the cost features of a network.

    Parameters
    ----------
    graph : LayerGraph
        As :func:`acorn.graph.trace` makes it, or as declared.

    Returns
    -------
    dict of str to float
        Finite values of all columns, under ``graph.cost_<column>``.

    Notes
    -----
    The *traffic* of a layer is the number of elements that it reads, its output and its parameters,
    for one image. Layers that only move elements (``reshape``) are counted in ``log_moved`` alone,
    because most of them cost nothing. The columns are:

        - ``log_macs_<kind>``: log(1 + multiply-accumulates) of ``dense``, ``pointwise``,
      ``grouped`` and ``depthwise`` convolutions, ``linear`` layers and ``matmul``, the products of
      two computed tensors
        - ``share_macs_<kind>``: share of the multiply-accumulates in each of these
        - ``log_traffic``: log(1 + traffic of all layers)
        - ``log_elementwise``: log(1 + traffic of layers without multiply-accumulates)
        - ``log_moved``: log(1 + traffic of concatenations and of layers that move elements)
        - ``intensity``: log(1 + multiply-accumulates over traffic)
        - ``log_launches``: log(1 + layers that compute)
        - ``log_roofline_<n>``: log(1 + sum over layers of the larger of traffic and
      multiply-accumulates / n)
    """
    macs: Counter[str] = Counter()
    traffic = elementwise = moved = 0
    launches = 0
    rooflines = dict.fromkeys(INTENSITIES, 0.0)
    for layer in graph.layers[1:]:
        read = sum(graph.layers[source].elements for source in layer.inputs)
        elements = read + layer.elements + layer.params
        if layer.kind in (Kind.RESHAPE, Kind.CONCAT):
            moved += elements
        if layer.kind is Kind.RESHAPE:
            continue
        launches += 1
        traffic += elements
        macs[_macs_of(layer)] += layer.macs
        if not layer.macs:
            elementwise += elements
        for intensity in INTENSITIES:
            rooflines[intensity] += max(layer.macs / intensity, elements)
    values = {f"log_macs_{kind}": math.log1p(macs[kind]) for kind in MACS_KINDS}
    values |= {f"share_macs_{kind}": macs[kind] / max(1, graph.macs) for kind in MACS_KINDS}
    values |= {
        "log_traffic": math.log1p(traffic),
        "log_elementwise": math.log1p(elementwise),
        "log_moved": math.log1p(moved),
        "intensity": math.log1p(graph.macs / max(1, traffic)),
        "log_launches": math.log1p(launches),
    }
    values |= {f"log_roofline_{n}": math.log1p(time) for n, time in rooflines.items()}
    return {f"graph.cost_{name}": float(value) for name, value in values.items()}


def _macs_of(layer: Layer) -> str:
    """Kind of the multiply-accumulates of a layer."""
    if layer.kind is Kind.CONV:
        return "grouped" if layer.grouped else "pointwise" if layer.area == 1 else "dense"
    return "depthwise" if layer.kind is Kind.DEPTHWISE_CONV else str(layer.kind)
