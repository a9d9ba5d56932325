"""Datasets of the labels: input shape, number of classes and normalisation."""

import re
from dataclasses import dataclass

from acorn.errors import UnknownDatasetError


@dataclass(frozen=True, slots=True)
class Dataset:
    """An image classification task.

    Attributes
    ----------
    name : str
        The benchmark's own spelling, as in label columns.
    height, width : int
        Input size in pixels; inputs are RGB.
    num_classes : int
        Number of classes.
    mean, std : tuple of float, length 3
        Per-channel normalisation of pixels in 0..1, as the benchmarks trained with.
    """

    name: str
    height: int
    width: int
    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        return (3, self.height, self.width)


# Normalisation constants: NAS-Bench-201 (Dong and Yang, ICLR 2020), data pipeline.
DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset("cifar10", 32, 32, 10, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
        Dataset("cifar100", 32, 32, 100, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
        Dataset("ImageNet16-120", 16, 16, 120, (0.4811, 0.4575, 0.4078), (0.2604, 0.2532, 0.2682)),
    )
}


_PARTS = re.compile(r"[-_ ]|(?<=[a-z])(?=[0-9])")
_LONGEST_NAME = 40


def get_dataset(name: str) -> Dataset:
    """Look up a dataset by name, in any usual spelling.

    Parameters
    ----------
    name : str
        Case does not matter, nor does the separator before a number (``-``, ``_``, a space or
        nothing): ``CIFAR10``, ``cifar-10`` and ``imagenet16_120`` are found.

    Returns
    -------
    Dataset
        The registered dataset.

    Raises
    ------
    UnknownDatasetError
        If no dataset has this name.
    """
    try:
        return DATASETS[name]
    except (KeyError, TypeError):
        dataset = _find_by_spelling(name)
    if dataset is None:
        raise UnknownDatasetError(name, DATASETS)
    return dataset


def canonical_name(name: str) -> str:
    """Return a registered dataset's own spelling; any other name is returned unchanged.

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
    dataset = DATASETS.get(name) or _find_by_spelling(name)
    return name if dataset is None else dataset.name


def _find_by_spelling(name: object) -> Dataset | None:
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return None
    parts = _split(name)
    return next((known for known in DATASETS.values() if _split(known.name) == parts), None)


def _split(name: str) -> list[str]:
    """Split ``ImageNet16-120`` into imagenet, 16 and 120, so that ``cifar1-00`` stays unknown."""
    return _PARTS.split(name.strip().lower())
