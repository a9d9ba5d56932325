"""Reads a folder that has one subfolder of images for each class."""

from pathlib import Path
from typing import Any

import numpy as np

from acorn.batches.image_reading import UNREADABLE, Indices, Pixels, Source
from acorn.datasets import Dataset
from acorn.errors import InvalidBatchError, one_line
from acorn.optional import need

_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp"})


def read_folder(path: Path, dataset: Dataset) -> Source:
    """List the images of each class; classes are numbered in the order of their folders' names.

    Parameters
    ----------
    path : pathlib.Path
        Folder with one subfolder for each class.
    dataset : Dataset
        Gives the expected size of the images.

    Returns
    -------
    Source
        The images, decoded when they are read.

    Raises
    ------
    InvalidBatchError
        If there are no images; on reading, if an image cannot be decoded or has another size.
    InputError
        If Pillow is not installed.
    """
    classes = sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))
    files: list[Path] = []
    labels: list[int] = []
    for label, folder in enumerate(classes):
        images = sorted(f for f in folder.iterdir() if f.suffix.lower() in _SUFFIXES)
        files += images
        labels += [label] * len(images)
    if not files:
        raise InvalidBatchError(
            f"no images in {path.name!r}; expected one subfolder a class "
            f"with {', '.join(sorted(_SUFFIXES))}"
        )
    pillow = need("PIL.Image", extra="images")

    def read(indices: Indices) -> Pixels:
        return np.stack([_image(files[index], pillow, dataset) for index in indices])

    return Source(np.array(labels, dtype=np.int64), read)


def _image(path: Path, pillow: Any, dataset: Dataset) -> Pixels:
    name = f"{path.parent.name}/{path.name}"
    try:
        with pillow.open(path) as image:
            # Only the header has been read, so that a huge image is refused before it is decoded.
            size = (image.height, image.width)
            if size != (dataset.height, dataset.width):
                raise InvalidBatchError(
                    f"{name!r} is {size[0]}x{size[1]}; expected {dataset.height}x{dataset.width} "
                    f"for {dataset.name} (resizing is left to you)"
                )
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (*UNREADABLE, SyntaxError, pillow.DecompressionBombError) as error:
        raise InvalidBatchError(
            f"cannot read {name!r} ({one_line(error)[:100]}); expected an image"
        ) from error
