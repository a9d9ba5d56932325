"""Images to train and to test networks on."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from acorn.batches.cifar import find_cifar
from acorn.batches.image_folder import read_folder
from acorn.batches.image_reading import Indices, Pixels, Source
from acorn.batches.npz import has_test_images, read_npz
from acorn.batches.sources import known_classes
from acorn.batches.stream import Stream
from acorn.datasets import Dataset
from acorn.errors import InvalidBatchError, abbreviate
from training.groups import turns

HELD_OUT = 5
"""If a source has no test images, one in this number of images of each class is a test image."""


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images as they are stored, to be normalised batch by batch.

    Attributes
    ----------
    pixels : torch.Tensor
        uint8, shape (n, 3, height, width).
    labels : torch.Tensor
        Integers in 0..num_classes-1, shape (n,).
    """

    pixels: UInt8[Tensor, "n 3 h w"]
    labels: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """SHA-256 of pixels and labels."""
        content = hashlib.sha256(self.pixels.numpy().tobytes())
        content.update(self.labels.numpy().astype("<i8").tobytes())
        return content.hexdigest()


def load_images(path: Path, dataset: Dataset) -> tuple[Images, Images]:
    """Read all images of a source.

    Parameters
    ----------
    path : pathlib.Path
        An npz file (``x_train``, ``y_train``, ``x_test``, ``y_test``), a folder with folders
        ``train`` and ``test``, each with one subfolder of images for each class, torchvision's
        CIFAR root, or what :func:`acorn.batches.load_batch` reads. If there are no test images, a
        fifth of each class is held out, the same at each call.
    dataset : Dataset
        Gives shape and classes.

    Returns
    -------
    tuple of Images
        Training images and test images.

    Raises
    ------
    InvalidBatchError
        If the source cannot be read, or has fewer than two images to train or to test on.
    """
    train, test = _sources(path, dataset)
    pixels, labels = _read(train, dataset)
    if test is None:
        held = _held_out(labels)
        parts = (pixels[~held], labels[~held]), (pixels[held], labels[held])
    else:
        parts = (pixels, labels), _read(test, dataset)
    for part, what in zip(parts, ("train", "test"), strict=True):
        if len(part[1]) < 2:
            raise InvalidBatchError(
                f"{path.name!r} has {len(part[1])} images to {what} on; expected at least 2"
            )
    first, second = (
        Images(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(classes))
        for images, classes in parts
    )
    return first, second


def normalised(pixels: UInt8[Tensor, "n 3 h w"], dataset: Dataset) -> Float[Tensor, "n 3 h w"]:
    """Scale pixels to 0..1, and normalise them by the dataset's mean and standard deviation.

    Parameters
    ----------
    pixels : torch.Tensor
        uint8, shape (n, 3, height, width).
    dataset : Dataset
        Gives mean and standard deviation.

    Returns
    -------
    torch.Tensor
        float32, same shape.
    """
    mean, std = channel_statistics(dataset, pixels.device)
    return (pixels.float() / 255 - mean) / std


def channel_statistics(dataset: Dataset, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the channels.

    Parameters
    ----------
    dataset : Dataset
        Gives both.
    device : torch.device
        Device of the result.

    Returns
    -------
    tuple of torch.Tensor
        Mean and standard deviation, shape (1, 3, 1, 1).
    """
    mean, std = (
        torch.tensor(values, device=device).view(1, 3, 1, 1)
        for values in (dataset.mean, dataset.std)
    )
    return mean, std


def _sources(path: Path, dataset: Dataset) -> tuple[Source, Source | None]:
    if path.is_file():
        test = read_npz(path, dataset, test=True) if has_test_images(path) else None
        return read_npz(path, dataset), test
    if not path.is_dir():
        raise InvalidBatchError(
            f"no file or folder {abbreviate(str(path))}; expected an npz file, "
            "a folder of images or a CIFAR root"
        )
    folders = [path / "train", path / "test"]
    if all(folder.is_dir() for folder in folders):
        first, second = ({sub.name for sub in f.iterdir() if sub.is_dir()} for f in folders)
        if first != second:
            raise InvalidBatchError(
                f"class {min(first ^ second)!r} is in one of train and test of {path.name!r}; "
                "expected the same classes in both"
            )
        return read_folder(folders[0], dataset), read_folder(folders[1], dataset)
    cifar = find_cifar(path, dataset)
    if cifar is not None:
        return cifar, find_cifar(path, dataset, test=True)
    return read_folder(path, dataset), None


def _read(source: Source, dataset: Dataset) -> tuple[Pixels, Indices]:
    numbers, labels = known_classes(source.labels, dataset)
    return source.read(numbers), labels


def _held_out(labels: Indices) -> np.ndarray:
    """Mark one in :data:`HELD_OUT` images of each class, the same on every machine."""
    shuffled = np.argsort(Stream("held out").uniform(len(labels)), kind="stable")
    held = np.zeros(len(labels), bool)
    held[shuffled] = turns(labels[shuffled]) % HELD_OUT == HELD_OUT - 1
    return held
