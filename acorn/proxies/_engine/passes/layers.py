"""LAYERS: statistics of the tensors of each layer, for evolved proxies."""

from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._programs.layer_statistics import layer_statistics


def _layers(measurement: Measurement) -> None:
    """Forward and backward of 8 images, noise, perturbed images, or after a step of the weights.

    Only those run that a requested program reads, after the images themselves.
    """
    observers = measurement.observers[LAYERS]
    measurement.records.layer_statistics = layer_statistics(
        measurement.network,
        measurement.images,
        measurement.records.labels,
        columns=frozenset().union(*(observer.statistics for observer in observers)),
        seed=measurement.seed,
    )


LAYERS = define_pass("layers", _layers, after=SURVEY, fills=("layer_statistics",), cost=0.4)
