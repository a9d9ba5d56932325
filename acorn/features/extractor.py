"""From an architecture to its features: proxies, structure, and the space's own columns."""

import time
from collections.abc import Iterable
from functools import cache

import torch
from torch import nn

from acorn.batches import Batch
from acorn.datasets import Dataset, get_dataset
from acorn.devices import find_device
from acorn.features.feature_table import FeatureRow, check_settings
from acorn.features.proxy_settings import ProxySettings
from acorn.features.recipe import FeatureRecipe
from acorn.graph import structure_features, trace
from acorn.proxies import list_proxies, run
from acorn.spaces import Space


class FeatureExtractor:
    """Computes features under one setting.

    Parameters
    ----------
    dataset : Dataset
        Gives the input shape and the number of classes.
    batch : Batch
        Images and labels that the proxies see.
    proxies : str or iterable of str, default="all"
        Names of proxies or of sets of proxies.
    seed : int, default=0
        Seeds weights and noise.
    device : str, default="auto"
        As :func:`~acorn.devices.find_device` reads it.

    Attributes
    ----------
    proxies : str or tuple of str
        What is computed unless :meth:`compute` is told otherwise.
    settings : ProxySettings
        Settings of the computed features.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch: Batch,
        *,
        proxies: str | Iterable[str] = "all",
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self._dataset = dataset
        self._device = find_device(device)
        self._images = batch.images.to(self._device)
        self._labels = batch.labels.to(self._device)
        self.proxies = proxies if isinstance(proxies, str) else tuple(proxies)
        self.settings = ProxySettings.of_batch(dataset.name, batch, seed=seed)

    def compute(
        self, space: Space, canonical: str, *, proxies: str | Iterable[str] | None = None
    ) -> FeatureRow:
        """Compute the features of an architecture from the network of its canonical form.

        Parameters
        ----------
        space : Space
            Space of the architecture.
        canonical : str
            Its canonical form.
        proxies : str or iterable of str, optional
            Names of proxies in place of the extractor's own; an empty list computes the structure
            features alone.

        Returns
        -------
        FeatureRow
        """
        start = time.perf_counter()
        network = build_seeded(space, canonical, self._dataset, seed=self.settings.seed)
        graph = trace(network, self._dataset.input_shape)
        vector = run(
            network.to(self._device),
            self._images,
            self._labels,
            num_classes=self._dataset.num_classes,
            proxies=self.proxies if proxies is None else proxies,
            seed=self.settings.seed,
        )
        values = vector.values | structure_features(graph) | space.columns(canonical)
        seconds = time.perf_counter() - start
        return FeatureRow(
            f"{space.name}/{canonical}", values, vector.reasons, seconds, vector.errors
        )


@cache
def get_extractor(recipe: FeatureRecipe, device: str = "auto") -> FeatureExtractor:
    """Make the extractor of a recipe, once a process.

    Parameters
    ----------
    recipe : FeatureRecipe
        What to compute.
    device : str, default="auto"
        Where to compute it.

    Returns
    -------
    FeatureExtractor

    Raises
    ------
    MismatchError
        If this engine, or the images that are found here, differ from the recipe's settings.
    """
    dataset = get_dataset(recipe.settings.dataset)
    known = set(list_proxies())
    extractor = FeatureExtractor(
        dataset,
        recipe.batch,
        proxies=[name for name in recipe.names if name in known],
        seed=recipe.settings.seed,
        device=device,
    )
    check_settings(recipe.settings, extractor.settings)
    return extractor


def build_seeded(space: Space, arch: str, dataset: Dataset, *, seed: int) -> nn.Module:
    """Build a network with weights drawn from a seed; the global generator stays as it was.

    Parameters
    ----------
    space : Space
        Space of the architecture.
    arch : str
        The architecture.
    dataset : Dataset
        Gives the input shape and the number of classes.
    seed : int
        Seeds the weights.

    Returns
    -------
    torch.nn.Module
        The network on the CPU.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return space.build(arch, dataset)
