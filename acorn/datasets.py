"""Datasets of the labels: input shape, number of classes and normalisation.

A dataset that is not registered is named after its images and classes: ``1x16x16-10`` is any task
of 10 classes on images of one channel and 16 x 16 pixels.
"""

import re
from dataclasses import dataclass, replace

from acorn.errors import UnknownDatasetError


@dataclass(frozen=True, slots=True)
class Dataset:
    """An image classification task.

    Attributes
    ----------
    name : str
        Spelling of the benchmark, as in label columns.
    height, width : int
        Input size in pixels.
    num_classes : int
        Number of classes.
    mean, std : tuple of float, length 3
        Normalisation of the red, green and blue pixels in 0..1, as the benchmarks trained with.
    design : bool, default=False
        Whether structure features include :func:`acorn.graph.design_features`: people deploy
        networks for this task, whose building blocks differ.
    channels : int, default=3
        Number of channels of the images; 3 is RGB.
    """

    name: str
    height: int
    width: int
    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    design: bool = False
    channels: int = 3

    @classmethod
    def of_shape(cls, input_shape: tuple[int, int, int], num_classes: int) -> "Dataset":
        """Find the dataset of images of a shape.

        Parameters
        ----------
        input_shape : tuple of int
            (channels, height, width) of one image, in pixels.
        num_classes : int
            Number of classes.

        Returns
        -------
        Dataset
            The first registered one of this shape and number of classes. If there is none, one
            named after them, such as ``1x16x16-10``, whose images are scaled to -1..1.
        """
        for dataset in DATASETS.values():
            if (dataset.input_shape, dataset.num_classes) == (input_shape, num_classes):
                return dataset
        channels, height, width = input_shape
        name = f"{channels}x{height}x{width}-{num_classes}"
        half = (0.5, 0.5, 0.5)
        return cls(name, height, width, num_classes, half, half, channels=channels)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        return (self.channels, self.height, self.width)

    @property
    def is_registered(self) -> bool:
        """Whether it is one of :data:`DATASETS`, not one named after its images and classes."""
        return self.name in DATASETS

    def at(self, image_size: int | None) -> "Dataset":
        """Make the same task with square images of another size.

        Parameters
        ----------
        image_size : int or None
            Height and width in pixels; None keeps the size of the dataset.

        Returns
        -------
        Dataset
            A copy with this size.
        """
        if image_size is None:
            return self
        return replace(self, height=image_size, width=image_size)


# Normalisation constants: NAS-Bench-201 (Dong and Yang, ICLR 2020), data pipeline; for ImageNet
# those that torchvision and timm use.
DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset("cifar10", 32, 32, 10, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
        Dataset("cifar100", 32, 32, 100, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
        Dataset("ImageNet16-120", 16, 16, 120, (0.4811, 0.4575, 0.4078), (0.2604, 0.2532, 0.2682)),
        Dataset(
            "imagenet1k", 224, 224, 1000, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), design=True
        ),
    )
}


_PARTS = re.compile(r"[-_ ]|(?<=[a-z])(?=[0-9])")
_SHAPE = re.compile(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,4})x([1-9][0-9]{0,4})-([1-9][0-9]{0,6})")
_LONGEST_NAME = 40


def get_dataset(name: str) -> Dataset:
    """Look up a dataset by name, in any usual spelling.

    Parameters
    ----------
    name : str
        Case does not matter, nor does the separator before a number (``-``, ``_``, a space or
        nothing): ``CIFAR10``, ``cifar-10`` and ``imagenet16_120`` are found. The name of a dataset
        that is not registered is its shape and classes, such as ``1x16x16-10``.

    Returns
    -------
    Dataset
        The registered dataset, or that of the shape.

    Raises
    ------
    UnknownDatasetError
        If no dataset has this name, and it is no shape.
    """
    dataset = _find(name)
    if dataset is None:
        raise UnknownDatasetError(name, DATASETS)
    return dataset


def canonical_name(name: str) -> str:
    """Return the spelling of a known dataset; return any other name unchanged.

    Parameters
    ----------
    name : str
        As :func:`get_dataset` reads it. Label tables may have columns of datasets that are not
        registered, so an unknown name is no error here.

    Returns
    -------
    str
        Name of the dataset.
    """
    dataset = _find(name)
    return name if dataset is None else dataset.name


def _find(name: object) -> Dataset | None:
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return None
    if (shape := _SHAPE.fullmatch(name.strip().lower())) is not None:
        channels, height, width, num_classes = map(int, shape.groups())
        return Dataset.of_shape((channels, height, width), num_classes)
    parts = _split(name)
    return next((known for known in DATASETS.values() if _split(known.name) == parts), None)


def _split(name: str) -> list[str]:
    """Split ``ImageNet16-120`` into imagenet, 16 and 120, so that ``cifar1-00`` stays unknown."""
    return _PARTS.split(name.strip().lower())
