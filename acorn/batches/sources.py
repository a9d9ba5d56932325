"""Reads batches of images from npz files, folders of images and torchvision's CIFAR folders.

Images are never resized, and no file can run code.
"""

from pathlib import Path

import numpy as np

from acorn.batches.batch import Batch, check_size, embedded_batch, make_batch
from acorn.batches.cifar import find_cifar
from acorn.batches.image_folder import read_folder
from acorn.batches.image_reading import Indices, Source
from acorn.batches.npz import read_npz
from acorn.batches.stream import Stream
from acorn.datasets import Dataset
from acorn.errors import InvalidBatchError, abbreviate


def load_batch(source: str | Path, dataset: Dataset, *, size: int = 64, seed: int = 0) -> Batch:
    """Read a class-balanced batch of images.

    Parameters
    ----------
    source : str or pathlib.Path
        One of

        - an ``.npz`` file with arrays ``x_train`` and ``y_train``, ``x`` and ``y``, or ``images``
          and ``labels`` (the first pair that it has). Images are (n, height, width, 3) or
          (n, 3, height, width), either uint8 or floats in 0..1, which are rounded to 8 bits;
          labels are integers of shape (n,) or (n, 1);
        - a folder with one subfolder of images for each class; classes are numbered in the order
          of the subfolders' names (needs Pillow);
        - the root folder of torchvision's CIFAR-10 or CIFAR-100, or the folder of pickles in it:
          the training split.
    dataset : Dataset
        Gives the expected shape, the number of classes and the normalisation. For
        ImageNet16-120, whose files number classes from 1, labels without a 0 are shifted: 1..120
        become 0..119, and images of other classes are left out.
    size : int, default=64
        Number of images. Classes have equal numbers of images (within one) while they have enough.
    seed : int, default=0
        Seed of the choice of images. The choice is the same on every platform, and a smaller batch
        is the beginning of a larger one.

    Returns
    -------
    Batch
        The chosen images.

    Raises
    ------
    InvalidBatchError
        If there is no such source, or it cannot be read, or its images have another size, or
        its labels are not among the dataset's classes, or it has fewer than ``size`` images.
    InputError
        If a folder of images is given and Pillow is not installed.
    """
    check_size(size)
    path = Path(source)
    images = _open(path, dataset)
    numbers, labels = known_classes(images.labels, dataset)
    chosen = _choose(labels, size, seed)
    pixels = images.read(numbers[chosen])
    return make_batch(pixels, labels[chosen], dataset, name=f"{path.name}, seed {seed}")


def open_batch(source: str | Path | None, dataset: Dataset, *, size: int = 64) -> Batch:
    """Read images as :func:`load_batch` does; without a source, generate the embedded batch.

    Parameters
    ----------
    source : str, pathlib.Path or None
        As in :func:`load_batch`.
    dataset : Dataset
        Gives the shape, the number of classes and the normalisation.
    size : int, default=64
        Number of images.

    Returns
    -------
    Batch
        The images.
    """
    if source is None:
        return embedded_batch(dataset, size=size)
    return load_batch(source, dataset, size=size)


def _open(path: Path, dataset: Dataset) -> Source:
    if path.is_file():
        return read_npz(path, dataset)
    if not path.is_dir():
        raise InvalidBatchError(
            f"no file or folder {abbreviate(str(path))}; expected an npz file, "
            "a folder of images or a CIFAR root"
        )
    return find_cifar(path, dataset) or read_folder(path, dataset)


def known_classes(labels: Indices, dataset: Dataset) -> tuple[Indices, Indices]:
    """Find the images whose class belongs to a dataset.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Labels as in the files.
    dataset : Dataset
        Gives the number of classes.

    Returns
    -------
    numbers : ndarray of int64, shape (k,)
        Indices of these images.
    labels : ndarray of int64, shape (k,)
        Their labels in 0..num_classes-1.

    Raises
    ------
    InvalidBatchError
        If a label is out of range.
    """
    numbers = np.arange(len(labels), dtype=np.int64)
    if dataset.name == "ImageNet16-120" and len(labels) and labels.min() >= 1:
        numbers = numbers[labels <= dataset.num_classes]
        labels = labels[numbers] - 1
    outside = labels[(labels < 0) | (labels >= dataset.num_classes)]
    if len(outside):
        raise InvalidBatchError(
            f"label {outside[0]}; expected 0..{dataset.num_classes - 1} for {dataset.name}"
        )
    return numbers, labels


def _choose(labels: Indices, size: int, seed: int) -> Indices:
    """Choose ``size`` images, one of each class in turn, in a random order of the classes."""
    if len(labels) < size:
        raise InvalidBatchError(f"{len(labels)} images; expected at least {size}")
    shuffled = np.argsort(Stream("choice", seed).uniform(len(labels)), kind="stable")
    # An image's turn is the number of images of its class before it.
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, first, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
    turn = np.empty(len(labels), dtype=np.int64)
    turn[by_class] = np.arange(len(labels)) - np.repeat(first, counts)
    return shuffled[np.argsort(turn[shuffled], kind="stable")][:size]
