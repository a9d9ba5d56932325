"""STATIC, SURVEY and GRAPH: what can be had without running the batch."""

from torch import Tensor

from acorn.graph import count_params
from acorn.proxies._engine.records import Records
from acorn.proxies._network.measured import MeasuredNetwork


def static_pass(network: MeasuredNetwork, records: Records) -> None:
    """Count parameters."""
    records.params = count_params(network.module) / 1e6


def survey_pass(
    network: MeasuredNetwork, images: Tensor, records: Records, *, record: bool
) -> None:
    """Run one image, to see which layers run; with ``record``, note their graph."""
    network.survey(images, records.num_classes, record=record)
    records.weights = network.weights
    records.trainable_layers = network.count_layers()


def graph_pass(network: MeasuredNetwork, records: Records) -> None:
    """Read the layer graph off what SURVEY recorded.

    The count of operations is of all that the forward runs; the graph keeps what reaches the
    logits.
    """
    assert network.recorder is not None  # noqa: S101 - survey_pass(record=True) came first
    graph = network.recorder.graph(keep_dead=True)
    network.recorder = None  # and all tensors that it saw
    records.flops = graph.flops / 1e6
    records.graph = graph.live()
