"""NOISE: pairs of forwards on Gaussian noise."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._engine.records import NoiseRecord
from acorn.proxies._math.layout import laid_out_like
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._network.operations import Operation, OperationKind
from acorn.proxies._network.redraw import drawn_values

DRAWS = 4
"""Draws of weights and noise, each from where the one before stopped."""

IMAGES = 8
"""Noise images of each draw, whatever the batch: the value does not hang on its size."""

NOISE_SCALE = 1e-2
"""Relative size of the perturbation (Lin et al., ICCV 2021, algorithm 1)."""


@torch.no_grad()
def _run(measurement: Measurement) -> None:
    """Two forwards of 8 Gaussian noise images through Gaussian weights, in 4 draws."""
    draws = [_draw(measurement.network, measurement.images) for _ in range(DRAWS)]
    differences, scales = zip(*draws, strict=True)
    measurement.records.noise = NoiseRecord(torch.stack(differences), torch.stack(scales))


def _draw(network: MeasuredNetwork, images: Tensor) -> tuple[Tensor, Tensor]:
    """Measure, for one draw, the last feature map's change and the sum of log deviations."""
    feature_maps: list[Tensor] = []

    def last_map(out: Tensor) -> None:
        # Of each image, not a weight or a table of places.
        if out.dim() == 4 and out.shape[0] == IMAGES and out.shape[-1] > 1:
            feature_maps[:] = [out]

    weights = drawn_values(network, _gaussian)
    shape = (2, IMAGES, *images.shape[1:])
    noise, change = torch.randn(shape, dtype=images.dtype, device=images.device).unbind()
    noise, perturbed = (laid_out_like(x, images) for x in (noise, noise + NOISE_SCALE * change))
    with network.with_values(weights), network.operations.showing_results(last_map):
        with _measured_norms(network) as log_scales:
            network(noise)
        if not feature_maps:
            raise ValueError("the network has no feature map larger than one pixel")
        first = feature_maps[0]
        network(perturbed)
    difference = (first - feature_maps[0]).abs().sum([1, 2, 3]).mean()
    return difference, torch.stack(log_scales).sum() if log_scales else difference.new_zeros(())


@contextmanager
def _measured_norms(network: MeasuredNetwork) -> Iterator[list[Tensor]]:
    """Collect half the log of the mean variance that each batch normalisation divides by."""
    log_scales: list[Tensor] = []

    def normalise(operation: Operation) -> Tensor | None:
        if not operation.normalises_by_batch:
            return None
        out, _, inverse = torch.native_batch_norm(
            operation.input, operation.weight, operation.bias, None, None, True, 0.0, operation.eps
        )
        variance = inverse.double().pow(-2) - operation.eps
        log_scales.append(0.5 * variance.mean().log())
        return out

    with network.operations.replacing({OperationKind.BATCH_NORM: normalise}):
        yield log_scales


def _gaussian(weight: Tensor) -> Tensor:
    return torch.randn(weight.shape, dtype=weight.dtype, device=weight.device)


NOISE = define_pass("noise", _run, after=SURVEY, fills=("noise",), cost=0.85)
