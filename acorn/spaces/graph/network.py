"""Networks of declared graphs: one module a node, from a fixed table."""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from acorn.spaces.graph.layers import resolve_classes
from acorn.spaces.graph.node_modules import MODULES
from acorn.spaces.graph.spec import INPUT, GraphSpec, Node
from acorn.spaces.graph.tensor_layers import Shape


class GraphNetwork(nn.Module):
    """Evaluates the nodes of a declared graph in order.

    Initialised as torch does by default.

    Parameters
    ----------
    spec : GraphSpec
        The checked graph.
    shapes : mapping of str to tuple
        Output shape of each node and of the images, without the batch.
    num_classes : int
        Width of the logits.
    """

    def __init__(self, spec: GraphSpec, shapes: Mapping[str, Shape], num_classes: int) -> None:
        super().__init__()
        self.resolution = spec.resolution
        places = {INPUT: 0} | {node.name: place for place, node in enumerate(spec.nodes, 1)}
        self.sources = [[places[name] for name in node.inputs] for node in spec.nodes]
        self.output = places[spec.output]
        self.operations = nn.ModuleList(
            MODULES[node.op](resolve_classes(node.options, num_classes), _first(node, shapes))
            for node in spec.nodes
        )
        last = {source: reader for reader, sources in enumerate(self.sources) for source in sources}
        self.done = [
            [source for source in {*sources} if last[source] == reader]
            for reader, sources in enumerate(self.sources)
        ]

    def forward(self, x: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        if self.resolution is not None and self.resolution != tuple(x.shape[2:]):
            x = functional.interpolate(x, self.resolution, mode="bilinear", align_corners=False)
        values = {0: x}
        for reader, operation in enumerate(self.operations):
            values[reader + 1] = operation(*(values[source] for source in self.sources[reader]))
            for source in self.done[reader]:
                del values[source]  # so that inference holds no more than it needs
        return values[self.output]


def _first(node: Node, shapes: Mapping[str, Shape]) -> Shape:
    return shapes[node.inputs[0]] if node.inputs else ()
