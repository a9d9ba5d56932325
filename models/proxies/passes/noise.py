"""NOISE: pairs of forwards on Gaussian noise."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from models.proxies.batch_norm import laid_out_like
from models.proxies.passes.layers import layer_parameters
from models.proxies.records import NoiseRecord, Records
from models.proxies.state import BatchNorm, hooked, replaced_forward

DRAWS = 4
"""Draws of weights and noise, each from where the one before stopped."""

IMAGES = 8
"""Noise images of each draw, whatever the batch: the value does not hang on its size."""

NOISE_SCALE = 1e-2
"""Relative size of the perturbation (Lin et al., ICCV 2021, algorithm 1)."""


@torch.no_grad()
def noise_pass(network: nn.Module, images: Tensor, records: Records) -> None:
    """Run Gaussian noise, and a slightly different noise, through Gaussian weights, a few times.

    Raises
    ------
    ValueError
        For a network without a feature map larger than one pixel.
    """
    draws = [_draw(network, images) for _ in range(DRAWS)]
    differences, scales = zip(*draws, strict=True)
    records.noise = NoiseRecord(torch.stack(differences), torch.stack(scales))


def _draw(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Measure, for one draw, the last feature map's change and the sum of log deviations."""
    feature_maps: list[Tensor] = []

    def last_map(_module: nn.Module, _inputs: tuple[Tensor, ...], out: Tensor) -> None:
        if isinstance(out, Tensor) and out.dim() == 4 and out.shape[-1] > 1:
            feature_maps[:] = [out]

    weights = _gaussian_weights(network)
    shape = (2, IMAGES, *images.shape[1:])
    noise, change = torch.randn(shape, dtype=images.dtype, device=images.device).unbind()
    noise, perturbed = (laid_out_like(x, images) for x in (noise, noise + NOISE_SCALE * change))
    with hooked([module.register_forward_hook(last_map) for module in network.modules()]):
        with _measured_norms(network) as log_scales:
            functional_call(network, weights, (noise,))
        if not feature_maps:
            raise ValueError("the network has no feature map larger than one pixel")
        first = feature_maps[0]
        functional_call(network, weights, (perturbed,))
    difference = (first - feature_maps[0]).abs().sum([1, 2, 3]).mean()
    return difference, torch.stack(log_scales).sum() if log_scales else difference.new_zeros(())


@contextmanager
def _measured_norms(network: nn.Module) -> Iterator[list[Tensor]]:
    """Collect half the log of the mean variance that each BatchNorm layer divides by."""
    log_scales: list[Tensor] = []

    def forward(norm: BatchNorm, x: Tensor) -> Tensor:
        out, _, inverse = torch.native_batch_norm(
            x, norm.weight, norm.bias, None, None, True, 0.0, norm.eps
        )
        variance = inverse.double().pow(-2) - norm.eps
        log_scales.append(0.5 * variance.mean().log())
        return out

    with ExitStack() as patches:
        for module in network.modules():
            if isinstance(module, BatchNorm):
                patches.enter_context(replaced_forward(module, partial(forward, module)))
        yield log_scales


def _gaussian_weights(network: nn.Module) -> dict[str, Tensor]:
    """Draw standard Gaussian weights for convolutions and linear layers, with zero biases."""
    return {
        name: (torch.zeros if name.endswith("bias") else torch.randn)(
            parameter.shape, dtype=parameter.dtype, device=parameter.device
        )
        for name, parameter in layer_parameters(network).items()
    }
