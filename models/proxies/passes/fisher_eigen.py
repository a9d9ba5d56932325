"""FISHER_EIGEN: the spectrum of the Fisher information in a few parameters of each layer."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.utils.hooks import RemovableHandle

from models.modes import evaluating
from models.proxies.batch_norm import laid_out_like
from models.proxies.passes.layers import layer_parameters
from models.proxies.records import Records
from models.proxies.state import BatchNorm, hooked

INPUTS = 64
"""Noise inputs (Tybl and Neumann, CVPR 2025)."""

PROBES = 2
"""Backwards at most. Up to three classes they give the Fisher information exactly; of ten, cells
come in nearly the same order as by a backward for each class (Kendall tau .89, three backwards
.90), at a third of the cost; another draw of the weights changes far more."""

SMALLEST_PART = 8
"""Inputs that go through the network together: these, or as many as the batch has images where
those are more. So the pass takes no more memory than the others."""

SMOOTHING = 0.05
"""Share of the uniform distribution in p (released code): without BatchNorm's scaling the logits
grow with depth, until one class has all of the softmax."""

_LAYERS = (_ConvNd, nn.Linear, BatchNorm, nn.LayerNorm, nn.GroupNorm)

Factor = Float[Tensor, "batch ..."]
"""What one parameter's gradient multiplies with the output gradient in channel 0."""


def fisher_eigen_pass(network: nn.Module, images: Tensor, records: Records) -> None:
    """Compute the eigenvalues of F = E[J' (diag(p) - p p') J], J the logits' Jacobian.

    J is taken in the first weight and the first bias of each convolution, linear and norm layer,
    on Gaussian noise, with Kaiming weights and with norms in evaluation mode, so that inputs do
    not mix. It is never formed: J' B comes from one backward for each column of a factor B of
    diag(p) - p p', and each parameter's part of it from its layer's output gradient.
    """
    jacobian = torch.cat(probed_jacobians(network, images)).double()
    records.fisher_eigenvalues = torch.linalg.eigvalsh(jacobian.T @ jacobian / INPUTS).clamp_min(0)


