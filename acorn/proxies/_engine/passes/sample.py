"""SAMPLE and REDRAWN: one Gaussian image, and more of them through other weights."""

import torch

from acorn.proxies._engine.observers import watched
from acorn.proxies._engine.pass_registry import Measurement, Pass, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._network.redraw import redrawn

SMALLEST_SIDE = 64
"""Smallest side of the image: on few pixels, many channels are always dependent."""

DRAWS = 2
"""Draws of weights and image in REDRAWN, besides the network as it is in SAMPLE."""


@torch.no_grad()
def _sample(measurement: Measurement) -> None:
    """Forward of one Gaussian image of at least 64 pixels a side.

    A network that does not take it gets an image of the size of its own.
    """
    height, width = measurement.images.shape[2:]
    size = (max(height, SMALLEST_SIDE), max(width, SMALLEST_SIDE))
    try:
        _show_image(measurement, SAMPLE, size)
    except torch.OutOfMemoryError:
        raise
    except Exception:  # a forward may raise anything
        if size == (height, width):
            raise
        size = (height, width)
        for observer in measurement.observers[SAMPLE]:
            observer.restart()
        torch.manual_seed(torch.initial_seed())  # as at the beginning of the pass
        _show_image(measurement, SAMPLE, size)
    if min(size) < SMALLEST_SIDE:
        measurement.notes[SAMPLE] = (
            f"on an image of {height} x {width} pixels: the network does not take "
            f"{SMALLEST_SIDE} x {SMALLEST_SIDE}"
        )
    measurement.kept[SAMPLE] = size


@torch.no_grad()
def _redrawn(measurement: Measurement) -> None:
    """Two more such images, with weights drawn anew."""
    for _ in range(DRAWS):
        for observer in measurement.observers[REDRAWN]:
            observer.on_draw()
        with redrawn(measurement.network):
            _show_image(measurement, REDRAWN, measurement.kept[SAMPLE])


def _show_image(measurement: Measurement, pass_: Pass, size: tuple[int, int]) -> None:
    """Run one Gaussian image of this size in view of the pass's observers."""
    images = measurement.images
    with watched(measurement.network, measurement.observers[pass_]):
        shape = (1, images.shape[1], *size)
        measurement.network(torch.randn(shape, dtype=images.dtype).to(images.device))


SHOWS = ("on_activation", "on_output")
SAMPLE = define_pass("sample", _sample, after=SURVEY, shows=SHOWS, cost=0.65)
REDRAWN = define_pass("redrawn", _redrawn, after=SAMPLE, shows=(*SHOWS, "on_draw"), cost=0.9)
