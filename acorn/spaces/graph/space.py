"""The graph space: any CNN, declared as a JSON object of layers.

``{"nodes": [{"name": .., "op": .., "inputs": [..], <options>}, ..], "output": ..}``: each node
applies one operation to nodes before it, or to the images, which are named ``input``; options have
torch's names and defaults; ``output`` names the node that returns the logits. Optional
``"resolution"`` resizes the images first (bilinear). ``docs/graph_spec.md`` lists the operations.

A declaration is data. Before anything is built, it is checked by arithmetic: names, cycles, shapes,
and parameters, FLOPs and memory against :class:`~acorn.spaces.limits.NetworkLimits`. No other
operations can be built.
"""

from typing import TYPE_CHECKING

from acorn.datasets import DATASETS, Dataset
from acorn.errors import InvalidArchitectureError
from acorn.spaces.base import Architecture, Cost, Space
from acorn.spaces.graph.canonical import canonical_graph
from acorn.spaces.graph.layers import Declared, lay_out
from acorn.spaces.graph.spec import GraphSpec, read_graph, write_graph
from acorn.spaces.limits import LIMITS, NetworkLimits

if TYPE_CHECKING:
    from torch import nn

_SMALL, _LARGE = DATASETS["cifar10"], DATASETS["imagenet1k"]
"""Datasets whose images a graph has to take, one of both."""


class GraphSpace(Space):
    """Declared layer graphs; see :class:`~acorn.spaces.Space`.

    Parameters
    ----------
    limits : NetworkLimits, default=LIMITS
        How large they may be.
    """

    limits: NetworkLimits

    name = "graph"
    description = "Any CNN, declared as a JSON object of layers"
    example = (
        '{"nodes":['
        '{"name":"stem","op":"conv","inputs":["input"],"out_channels":16,"kernel":3,"padding":1},'
        '{"name":"norm","op":"batch_norm","inputs":["stem"]},'
        '{"name":"act","op":"relu","inputs":["norm"]},'
        '{"name":"pool","op":"global_avg_pool","inputs":["act"]},'
        '{"name":"flat","op":"flatten","inputs":["pool"]},'
        '{"name":"logits","op":"linear","inputs":["flat"],"out_features":"classes"}'
        '],"output":"logits"}'
    )
    datasets = tuple(DATASETS)

    def __init__(self, limits: NetworkLimits = LIMITS) -> None:
        self.limits = limits

    def parse(self, spec: object) -> Architecture:
        """Read a graph, as an object or as its text, and check it on images of CIFAR or ImageNet.

        For other images :meth:`cost` and :meth:`build` check again: a graph may need more pixels
        than a dataset has. Raises :class:`~acorn.errors.InvalidArchitectureError`.
        """
        graph = read_graph(spec, self.limits)
        try:
            shapes = self._lay_out(graph, _SMALL).shapes
        except InvalidArchitectureError as error:
            try:
                shapes = self._lay_out(graph, _LARGE).shapes
            except InvalidArchitectureError:
                raise error from None
        canonical = write_graph(canonical_graph(graph, shapes))
        return Architecture(self.name, write_graph(graph), canonical)

    def build(self, arch: str, dataset: Dataset) -> "nn.Module":
        """Build the network of exactly this graph."""
        from acorn.spaces.graph.network import GraphNetwork

        graph = read_graph(arch, self.limits)
        return GraphNetwork(graph, self._declare(graph, dataset).shapes, dataset.num_classes)

    def cost(self, arch: str, dataset: Dataset) -> Cost:
        """Sum over the layers."""
        graph = self._declare(read_graph(arch, self.limits), dataset).graph
        return Cost(graph.params / 1e6, graph.flops / 1e6)

    def _lay_out(self, graph: GraphSpec, dataset: Dataset) -> Declared:
        limits = self.limits.at(dataset)
        return lay_out(graph, dataset.input_shape, dataset.num_classes, limits)

    def _declare(self, graph: GraphSpec, dataset: Dataset) -> Declared:
        declared = self._lay_out(graph, dataset)
        (logits,) = declared.shapes[graph.output]
        if logits != dataset.num_classes:
            raise InvalidArchitectureError(
                f"node {graph.output!r}: got {logits} logits; expected {dataset.num_classes} "
                f"for {dataset.name} (or out_features 'classes')"
            )
        return declared
