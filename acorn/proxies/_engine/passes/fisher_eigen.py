"""FISHER_EIGEN: the spectrum of the Fisher information in a few parameters of each layer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from acorn.graph.modes import evaluating
from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._math.layout import laid_out_like
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
"""Inputs that go through the network together: these, or as many as the batch has images where
those are more. So the pass takes no more memory than the others."""

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
    parts = probed_jacobians(measurement.network, measurement.images)
    jacobian = torch.cat(parts).double()
    eigenvalues = torch.linalg.eigvalsh(jacobian.T @ jacobian / INPUTS)
    measurement.records.fisher_eigenvalues = eigenvalues.clamp_min(0)


def probed_jacobians(
    network: MeasuredNetwork, images: Tensor
) -> list[Float[Tensor, "inputs parameters"]]:
    """Give J' b for each column b of the factor B, on one part of the noise after the other."""
    noise = torch.randn((INPUTS, *images.shape[1:]), dtype=images.dtype, device=images.device)
    parts = -(-INPUTS // max(SMALLEST_PART, len(images)))
    with (
        network.with_values(drawn_values(network, _kaiming)),
        evaluating(network.module.modules()),  # norms by running statistics, if they have some
        network.operations.replacing({OperationKind.BATCH_NORM: _normalise_by_running}),
    ):
        return [
            jacobian
            for part in laid_out_like(noise, images).tensor_split(parts)
            for jacobian in _jacobians_on(part, network)
        ]


def _kaiming(weight: Tensor) -> Tensor:
    empty = torch.empty_like(weight, memory_format=torch.contiguous_format)
    return nn.init.kaiming_normal_(empty)


def _jacobians_on(noise: Tensor, network: MeasuredNetwork) -> list[Tensor]:
    """Run one part of the noise; its graph is gone before the next one's is made."""
    noise = noise.detach().requires_grad_(True)
    rows: list[Tensor] = []

    def after(operation: Operation, out: Tensor) -> None:
        channel = operation.channel_axis
        factors = _factors(operation, out)

        def on_gradient(gradient: Tensor) -> None:
            first = gradient.select(channel, 0)
            for factor in factors:
                product = first if factor is None else first * factor
                rows.append(product.reshape(len(noise), -1).sum(1))

        if out.requires_grad:
            out.register_hook(on_gradient)

    with network.operations.observing(dict.fromkeys(_KINDS, after)):
        logits = network(noise)
    if logits.shape[1] == 1:
        raise ValueError("the softmax of a single class carries no information")
    if not logits.requires_grad:
        raise ValueError("the logits do not depend on the image")
    jacobians = []
    for probe in _probes(logits.detach()):
        rows.clear()
        (reached,) = torch.autograd.grad(
            logits, [noise], probe, retain_graph=True, allow_unused=True
        )
        if reached is None or not rows:
            raise ValueError("the logits do not depend on the image")
        jacobians.append(torch.stack(rows, dim=1))
    return jacobians


def _normalise_by_running(operation: Operation) -> Tensor | None:
    """Use running statistics, where there are some, also while a network trains."""
    arguments = operation.arguments
    mean, variance = arguments.get("running_mean"), arguments.get("running_var")
    if mean is None or variance is None or not operation.normalises_by_batch:
        return None
    return functional.batch_norm(
        operation.input, mean, variance, operation.weight, operation.bias,
        eps=operation.eps,
    )  # fmt: skip


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


def _factors(operation: Operation, out: Tensor) -> list[Factor | None]:
    """Give each first parameter's factor; None stands for ones."""
    factors: list[Factor | None] = []
    if operation.weight is not None:
        factor = _weight_factor(operation, out)
        if factor is not None:
            factors.append(factor)
    if operation.bias is not None:
        factors.append(None)
    return factors


def _weight_factor(operation: Operation, out: Tensor) -> Factor | None:
    """Give what the first weight is multiplied with, at each position of the output."""
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
            return (x[:, 0] - mean[0]) * (variance[0] + operation.eps).rsqrt()
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
    seen = functional.pad(x[:, 0], _padding(arguments, operation.weight.shape[2:]))
    strides = per_axis(arguments.get("stride", 1), axes)
    for axis, (size, stride) in enumerate(zip(out.shape[2:], strides, strict=True), start=1):
        seen = seen.narrow(axis, 0, stride * (size - 1) + 1)
        seen = seen[(slice(None),) * axis + (slice(None, None, stride),)]
    return seen.clone()


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
    "fisher_eigen", _run, after=SURVEY, fills=("fisher_eigenvalues",), cost=2.1
)
