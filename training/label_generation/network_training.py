"""Trains one network from scratch, and measures its accuracy."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor, nn
from torch.nn import functional

from acorn.datasets import Dataset
from acorn.errors import InputError
from training.label_generation.images import Images, normalised


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a network is trained.

    The defaults are those of Dong and Yang, NAS-Bench-201, ICLR 2020, table 1: SGD with Nesterov
    momentum, a cosine schedule from ``lr`` to 0, random crops and horizontal flips.

    Attributes
    ----------
    epochs : int, default=200
        Passes over the training images.
    batch_size : int, default=256
        Images of a step.
    lr : float, default=0.1
        Initial learning rate.
    momentum : float, default=0.9
        Nesterov momentum.
    weight_decay : float, default=5e-4
        L2 penalty.
    crop : int or None, default=None
        Black pixels padded to each side before a random crop; None is an eighth of the height, 0
        does not crop.
    flip : bool, default=True
        Whether to mirror half of the images.
    bfloat16 : bool, default=False
        Whether forwards of training run under automatic mixed precision, which is faster on recent
        GPUs. Weights, attacks and measurements stay in single precision.
    """

    epochs: int = 200
    batch_size: int = 256
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    crop: int | None = None
    flip: bool = True
    bfloat16: bool = False

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
"""An attack or a corruption of (network, normalised images, classes, dataset, generator)."""


class DivergedError(Exception):
    """The loss or the logits of a network are not finite."""


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
    """Train a network on the device that it is on.

    Parameters
    ----------
    network : torch.nn.Module
        Freshly initialised.
    images : Images
        Training images.
    dataset : Dataset
        Gives mean and standard deviation.
    schedule : Schedule
        How to train.
    adversary : callable, optional
        Attack that replaces each batch (adversarial training: Madry et al., ICLR 2018, equation
        2.1).
    seed : int, default=0
        Seeds the order of images, crops, flips and the attack's random starts.
    on_epoch : callable, optional
        Called with the number of finished epochs.

    Raises
    ------
    DivergedError
        If the loss is not finite.
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
        for rows in torch.randperm(len(images), generator=generator).split(schedule.batch_size):
            if len(rows) == 1:  # one image has no variance
                continue
            pixels = _augmented(images.pixels[rows], schedule, generator)
            x, y = normalised(pixels.to(device), dataset), images.labels[rows].to(device)
            if adversary is not None:
                x = adversary(network, x, y, dataset, generator)
            with torch.autocast(device.type, torch.bfloat16, enabled=schedule.bfloat16):
                logits = network(x)
            loss = functional.cross_entropy(logits.float(), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            decay.step()
            total += loss.detach()
        if not total.isfinite():  # once an epoch, since it waits for the device
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
    """Measure the accuracy of a network.

    Parameters
    ----------
    network : torch.nn.Module
        Trained network.
    images : Images
        Test images.
    dataset : Dataset
        Gives mean and standard deviation.
    batch_size : int
        Images of a forward pass.
    perturbation : callable, optional
        Attack or corruption of the images.
    seed : int, default=0
        Seeds the perturbation.

    Returns
    -------
    float
        Percent of images that are classified correctly.

    Raises
    ------
    DivergedError
        If a logit is not finite.
    """
    device = next(network.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    network.eval()
    correct = 0
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        x = normalised(images.pixels[rows].to(device), dataset)
        y = images.labels[rows].to(device)
        if perturbation is not None:
            x = perturbation(network, x, y, dataset, generator)
        with torch.no_grad():
            logits = network(x)
        if not logits.isfinite().all():
            raise DivergedError("the logits are not all finite")
        correct += int((logits.argmax(dim=1) == y).sum())
    return 100 * correct / len(images)


def _augmented(
    pixels: UInt8[Tensor, "n 3 h w"], schedule: Schedule, generator: torch.Generator
) -> UInt8[Tensor, "n 3 h w"]:
    """Pad and crop at random, and mirror half of the images."""
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
