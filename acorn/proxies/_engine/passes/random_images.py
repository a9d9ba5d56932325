"""RANDOM and BLOCKS: Gaussian noise in place of images."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from acorn.proxies._engine.observers import watched
from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._engine.records import BlocksRecord
from acorn.proxies._math.layout import laid_out_like
from acorn.proxies._math.spectra import Spectra
from acorn.proxies._network.blocks import showing_blocks

EPSILON = 1e-8
"""Keeps the log of an empty eigenvalue's share finite (as released with AZ-NAS)."""


def _random(measurement: Measurement) -> None:
    """Forward of Gaussian noise and backward of the summed logits to the weights."""
    network, records = measurement.network, measurement.records
    noise = laid_out_like(_noise_like(measurement.images), measurement.images)
    block_outputs: list[Float[Tensor, "batch channels height width"]] = []

    def keep(out: Tensor) -> Tensor | None:
        if out.dim() != 4:
            return None
        block_outputs.append(out)
        return out.clone()  # what the network may write to from here on

    keeps_graph = BLOCKS in measurement.needed
    keeping = showing_blocks(network, keep) if keeps_graph else nullcontext()
    with watched(network, measurement.observers[RANDOM]), keeping:
        logits = network(noise)
    gradients = torch.autograd.grad(
        logits.sum(), records.weights, retain_graph=keeps_graph, materialize_grads=True
    )
    records.random_gradients = [*gradients]
    measurement.kept[RANDOM] = block_outputs


def _blocks(measurement: Measurement) -> None:
    """Backward through each block separately, after *random*."""
    # they hold the graph
    outputs: list[Float[Tensor, "batch channels height width"]] = measurement.kept.pop(RANDOM)
    if len(outputs) < 2:
        raise ValueError("the network has fewer than two blocks that make feature maps")
    unchanged, squares = zip(
        *(_correlated(*pair) for pair in zip(outputs[-2::-1], outputs[:0:-1], strict=True)),
        strict=True,
    )
    spectra = Spectra()
    for matrix in (*squares, *_covariances(outputs)):
        spectra.add(matrix)
    eigenvalues = spectra.eigenvalues()
    largest = torch.stack([squares[-1] for squares in eigenvalues[: len(squares)]])
    gains = torch.where(torch.stack(unchanged), torch.inf, largest.clamp_min(0).sqrt())
    entropies = [_entropy(values) for values in eigenvalues[len(squares) :]]
    measurement.records.blocks = BlocksRecord(torch.stack(entropies), gains)


def _noise_like(
    images: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch channels height width"]:
    """Draw Gaussian noise of a shape: the same whatever layout and device the images have."""
    noise = torch.empty(images.shape, dtype=images.dtype)
    # Torch draws along the memory; tables were made of images with channels last.
    noise = noise.contiguous(memory_format=torch.channels_last)
    return noise.normal_().to(images.device)


@torch.no_grad()
def _covariances(
    outputs: Iterable[Float[Tensor, "_batch _channels _height _width"]],
) -> Iterator[Float[Tensor, "_n _n"]]:
    """Covariance of the channels of each output, or a smaller matrix of the same eigenvalues."""
    for features in outputs:
        rows = features.movedim(1, -1).flatten(0, -2).double()
        rows = rows - rows.mean(dim=0)
        # Of the two products the smaller one: they have the same eigenvalues, but for zeros.
        square = rows.T @ rows if len(rows) >= rows.shape[1] else rows @ rows.T
        yield square / len(rows)


def _entropy(eigenvalues: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Entropy of normalised eigenvalues."""
    positive = eigenvalues.clamp_min(0)
    share = positive / positive.sum()
    return -(share * (share + EPSILON).log()).sum()


def _correlated(
    before: Float[Tensor, "batch inputs height_before width_before"],
    after: Float[Tensor, "batch outputs height width"],
) -> tuple[Bool[Tensor, ""], Float[Tensor, "n n"]]:
    """Correlate a random sign gradient before and after one block, and tell if they are equal.

    A block that hands gradients on unchanged has an infinite gain. The matrix's eigenvalues are the
    squares of the correlation's singular values; it is of the smallest of its three sizes: channels
    before, channels after, and pixels.
    """
    # Drawn with channels last, whatever layout the block's output has.
    batch, channels, *sides = after.shape
    empty = torch.empty((batch, *sides, channels), dtype=after.dtype)
    signs = torch.randint_like(empty, 2).mul_(2).sub_(1)  # on the CPU, for every device
    sent = signs.to(after.device).movedim(-1, 1)
    received: Tensor | None = None
    if after.requires_grad and before.requires_grad:
        (received,) = torch.autograd.grad(
            after, [before], sent, retain_graph=True, allow_unused=True
        )
    if received is None:  # nothing of the block's input reaches its output
        received = torch.zeros_like(before)
    with torch.no_grad():
        alike = received.shape == sent.shape
        same = (received == sent).all() if alike else sent.new_zeros((), dtype=torch.bool)
        unfolded = _folded_to(received, sent)
        out = sent.movedim(1, -1).flatten(0, -2)
        into = unfolded.movedim(1, -1).flatten(0, -2)
        if len(out) < min(into.shape[1], out.shape[1]):
            root = _root((out @ out.T).double())
            return same, root @ (into @ into.T).double() @ root / len(out) ** 2
        correlation = (into.T @ out).double() / len(out)
        if len(correlation) > correlation.shape[1]:
            correlation = correlation.T
        return same, correlation @ correlation.T


def _root(matrix: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """Square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T


def _folded_to(
    gradient: Float[Tensor, "batch inputs height_before width_before"],
    model: Float[Tensor, "batch outputs height width"],
) -> Float[Tensor, "batch folded height width"]:
    """Move the pixels that a stride merges into channels, padding with zeros to whole strides."""
    strides = [-(-g // m) for g, m in zip(gradient.shape[2:], model.shape[2:], strict=True)]
    if strides == [1, 1] and gradient.shape[2:] != model.shape[2:]:
        raise ValueError("a block enlarges its feature map")
    missing = [
        m * s - g for g, m, s in zip(gradient.shape[2:], model.shape[2:], strides, strict=True)
    ]
    if any(missing):
        gradient = functional.pad(gradient, (0, missing[1], 0, missing[0]))
    batch, channels, height, width = gradient.shape
    tiles = gradient.reshape(
        batch, channels, height // strides[0], strides[0], width // strides[1], strides[1]
    )
    return tiles.permute(0, 1, 3, 5, 2, 4).flatten(1, 3)


RANDOM = define_pass(
    "random",
    _random,
    after=SURVEY,
    fills=("random_gradients",),
    shows=("on_activation",),
    cost=1.2,
)
BLOCKS = define_pass("blocks", _blocks, after=RANDOM, fills=("blocks",), cost=0.55)
