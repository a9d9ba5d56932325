"""STATIC and GRAPH: what can be had without running any data."""

from torch import Tensor, nn

from models.proxies.records import Records
from models.trace import count_params, trace


def static_pass(network: nn.Module, records: Records) -> None:
    """Count parameters, and the modules that own some."""
    records.params = count_params(network) / 1e6
    records.trainable_layers = sum(
        any(True for _ in module.parameters(recurse=False)) for module in network.modules()
    )


def graph_pass(network: nn.Module, images: Tensor, records: Records) -> None:
    """Record the layer graph from one run on shapes.

    The count of operations is of all that the forward runs; the graph keeps what reaches the
    logits.
    """
    graph = trace(network, tuple(images.shape[1:]), keep_dead=True)
    records.flops = graph.flops / 1e6
    records.graph = graph.live()
