"""STATIC, SURVEY and GRAPH: what needs no run of the batch."""

from acorn.graph import count_params
from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._network.initialisation import Initialisation, initialise


def _count_parameters(measurement: Measurement) -> None:
    """Count the parameters; nothing is run."""
    measurement.records.params = count_params(measurement.network.module) / 1e6


def _survey(measurement: Measurement) -> None:
    """Forward of one image in evaluation mode, which shows the layers that run.

    If GRAPH is needed, it also records the layer graph. A canonical initialisation takes place
    here, since it depends on what runs.
    """
    network, records = measurement.network, measurement.records
    network.survey(measurement.images, records.num_classes, record=GRAPH in measurement.needed)
    records.weights = network.weights
    records.trainable_layers = network.count_layers()
    if measurement.initialisation is Initialisation.CANONICAL:
        initialise(network, measurement.seed)


def _read_graph(measurement: Measurement) -> None:
    """Read the layer graph and its operations from the forward of *survey*; nothing is run.

    The operation count covers all that the forward runs; the graph holds only what reaches the
    logits.
    """
    network = measurement.network
    assert network.recorder is not None  # noqa: S101 - SURVEY recorded
    graph = network.recorder.graph(keep_dead=True)
    network.recorder = None  # frees the tensors that it holds
    measurement.records.flops = graph.flops / 1e6
    measurement.records.graph = graph.live()


STATIC = define_pass("static", _count_parameters, after=None, fills=("params",), cost=0.0)
SURVEY = define_pass("survey", _survey, after=None, fills=("weights", "trainable_layers"), cost=0.1)
GRAPH = define_pass("graph", _read_graph, after=SURVEY, fills=("flops", "graph"), cost=0.0)
