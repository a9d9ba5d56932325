"""Reads images and labels from npz files, without pickles."""

import tokenize
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acorn.batches.image_reading import UNREADABLE, Source, pixel_reader
from acorn.datasets import Dataset
from acorn.errors import InvalidBatchError, abbreviate, one_line

_NPZ_KEYS = (("x_train", "y_train"), ("x", "y"), ("images", "labels"))
_TEST_KEYS = (("x_test", "y_test"),)


def has_test_images(path: Path) -> bool:
    """Whether a file is an npz with an array ``x_test``.

    Parameters
    ----------
    path : pathlib.Path
        Any file.

    Returns
    -------
    bool
    """
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "x_test.npy" in archive.namelist()


def read_npz(path: Path, dataset: Dataset, *, test: bool = False) -> Source:
    """Read the first pair of arrays that a file has: x_train/y_train, x/y or images/labels.

    Parameters
    ----------
    path : pathlib.Path
        An npz file.
    dataset : Dataset
        Gives the expected shape of the images.
    test : bool, default=False
        Read x_test/y_test instead.

    Returns
    -------
    Source
        The images and their labels.

    Raises
    ------
    InvalidBatchError
        If the file is no npz, or lacks them, or they are not images and labels of the dataset's
        shape.
    """
    images, labels = _npz_arrays(path, _TEST_KEYS if test else _NPZ_KEYS)
    pixels = pixel_reader(images, dataset)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise InvalidBatchError(
            f"labels of shape {labels.shape} and type {labels.dtype}; "
            f"expected integers of shape ({len(images)},)"
        )
    return Source(labels.astype(np.int64), pixels)


def _npz_arrays(path: Path, keys: tuple[tuple[str, str], ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    # np.load also reads other formats, and warns or maps memory for some; an npz is a zip file.
    if not zipfile.is_zipfile(path):
        raise InvalidBatchError(f"{path.name!r} is no npz file; expected one written by np.savez")
    try:
        # np.load closes a file that it opened late if the archive is broken, so open it here.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            for images, labels in keys:
                if images in arrays and labels in arrays:
                    return _array(arrays[images], images), _array(arrays[labels], labels)
            names = list(arrays)
    except (*UNREADABLE, tokenize.TokenError) as error:
        raise InvalidBatchError(
            f"cannot read {path.name!r} ({one_line(error)[:100]}); expected an npz of numbers"
        ) from error
    raise InvalidBatchError(
        f"{path.name!r} has arrays {abbreviate(names)}; expected "
        + " or ".join(f"{images} and {labels}" for images, labels in keys)
    )


def _array(value: object, name: str) -> NDArray[Any]:
    # A member that is no npy file comes back as bytes.
    if not isinstance(value, np.ndarray):
        raise InvalidBatchError(f"{name} is {type(value).__name__}; expected an array")
    return value
