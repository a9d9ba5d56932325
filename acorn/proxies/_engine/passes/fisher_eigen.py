"""FISHER_EIGEN: the spectrum of the Fisher information in a few parameters of each layer."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from acorn.graph.modes import evaluating
from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._math.layout import laid_out_like
from acorn.proxies._math.running_norm import RunningNorms
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._network.operations import TRANSPOSED, Operation, OperationKind, per_axis
from acorn.proxies._network.redraw import drawn_values

INPUTS = 64
"""Noise inputs (Tybl and Neumann, CVPR 2025)."""

PROBES = 2
"""Backwards at most. Up to three classes they give the Fisher information exactly; of ten, cells
come in nearly the same order as by a backward for each class (Kendall tau .89, three backwards
.90), at a third of the cost; another draw of the weights changes far more."""

SMALLEST_PART = 8
"""Inputs that go through the network together: these, or twice as many as the batch has images if
those are more. The pass takes no more memory than HESSIAN then."""

SMOOTHING = 0.05
"""Share of the uniform distribution in p (released code): without BatchNorm's scaling the logits
grow with depth, until one class has all of the softmax."""

_KINDS = (
    OperationKind.CONVOLUTION,
    OperationKind.LINEAR,
    OperationKind.BATCH_NORM,
    OperationKind.LAYER_NORM,
    OperationKind.GROUP_NORM,
)

Factor = Float[Tensor, "batch ..."]
"""What one parameter's gradient multiplies with the output gradient in channel 0."""


def _run(measurement: Measurement) -> None:
    """Forward of 64 noise inputs and two backwards, with Kaiming weights, in evaluation mode.

    Computes the eigenvalues of F = E[J' (diag(p) - p p') J], J the logits' Jacobian. J is taken in
    the first weight and the first bias of each convolution, linear and norm layer, on Gaussian
    noise, with Kaiming weights and with norms in evaluation mode, so that inputs do not mix. J is
    never formed: J' B comes from one backward for each column of a factor B of
    diag(p) - p p', and each parameter's part of it from its layer's output gradient.
    """
    classes = measurement.records.num_classes
    parts = probed_jacobians(measurement.network, measurement.images, classes)
    jacobian = torch.cat(parts).double()
    eigenvalues = torch.linalg.eigvalsh(jacobian.T @ jacobian / INPUTS)
    measurement.records.fisher_eigenvalues = eigenvalues.clamp_min(0)


