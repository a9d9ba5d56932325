"""Statistics of each layer of an untrained network, from which programs are composed.

As in EZNAS (Akhauri et al., NeurIPS 2022): the weight of each layer, and its input, output (the
pre-activation) and their gradients for three inputs, images, noise and perturbed images; gradients
are of the summed logits. Each tensor is reduced to a few numbers at once, since the tensors of
hundreds of networks do not fit in memory.
"""

from collections.abc import Iterator, Mapping

import polars as pl
import torch
from torch import Tensor, nn

from acorn.proxies._network.environment import measuring
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._network.operations import WEIGHTED, Operation

SOURCES = ("data", "noise", "perturbed")
TENSORS = ("input", "output", "input_gradient", "output_gradient", "weight_gradient")

PERTURBATION = 0.1
"""Standard deviation of the noise on perturbed images, which have variance 1."""


def _positive(t: Tensor) -> Tensor:
    return (t > 0).float().mean()


def _rank(t: Tensor) -> Tensor:
    """Effective rank: exp of the entropy of the spectrum (Roy and Vetterli, EUSIPCO 2007)."""
    rows = t.flatten(1)
    spectrum = torch.linalg.eigvalsh(rows @ rows.T).clamp(min=0)
    shares = spectrum / spectrum.sum()
    return torch.special.entr(shares).sum().exp()


REDUCTIONS = {
    "mean": torch.mean,
    "std": lambda t: t.std(correction=0),
    "l1": lambda t: t.abs().mean(),
    "l2": torch.linalg.vector_norm,
    "max": lambda t: t.abs().max(),
    "positive": _positive,
    "rank": _rank,
}
"""Statistics of a tensor whose first dimension is images or output channels."""

STATISTICS = (
    "weight.size",
    *(f"weight.{name}" for name in REDUCTIONS),
    *(f"{s}.{t}.{name}" for s in SOURCES for t in TENSORS for name in REDUCTIONS),
)
"""Columns of :func:`layer_statistics`."""


def layer_statistics(network: nn.Module, images: Tensor, *, seed: int = 0) -> pl.DataFrame:
    """Measure every layer of a network; the network itself is not changed.

    Parameters
    ----------
    network : torch.nn.Module
        A classifier on the device of the images.
    images : torch.Tensor
        Normalised, shape (batch, channels, height, width).
    seed : int, default=0
        Seeds the noise.

    Returns
    -------
    polars.DataFrame
        One row for each call of a convolution or linear layer, in the order of the calls, with the
        columns :data:`STATISTICS`; null if a number is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    noise, offset = (
        torch.randn(images.shape, generator=generator).to(images.device) for _ in range(2)
    )
    perturbed = images + PERTURBATION * offset
    rows: list[dict[str, float]] = []
    measured = MeasuredNetwork(network)
    parameters = measured.module.parameters()
    with measuring(measured.functions, parameters), torch.enable_grad():
        for source, x in zip(SOURCES, (images, noise, perturbed), strict=True):
            for number, tensors in enumerate(_uses(measured, x)):
                if source == SOURCES[0]:
                    weight = tensors["weight"]
                    rows.append({"weight.size": float(weight.numel()), **_reduce("weight", weight)})
                for name in TENSORS:
                    rows[number] |= _reduce(f"{source}.{name}", tensors[name])
    frame = pl.DataFrame(rows, schema=dict.fromkeys(STATISTICS, pl.Float64))
    return frame.select(pl.when(pl.all().is_finite()).then(pl.all()))


def _uses(network: MeasuredNetwork, images: Tensor) -> Iterator[Mapping[str, Tensor]]:
    """Run a network, and yield the tensors of each call of a layer."""
    uses: list[tuple[Tensor, Tensor, Tensor]] = []

    def keep(operation: Operation, out: Tensor) -> Tensor | None:
        if operation.weight is None:
            return None
        uses.append((operation.weight, operation.input, out))
        return out.clone()  # the network may overwrite its own copy

    with network.operations.observing(dict.fromkeys(WEIGHTED, keep)):
        logits = network(images.detach().clone().requires_grad_(True))
    wanted = [tensor for use in uses for tensor in use]
    reached = [tensor for tensor in wanted if tensor.requires_grad]
    gradients = torch.autograd.grad(logits.sum(), reached, materialize_grads=True)
    gradient_of = {id(t): g for t, g in zip(reached, gradients, strict=True)}
    for use in uses:
        tensors: dict[str, Tensor] = {}
        for name, tensor in zip(("weight", "input", "output"), use, strict=True):
            gradient = gradient_of.get(id(tensor))
            tensors[name] = tensor.detach()
            tensors[f"{name}_gradient"] = torch.zeros_like(tensor) if gradient is None else gradient
        yield tensors


def _reduce(name: str, tensor: Tensor) -> dict[str, float]:
    return {f"{name}.{kind}": float(reduce(tensor)) for kind, reduce in REDUCTIONS.items()}
