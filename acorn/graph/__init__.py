"""Layer graphs of networks: tracing, structure features, parameters and FLOPs.

FLOPs follow the counter behind the published tables of the NAS-Bench-201 space (NAS-Bench-Suite-
Zero, Krishnakumar et al., NeurIPS 2022). For one image it counts

- convolution: kernel area * (in_channels / groups) * output elements, and one per output element
  if there is a bias; linear layer: in * out, without the bias;
- normalisation: 2 per input element with an affine part, 1 without; activation: 1 per element;
- pooling: kernel area per output element; pooling to a given size: (kh + 1) * (kw + 1) per
  output element, where kh x kw is the window that it averages;
- sums, products, concatenation and moves: nothing.

Matrix products of two computed operands, which those networks lack, count like linear layers.

Layer graphs and their features need no torch; functions that
trace import it at their first use.
"""

from typing import TYPE_CHECKING

from acorn import lazy_names
from acorn.graph.design_features import design_features
from acorn.graph.layer_graph import CONVOLUTIONS, POOLS, WEIGHTED, Kind, Layer, LayerGraph
from acorn.graph.structure import structure_features

if TYPE_CHECKING:
    from acorn.graph.tracing import count_params, trace, trace_shapes

__all__ = [
    "CONVOLUTIONS",
    "POOLS",
    "WEIGHTED",
    "Kind",
    "Layer",
    "LayerGraph",
    "count_params",
    "design_features",
    "structure_features",
    "trace",
    "trace_shapes",
]


__getattr__ = lazy_names(
    __name__, {"acorn.graph.tracing": ("count_params", "trace", "trace_shapes")}
)