def probed_jacobians(
    network: MeasuredNetwork,
    images: Float[Tensor, "batch channels height width"],
    num_classes: int,
) -> list[Float[Tensor, "inputs parameters"]]:
    """Give J' b for each column b of the factor B, on one part of the noise after the other."""
    noise = torch.randn((INPUTS, *images.shape[1:]), dtype=images.dtype).to(images.device)
    parts = -(-INPUTS // max(SMALLEST_PART, 2 * len(images)))
    with (
        network.with_values(drawn_values(network, nn.init.kaiming_normal_)),
        evaluating(network.module.modules()),
        network.operations.replacing({OperationKind.BATCH_NORM: RunningNorms(network.norms)}),
        network.frozen(),
    ):
        signs = _signs(num_classes, len(images)).to(noise.device, noise.dtype)
        return [
            jacobian
            for part, signs_of_part in zip(
                laid_out_like(noise, images).tensor_split(parts),
                signs.tensor_split(parts, dim=1),
                strict=True,
            )
            for jacobian in _jacobians_on(part, signs_of_part, network)
        ]


def _signs(num_classes: int, batch: int) -> Float[Tensor, "probes inputs classes"]:
    """Draw a random sign for each class, input and probe, on the CPU for every device.

    Drawn for one batch of inputs after the other, however many go through the network together:
    tables of features were made so.
    """
    signs = torch.empty(PROBES, INPUTS, num_classes)
    for part in signs.tensor_split(-(-INPUTS // max(SMALLEST_PART, batch)), dim=1):
        for probe in part:
            probe.random_(2)
    return signs.mul_(2).sub_(1)


def _jacobians_on(
    noise: Float[Tensor, "part channels height width"],
    signs: Float[Tensor, "probes part classes"],
    network: MeasuredNetwork,
) -> list[Float[Tensor, "part parameters"]]:
    """Run one part of the noise; its graph is gone before the next one's is made."""
    noise = noise.detach().requires_grad_(True)
    layers: list[_Layer] = []

    def after(operation: Operation, out: Tensor) -> None:
        if not out.requires_grad:
            return
        layer = _Layer(_factor_of(operation, out), operation.bias is not None)
        channel = operation.channel_axis
        layers.append(layer)

        def on_gradient(gradient: Tensor) -> None:
            layer.gradient = gradient.select(channel, 0).clone()

        out.register_hook(on_gradient)

    with network.operations.observing(dict.fromkeys(_KINDS, after)):
        logits = network(noise)
    if logits.shape[1] == 1:
        raise ValueError("the softmax of a single class carries no information")
    if not logits.requires_grad:
        raise ValueError("the logits do not depend on the image")
    jacobians = []
    probes = [*_probes(logits.detach(), signs)]
    for number, probe in enumerate(probes, start=1):
        for layer in layers:
            layer.gradient = None
        (reached,) = torch.autograd.grad(
            logits, [noise], probe, retain_graph=number < len(probes), allow_unused=True
        )
        columns = _columns(layers, len(noise))
        if reached is None or not columns:
            raise ValueError("the logits do not depend on the image")
        jacobians.append(torch.cat(columns).T)
    return jacobians


@dataclass(slots=True)
class _Layer:
    """What the derivative in a layer's first weight and first bias is made of.

    Attributes
    ----------
    factor : Tensor (inputs, ...) or None
        What the first weight is multiplied with, at each position of channel 0 of the output. None
        if there is no such weight.
    has_bias : bool
        Whether the layer has a bias.
    gradient : Tensor (inputs, ...) or None
        Gradient of channel 0 of the output; None if none arrives.
    """

    factor: Factor | None
    has_bias: bool
    gradient: Factor | None = None


def _columns(layers: Sequence[_Layer], count: int) -> list[Float[Tensor, "_parameters inputs"]]:
    """Sum gradients, and gradients times factors, over positions: layers of one size together."""
    weighted: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
    biased: dict[torch.Size, list[Tensor]] = defaultdict(list)
    for layer in layers:
        gradient = layer.gradient
        if gradient is not None and layer.factor is not None:
            weighted[gradient.shape].append((gradient, layer.factor))
        if gradient is not None and layer.has_bias:
            biased[gradient.shape].append(gradient)
    products = [
        torch.stack(gradients).mul_(torch.stack(factors))
        for gradients, factors in (zip(*pairs, strict=True) for pairs in weighted.values())
    ]
    products += [torch.stack(gradients) for gradients in biased.values()]
    return [product.reshape(len(product), count, -1).sum(2) for product in products]


def _probes(
    logits: Float[Tensor, "part classes"], signs: Float[Tensor, "probes part classes"]
) -> Iterator[Float[Tensor, "part classes"]]:
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
    for probe_signs in signs:
        mixed = root * probe_signs
        yield (mixed - share * mixed.sum(dim=1, keepdim=True)) / PROBES**0.5


def _factor_of(operation: Operation, out: Tensor) -> Factor | None:
    """Give what the first weight is multiplied with, at each position of the output."""
    if operation.weight is None:
        return None
    x, arguments = operation.input.detach(), operation.arguments
    match operation.kind:
        case OperationKind.LINEAR:
            return x[..., 0].clone()
        case OperationKind.CONVOLUTION:
            return _first_tap(operation, x, out)
        case OperationKind.BATCH_NORM:
            mean, variance = arguments.get("running_mean"), arguments.get("running_var")
            if mean is None or variance is None:
                return None
            first = functional.batch_norm(x[:, :1], mean[:1], variance[:1], eps=operation.eps)
            return first[:, 0]
        case OperationKind.GROUP_NORM:
            return functional.group_norm(x, arguments["num_groups"], eps=operation.eps)[
                :, 0
            ].clone()
        case OperationKind.LAYER_NORM if len(arguments["normalized_shape"]) == 1:
            return functional.layer_norm(x, arguments["normalized_shape"], eps=operation.eps)[
                ..., 0
            ].clone()
    return None


def _first_tap(operation: Operation, x: Tensor, out: Tensor) -> Factor | None:
    """Give the pixels that the first weight of a convolution sees."""
    arguments = operation.arguments
    axes = x.dim() - 2
    if operation.function in TRANSPOSED or operation.weight is None:
        return None
    padding = _padding(arguments, operation.weight.shape[2:])
    seen = functional.pad(x[:, 0], padding) if any(padding) else x[:, 0].clone()
    strides = per_axis(arguments.get("stride", 1), axes)
    for axis, (size, stride) in enumerate(zip(out.shape[2:], strides, strict=True), start=1):
        seen = seen.narrow(axis, 0, stride * (size - 1) + 1)
        seen = seen[(slice(None),) * axis + (slice(None, None, stride),)]
    return seen


def _padding(arguments: Mapping[str, Any], kernel: Sequence[int]) -> list[int]:
    """Give a convolution's padding at both ends of each axis, the last axis first."""
    padding = arguments.get("padding", 0)
    if padding == "valid":
        padding = 0
    if padding == "same":
        dilations = per_axis(arguments.get("dilation", 1), len(kernel))
        wholes = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
        return [side for whole in reversed(wholes) for side in (whole // 2, whole - whole // 2)]
    sides = per_axis(padding, len(kernel))
    return [side for pad in reversed(sides) for side in (pad, pad)]


FISHER_EIGEN = define_pass(
    "fisher_eigen", _run, after=SURVEY, fills=("fisher_eigenvalues",), cost=1.6
)
