"""Which features to compute, and under which settings."""

import hashlib
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from acorn.datasets import get_dataset
from acorn.features.proxy_settings import ProxySettings

if TYPE_CHECKING:  # the server reads recipes in a process without torch
    from acorn.batches import Batch

PROXIES_FOLDER = Path(__file__).parents[1] / "proxies"
"""Folder of the modules of the proxies, for processes that do not import torch."""


@dataclass(frozen=True, slots=True)
class FeatureRecipe:
    """Everything that determines the features of an architecture; a worker process needs no more.

    Attributes
    ----------
    settings : ProxySettings
        Settings under which the features must be computed.
    names : tuple of str
        Features to compute. Structure features are always computed; only the proxies among the
        names matter to an extractor.
    images : str or None, default=None
        A source that :func:`acorn.batches.open_batch` reads; None is the embedded batch.
    """

    settings: ProxySettings
    names: tuple[str, ...]
    images: str | None = None

    @classmethod
    def create(
        cls,
        dataset: str,
        proxies: str | Iterable[str] = "all",
        images: str | None = None,
        batch_size: int = 32,
        seed: int = 0,
    ) -> Self:
        """Make a recipe from a batch of images.

        Parameters
        ----------
        dataset : str
            Name of the dataset.
        proxies : str or iterable of str, default="all"
            Names of proxies or of sets of proxies.
        images : str, optional
            Source of the images; by default the embedded batch.
        batch_size : int, default=32
            Number of images.
        seed : int, default=0
            Seeds weights and noise.

        Returns
        -------
        FeatureRecipe

        Raises
        ------
        UnknownDatasetError, UnknownProxyError
            For a name that is not registered.
        InvalidBatchError
            If the images cannot be read.
        """
        from acorn.proxies import select

        names = tuple(proxy.name for proxy in select(proxies))
        batch = _open_batch(images, dataset, batch_size)
        return cls(ProxySettings.of_batch(dataset, batch, seed=seed), names, images)

    @property
    def needs_proxies(self) -> bool:
        """Whether a feature is a proxy, so that networks have to be run; names tell it."""
        return any("." not in name for name in self.names)

    @property
    def key(self) -> str:
        """Short hash, equal for equal recipes: part of the key of cached features."""
        text = "\n".join((self.settings.digest, *self.names))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def batch(self) -> "Batch":
        """Images and labels, read once a process."""
        return _open_batch(self.images, self.settings.dataset, self.settings.batch_size)


@cache
def proxy_names() -> tuple[str, ...]:
    """List the registered proxies without importing torch: each has a module of its name.

    Returns
    -------
    tuple of str
        Names, sorted.
    """
    names = (module.name for module in pkgutil.iter_modules([str(PROXIES_FOLDER)]))
    return tuple(sorted(name for name in names if not name.startswith("_")))


@cache
def _open_batch(images: str | None, dataset: str, size: int) -> "Batch":
    from acorn.batches import open_batch

    return open_batch(images, get_dataset(dataset), size=size)
