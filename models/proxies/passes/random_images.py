"""RANDOM and BLOCKS: Gaussian noise in place of images."""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from models.proxies.batch_norm import laid_out_like
from models.proxies.passes.blocks import feature_blocks
from models.proxies.passes.watch import captured, watched
from models.proxies.records import BlocksRecord, Records
from models.proxies.registry import Observer
from models.proxies.spectra import Spectra

EPSILON = 1e-8
"""Keeps the log of an empty eigenvalue's share finite (as released with AZ-NAS)."""


class RandomGraph:
    """RANDOM, and the pass that goes back over its graph block by block.

    Parameters
    ----------
    network
        The network, inside :func:`models.proxies.state.preserved`.
    images
        Give shape, device and memory format of the noise.
    records
        Where the results go.
    observers
        Proxies that watch the forward.
    """

    def __init__(
        self, network: nn.Module, images: Tensor, records: Records, observers: Sequence[Observer]
    ) -> None:
        self._network = network
        self._images = images
        self._records = records
        self._observers = observers
        self._features: list[Float[Tensor, "batch channels h w"]] = []

    def random(self, *, keep_graph: bool) -> None:
        """Run noise through the network, and go back from the summed logits to the weights."""
        noise = laid_out_like(torch.randn_like(self._images), self._images)

        def keep(_module: nn.Module, out: Tensor) -> None:
            if out.dim() == 4:
                self._features.append(out)

        keeping = captured(feature_blocks(self._network), keep) if keep_graph else nullcontext()
        with watched(self._network, self._observers), keeping:
            logits = self._network(noise)
        self._records.random_gradients = [
            *torch.autograd.grad(
                logits.sum(),
                self._records.weights,
                retain_graph=keep_graph,
                materialize_grads=True,
            )
        ]

    def blocks(self) -> None:
        """Measure the entropy of each block's output, and the gain of each block's backward.

        Raises
        ------
        ValueError
            For a network with fewer than two blocks that make feature maps.
        """
        blocks, self._features = self._features, []  # with which the graph goes
        if len(blocks) < 2:
            raise ValueError("the network has fewer than two blocks that make feature maps")
        gains = _gains(zip(blocks[-2::-1], blocks[:0:-1], strict=True))
        self._records.blocks = BlocksRecord(_entropies(blocks), gains)


@torch.no_grad()
def _entropies(
    blocks: Iterable[Float[Tensor, "batch channels h w"]],
) -> Float[Tensor, " blocks"]:
    """Entropy of the normalised eigenvalues of the channels' covariance, for each block."""
    spectra = Spectra()
    for features in blocks:
        rows = features.movedim(1, -1).flatten(0, -2).double()
        rows = rows - rows.mean(dim=0)
        spectra.add(rows.T @ rows / len(rows))
    entropies = []
    for eigenvalues in spectra.eigenvalues():
        positive = eigenvalues.clamp_min(0)
        share = positive / positive.sum()
        entropies.append(-(share * (share + EPSILON).log()).sum())
    return torch.stack(entropies)


def _gains(pairs: Iterable[tuple[Tensor, Tensor]]) -> Float[Tensor, " pairs"]:
    """Spectral norm of the correlation of a random sign gradient before and after each block.

    Infinite for a block that hands gradients on unchanged.
    """
    spectra, unchanged = Spectra(), []
    for before, after in pairs:
        correlation, same = _correlation(before, after)
        spectra.add(correlation @ correlation.T)
        unchanged.append(same)
    gains = [squares[-1].clamp_min(0).sqrt() for squares in spectra.eigenvalues()]
    return torch.where(torch.stack(unchanged), torch.inf, torch.stack(gains))


def _correlation(before: Tensor, after: Tensor) -> tuple[Float[Tensor, "n m"], Bool[Tensor, ""]]:
    """Correlate a random sign gradient before and after one block, and tell if they are equal."""
    sent = torch.randint_like(after, 2).mul_(2).sub_(1)
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
        correlation = (into.T @ out).double() / len(out)
        if len(correlation) > correlation.shape[1]:
            correlation = correlation.T
        return correlation, same


def _folded_to(gradient: Tensor, model: Tensor) -> Tensor:
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
