"""NOISE: pairs of Gaussian noise images that differ little."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial

import torch
from torch import Tensor

from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._engine.records import NoiseRecord
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._network.operations import Operation, OperationKind
from acorn.proxies._network.redraw import drawn_values

DRAWS = 4
"""Draws of weights and noise, each from where the one before stopped."""

IMAGES = 8
"""Noise images of each draw, whatever the batch: the value does not hang on its size."""

NOISE_SCALE = 1e-2
"""Relative size of the perturbation (Lin et al., ICCV 2021, algorithm 1)."""


Scales = dict[tuple[int, float], list[Tensor]]
"""Reciprocal deviations of the channels that a norm divides by, by their number and its epsilon."""


@torch.no_grad()
def _run(measurement: Measurement) -> None:
    """Forward of 8 pairs of Gaussian noise images through Gaussian weights, in 4 draws.

    The two images of a pair differ little. Batch normalisation takes the first images of all pairs
    together, and the second ones.
    """
    doubled = _doubled(measurement.network.norms)
    draws = [_draw(measurement.network, measurement.images, doubled) for _ in range(DRAWS)]
    differences, scales = zip(*draws, strict=True)
    measurement.records.noise = NoiseRecord(torch.stack(differences), torch.stack(scales))


def _doubled(norms: Iterable[Operation]) -> dict[int, Tensor]:
    """Repeat each weight and bias of norms, by identity: for the two images of each pair."""
    own = [t for norm in norms for t in (norm.weight, norm.bias) if t is not None and t.dim() == 1]
    if not own:
        return {}
    repeated = torch.cat([tensor for tensor in own for _ in range(2)])
    parts = repeated.split([2 * len(tensor) for tensor in own])
    return {id(tensor): part for tensor, part in zip(own, parts, strict=True)}


def _draw(
    network: MeasuredNetwork, images: Tensor, doubled: Mapping[int, Tensor]
) -> tuple[Tensor, Tensor]:
    """Measure, for one draw, the last feature map's change and the sum of log deviations."""
    feature_maps: list[Tensor] = []

    def last_map(out: Tensor) -> None:
        # Of each image, not a weight or a table of places.
        if out.dim() == 4 and out.shape[0] == 2 * IMAGES and out.shape[-1] > 1:
            feature_maps[:] = [out]

    weights = drawn_values(network, torch.Tensor.normal_)
    noise, change = torch.randn((2, IMAGES, *images.shape[1:]), dtype=images.dtype)
    pairs = torch.stack([noise, noise.add(change, alpha=NOISE_SCALE)], dim=1).flatten(0, 1)
    scales: Scales = defaultdict(list)
    normalise = partial(_normalise, doubled, scales)
    with (
        network.with_values(weights),
        network.operations.showing_results(last_map),
        network.operations.replacing({OperationKind.BATCH_NORM: normalise}),
    ):
        network(pairs.to(images.device))
    if not feature_maps:
        raise ValueError("the network has no feature map larger than one pixel")
    first, second = feature_maps[0].unflatten(0, (IMAGES, 2)).unbind(1)
    difference = (first - second).abs().sum([1, 2, 3]).mean()
    logs = [
        (torch.stack(inverses).double().pow(-2) - eps).mean(dim=1).log()
        for (_, eps), inverses in scales.items()
    ]
    log_scale = 0.5 * torch.cat(logs).sum() if logs else difference.new_zeros(())
    return difference, log_scale


def _normalise(
    doubled: Mapping[int, Tensor], scales: Scales, operation: Operation
) -> Tensor | None:
    """Normalise the first images of all pairs by themselves, and so the second ones.

    Notes the deviation of the first ones. Neighbours in a batch are read as channels beside each
    other, which moves nothing in memory.
    """
    x, affine = operation.input, (operation.weight, operation.bias)
    if not operation.normalises_by_batch or len(x) % (2 * IMAGES):
        return None
    folds = len(x) // (2 * IMAGES)  # of windows, say, into the batch
    split = x.unflatten(0, (IMAGES, 2, folds)).transpose(1, 2).flatten(2, 3).flatten(0, 1)
    weight, bias = (
        doubled[id(t)] if id(t) in doubled else None if t is None else t.repeat(2) for t in affine
    )
    out, _, inverse = torch.native_batch_norm(
        split, weight, bias, None, None, True, 0.0, operation.eps
    )
    width = x.shape[1]
    scales[width, operation.eps].append(inverse[:width])
    return out.unflatten(0, (IMAGES, folds)).unflatten(2, (2, width)).transpose(1, 2).flatten(0, 2)


NOISE = define_pass("noise", _run, after=SURVEY, fills=("noise",), cost=0.85)
