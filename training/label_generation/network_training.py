"""Training one network from scratch."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn
from torch.nn import functional

from acorn.datasets import Dataset
from acorn.errors import InputError
from training.label_generation.images import Images, normalised


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a network is trained; by default as the benchmark of the topology space does.

    Dong and Yang, NAS-Bench-201, ICLR 2020, table 1: SGD with Nesterov momentum, a cosine from
    ``lr`` to 0, random crops and horizontal flips.

    Attributes
    ----------
    epochs, batch_size, lr, momentum, weight_decay
        Of the optimiser.
    crop
        Pixels of black around an image from which it is cropped again: an eighth of its side by
        default; 0 does not crop.
    flip
        Whether half of the images are mirrored.
    """

    epochs: int = 200
    batch_size: int = 256
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    crop: int | None = None
    flip: bool = True

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2:
            raise InputError(
                f"got {self.epochs} epochs and batches of {self.batch_size}; "
                "expected at least 1 epoch and 2 images"
            )
        if not (self.lr > 0 and 0 <= self.momentum < 1 and self.weight_decay >= 0):
            raise InputError(
                f"got learning rate {self.lr}, momentum {self.momentum} and weight decay "
                f"{self.weight_decay}; expected a positive rate, momentum below 1, decay from 0 on"
            )


Perturbation = Callable[[nn.Module, Tensor, Tensor, Dataset, torch.Generator], Tensor]
"""An attack or a corruption; of a network, normalised images, classes, dataset and generator."""


class DivergedError(Exception):
    """Training came to a loss that is no number."""


def fit(
    network: nn.Module,
    images: Images,
    dataset: Dataset,
    schedule: Schedule,
    *,
    adversary: Perturbation | None = None,
    seed: int = 0,
    on_epoch: Callable[[int], None] = lambda _done: None,
) -> None:
    """Train a network where it is, on any device.

    Parameters
    ----------
    network
        Freshly initialised.
    images, dataset
        What to train on.
    schedule
        How.
    adversary
        Replaces each image by an attacked one, which the network is attacked for as it trains
        (Madry et al., ICLR 2018, equation 2.1).
    seed
        Of the order of images, crops, flips and the attack's random starts.
    on_epoch
        Called with the number of epochs done.

    Raises
    ------
    DivergedError
        When the loss is no longer a number.
    """
    device = next(network.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=schedule.lr,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        nesterov=schedule.momentum > 0,
    )
    steps = schedule.epochs * math.ceil(len(images) / schedule.batch_size)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    network.train()
    for epoch in range(schedule.epochs):
        total = torch.zeros((), device=device)
        for rows in _batches(len(images), schedule.batch_size, generator):
            pixels = _augmented(images.pixels[rows], schedule, generator)
            x, y = normalised(pixels.to(device), dataset), images.labels[rows].to(device)
            if adversary is not None:
                x = adversary(network, x, y, dataset, generator)
            loss = functional.cross_entropy(network(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            decay.step()
            total += loss.detach()
        if not total.isfinite():  # asked once an epoch, since asking waits for the device
            raise DivergedError(f"the loss is {total.item()} in epoch {epoch + 1}")
        on_epoch(epoch + 1)


def accuracy(
    network: nn.Module,
    images: Images,
    dataset: Dataset,
    *,
    batch_size: int,
    perturbation: Perturbation | None = None,
    seed: int = 0,
) -> float:
    """Percent of images that a network gets right, after a perturbation if one is given.

    Raises
    ------
    DivergedError
        When a logit is no number.
    """
    device = next(network.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    network.eval()
    right = 0
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        x = normalised(images.pixels[rows].to(device), dataset)
        y = images.labels[rows].to(device)
        if perturbation is not None:
            x = perturbation(network, x, y, dataset, generator)
        with torch.no_grad():
            logits = network(x)
        if not logits.isfinite().all():
            raise DivergedError("the logits are not all numbers")
        right += int((logits.argmax(dim=1) == y).sum())
    return 100 * right / len(images)


def _batches(n: int, size: int, generator: torch.Generator) -> Iterator[Int[Tensor, " batch"]]:
    """All images in a new order; one that is left over alone waits, as it has no variance."""
    for rows in torch.randperm(n, generator=generator).split(size):
        if len(rows) > 1:
            yield rows


def _augmented(
    pixels: UInt8[Tensor, "n 3 h w"], schedule: Schedule, generator: torch.Generator
) -> UInt8[Tensor, "n 3 h w"]:
    """Crop from a black frame, and mirror."""
    n, channels, height, width = pixels.shape
    margin = height // 8 if schedule.crop is None else schedule.crop
    if margin:
        framed = functional.pad(pixels, (margin,) * 4)
        top, left = torch.randint(2 * margin + 1, (2, n, 1), generator=generator)
        rows, columns = top + torch.arange(height), left + torch.arange(width)
        pixels = framed[
            torch.arange(n)[:, None, None, None],
            torch.arange(channels)[:, None, None],
            rows[:, None, :, None],
            columns[:, None, None, :],
        ]
    if schedule.flip:
        mirrored = torch.rand(n, 1, 1, 1, generator=generator) < 0.5
        pixels = torch.where(mirrored, pixels.flip(-1), pixels)
    return pixels
