"""Batches of images on which proxies are computed."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from acorn.batches.dead_leaves import dead_leaves
from acorn.datasets import Dataset
from acorn.errors import InvalidBatchError


# Comparisons of tensors have no truth value, so that a batch equals only itself.
@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Labelled images, ready for a network.

    Proxy values of different batches must not be mixed; ``digest`` identifies a batch.

    Attributes
    ----------
    images : torch.Tensor, shape (n, channels, height, width)
        float32, normalised per channel by the dataset's mean and standard deviation.
    labels : torch.Tensor, shape (n,)
        int64, each in 0..num_classes-1.
    name : str
        Human-readable source of the images.
    digest : str
        SHA-256, in hexadecimal, of the dtypes, shapes and bytes of images and labels.
    """

    images: torch.Tensor
    labels: torch.Tensor
    name: str
    digest: str


def make_batch(
    pixels: NDArray[np.uint8], labels: NDArray[np.int64], dataset: Dataset, *, name: str
) -> Batch:
    """Normalise 8-bit images, and hash the batch.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (n, height, width, channels)
        Images.
    labels : ndarray of int64, shape (n,)
        Classes.
    dataset : Dataset
        Gives the mean and the standard deviation.
    name : str
        Becomes :attr:`Batch.name`.

    Returns
    -------
    Batch
        The normalised images.
    """
    mean = np.resize(np.array(dataset.mean, dtype=np.float32), pixels.shape[-1])
    std = np.resize(np.array(dataset.std, dtype=np.float32), pixels.shape[-1])
    scaled = (pixels.astype(np.float32) / np.float32(255.0) - mean) / std
    images = np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
    classes = np.ascontiguousarray(labels, dtype=np.int64)
    return Batch(
        torch.from_numpy(images), torch.from_numpy(classes), name, _digest(images, classes)
    )


LARGEST_DRAWN = 64
"""Largest side, in pixels, that is drawn. Larger images are scaled up, since the time to draw grows
with the cube of the side."""


def embedded_batch(dataset: Dataset, *, size: int = 64, seed: int = 0) -> Batch:
    """Generate images with the statistics of small photographs; nothing is downloaded.

    The bytes are the same on every platform, and a smaller batch is the beginning of a larger one.
    A single channel is the mean of the colours; other numbers of channels repeat the colours.

    Parameters
    ----------
    dataset : Dataset
        Gives the shape, the number of classes and the normalisation.
    size : int, default=64
        Number of images; their labels are 0, 1, ..., num_classes-1, 0, 1, ...
    seed : int, default=0
        Another seed gives other images.

    Returns
    -------
    Batch
        The images and their labels.

    Raises
    ------
    InvalidBatchError
        If ``size`` is not positive.

    See Also
    --------
    acorn.batches.dead_leaves : how the images are made, with references.
    """
    check_size(size)
    side = max(dataset.height, dataset.width)
    drawn_side = min(side, LARGEST_DRAWN)
    top, left = (side - dataset.height) // 2, (side - dataset.width) // 2
    labels = np.arange(size, dtype=np.int64) % dataset.num_classes
    pixels = np.stack(
        [
            _enlarged(dead_leaves(drawn_side, seed=seed, index=index, label=int(label)), side)
            for index, label in enumerate(labels)
        ]
    )[:, top : top + dataset.height, left : left + dataset.width]
    if dataset.channels == 1:
        pixels = (pixels.sum(axis=-1, dtype=np.int64, keepdims=True) // 3).astype(np.uint8)
    elif dataset.channels != 3:
        pixels = pixels[..., np.arange(dataset.channels) % 3]
    return make_batch(pixels, labels, dataset, name=f"dead leaves, seed {seed}")


def check_size(size: int) -> None:
    """Check the size of a batch.

    Parameters
    ----------
    size : int
        Number of images.

    Raises
    ------
    InvalidBatchError
        If it is not positive.
    """
    if size < 1:
        raise InvalidBatchError(f"batch size {size}; expected at least 1")


def _enlarged(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Scale a square image up, bilinear in integers, so that the bytes depend on no platform."""
    drawn = len(pixels)
    if drawn == side:
        return pixels
    # Centre of each pixel, in the small image, in units of 1 / (2 * side) of its pixels.
    centre = np.clip((2 * np.arange(side) + 1) * drawn - side, 0, 2 * side * (drawn - 1))
    low, share = centre // (2 * side), centre % (2 * side)
    high = np.minimum(low + 1, drawn - 1)
    wide = pixels.astype(np.int64)
    rest = 2 * side - share
    wide = wide[low] * rest[:, None, None] + wide[high] * share[:, None, None]
    wide = wide[:, low] * rest[None, :, None] + wide[:, high] * share[None, :, None]
    return ((wide + 2 * side**2) // (2 * side) ** 2).astype(np.uint8)


def _digest(images: NDArray[np.float32], labels: NDArray[np.int64]) -> str:
    digest = hashlib.sha256()
    for array in (images, labels):
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{little.dtype.str} {little.shape} ".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()


def resized(
    images: Float[Tensor, "batch channels height width"], dataset: Dataset
) -> Float[Tensor, "batch channels rows columns"]:
    """Scale images to the input size of a dataset.

    Parameters
    ----------
    images : Tensor (batch, channels, height, width)
        Images.
    dataset : Dataset
        Gives the height and width.

    Returns
    -------
    Tensor (batch, channels, dataset.height, dataset.width)
        The images themselves if they have this size.
    """
    size = (dataset.height, dataset.width)
    if images.shape[2:] == size:
        return images
    return functional.interpolate(images, size, mode="bilinear", antialias=True)
