"""Shared parts of the readers of images."""

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acorn.datasets import Dataset
from acorn.errors import InvalidBatchError

Pixels = NDArray[np.uint8]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Source:
    """Images that are read on demand.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        Labels as in the files.
    read : callable
        Maps indices of shape (k,) to uint8 pixels of shape (k, height, width, 3).
    """

    labels: Indices
    read: Callable[[Indices], Pixels]


def pixel_reader(images: NDArray[Any], dataset: Dataset) -> Callable[[Indices], Pixels]:
    """Check images, and make a function that reads some of them.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, 3) or (n, 3, height, width)
        uint8, or floats in 0..1.
    dataset : Dataset
        Gives the expected size.

    Returns
    -------
    callable
        Maps indices of shape (k,) to uint8 pixels of shape (k, height, width, 3).

    Raises
    ------
    InvalidBatchError
        For another shape or type; on reading, for floats outside 0..1.
    """
    last, first = (dataset.height, dataset.width, 3), (3, dataset.height, dataset.width)
    if images.shape[1:] not in (last, first) or images.ndim != 4:
        raise InvalidBatchError(
            f"images of shape {images.shape}; expected (n, {dataset.height}, {dataset.width}, 3) "
            f"or (n, 3, {dataset.height}, {dataset.width}) for {dataset.name} "
            "(resizing is left to you)"
        )
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise InvalidBatchError(
            f"images of type {images.dtype}; expected uint8 in 0..255 or floats in 0..1"
        )

    def read(indices: Indices) -> Pixels:
        chosen = images[indices]
        if chosen.shape[1:] != last:
            chosen = chosen.transpose(0, 2, 3, 1)
        return _eight_bits(chosen)

    return read


def _eight_bits(images: NDArray[Any]) -> Pixels:
    if images.dtype == np.uint8:
        return images
    # This form of the condition also refuses NaN.
    if not bool(np.all((images >= 0.0) & (images <= 1.0))):
        raise InvalidBatchError(
            f"float pixels from {images.min()} to {images.max()}; expected 0..1"
        )
    return np.floor(images.astype(np.float64) * 255.0 + 0.5).astype(np.uint8)


# Raised by the readers of zip, npy, image and pickle formats on files of another format.
UNREADABLE = (
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