def probed_jacobians(
    network: nn.Module, images: Tensor
) -> list[Float[Tensor, "inputs parameters"]]:
    """Give J' b for each column b of the factor B, on one part of the noise after the other."""
    noise = torch.randn((INPUTS, *images.shape[1:]), dtype=images.dtype, device=images.device)
    parts = -(-INPUTS // max(SMALLEST_PART, len(images)))
    weights = _kaiming_weights(network)
    norms = (module for module in network.modules() if isinstance(module, BatchNorm))
    with evaluating(norms):  # by running statistics, where they have some
        return [
            jacobian
            for part in laid_out_like(noise, images).tensor_split(parts)
            for jacobian in _jacobians_on(part, network, weights)
        ]


def _jacobians_on(noise: Tensor, network: nn.Module, weights: dict[str, Tensor]) -> list[Tensor]:
    """Run one part of the noise; its graph is gone before the next one's is made."""
    noise = noise.detach().requires_grad_(True)
    layers = [m for m in network.modules() if isinstance(m, _LAYERS) and _is_torch_s_own(m)]
    rows: list[Tensor] = []
    handles: list[RemovableHandle] = []

    def after(layer: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        channel = -1 if isinstance(layer, nn.Linear | nn.LayerNorm) else 1
        factors = _factors(layer, inputs[0].detach(), out)

        def on_gradient(gradient: Tensor) -> None:
            first = gradient.select(channel, 0)
            for factor in factors:
                product = first if factor is None else first * factor
                rows.append(product.reshape(len(noise), -1).sum(1))

        if out.requires_grad:
            handles.append(out.register_hook(on_gradient))

    with hooked(handles):
        handles.extend(layer.register_forward_hook(after) for layer in layers)
        logits = functional_call(network, weights, (noise,))
        if logits.shape[1] == 1:
            raise ValueError("the softmax of a single class carries no information")
        if not logits.requires_grad:
            raise ValueError("the logits do not depend on the image")
        jacobians = []
        for probe in _probes(logits.detach()):
            rows.clear()
            torch.autograd.grad(logits, [noise], probe, retain_graph=True, allow_unused=True)
            if not rows:
                raise ValueError("the logits do not depend on the image through any layer")
            jacobians.append(torch.stack(rows, dim=1))
    return jacobians


def _is_torch_s_own(layer: nn.Module) -> bool:
    """Tell whether a layer does what its kind does, and no more, as some subclasses do."""
    return type(layer).forward.__module__.startswith("torch.nn.")


def _probes(logits: Float[Tensor, "batch classes"]) -> Iterator[Tensor]:
    """Give vectors whose outer products sum to diag(p) - p p', in the mean where classes are many.

    With s the square root of p, diag(s) - p s' is a factor; its columns sum to zero when weighted
    by s, so an orthonormal basis of the complement of s is one column less.
    """
    share = (1 - SMOOTHING) * logits.softmax(dim=1) + SMOOTHING / logits.shape[1]
    root = share.sqrt()
    classes = logits.shape[1]
    if classes <= PROBES + 1:
        # Reflect s to the first axis: the other axes then span its complement.
        mirror = root.clone()
        mirror[:, 0] += 1
        mirror = mirror / mirror.norm(dim=1, keepdim=True)
        for axis in range(1, classes):
            basis = -2 * mirror[:, axis, None] * mirror
            basis[:, axis] += 1
            yield root * basis
        return
    for _ in range(PROBES):
        signs = torch.randint_like(share, 2).mul_(2).sub_(1)
        mixed = root * signs
        yield (mixed - share * mixed.sum(dim=1, keepdim=True)) / PROBES**0.5


def _factors(layer: nn.Module, x: Tensor, out: Tensor) -> list[Factor | None]:
    """Give each first parameter's factor; None stands for ones."""
    factors: list[Factor | None] = []
    if getattr(layer, "weight", None) is not None:
        factor = _weight_factor(layer, x, out)
        if factor is not None:
            factors.append(factor)
    if getattr(layer, "bias", None) is not None:
        factors.append(None)
    return factors


def _weight_factor(layer: nn.Module, x: Tensor, out: Tensor) -> Factor | None:
    """Give what the first weight is multiplied with, at each position of the output."""
    if isinstance(layer, nn.Linear):
        return x[..., 0].clone()
    if isinstance(layer, _ConvNd):
        return _first_tap(layer, x, out)
    if isinstance(layer, BatchNorm):
        mean, variance = layer.running_mean, layer.running_var
        if mean is None or variance is None:
            return None
        return (x[:, 0] - mean[0]) * (variance[0] + layer.eps).rsqrt()
    if isinstance(layer, nn.GroupNorm):
        return functional.group_norm(x, layer.num_groups, eps=layer.eps)[:, 0].clone()
    if isinstance(layer, nn.LayerNorm) and len(layer.normalized_shape) == 1:
        return functional.layer_norm(x, layer.normalized_shape, eps=layer.eps)[..., 0].clone()
    return None


def _first_tap(layer: _ConvNd, x: Tensor, out: Tensor) -> Factor | None:
    """Give the pixels that the first weight of a convolution sees."""
    if (
        isinstance(layer, _ConvTransposeNd)
        or layer.padding_mode != "zeros"
        or isinstance(layer.padding, str)
    ):
        return None
    padding = [side for pad in reversed(layer.padding) for side in (pad, pad)]
    seen = functional.pad(x[:, 0], padding)
    for axis, (size, stride) in enumerate(zip(out.shape[2:], layer.stride, strict=True), start=1):
        seen = seen.narrow(axis, 0, stride * (size - 1) + 1)
        seen = seen[(slice(None),) * axis + (slice(None, None, stride),)]
    return seen.clone()


def _kaiming_weights(network: nn.Module) -> dict[str, Tensor]:
    """Draw Kaiming's weights for convolutions and linear layers, with zero biases."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in layer_parameters(network).items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros_like(parameter)
        else:
            tensors[name] = nn.init.kaiming_normal_(torch.empty_like(parameter))
    return tensors
