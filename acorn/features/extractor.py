"""Computes features of architectures: proxies, structure features and columns of the space."""

import time
from collections.abc import Iterable
from functools import lru_cache

from acorn.batches import Batch, resized
from acorn.datasets import Dataset, get_dataset
from acorn.devices import find_device
from acorn.features.feature_table import FeatureRow, check_settings, row_id
from acorn.features.proxy_settings import ProxySettings
from acorn.features.recipe import FeatureRecipe
from acorn.graph import structure_features, trace
from acorn.proxies import list_proxies, run
from acorn.spaces import Space
from acorn.spaces.building import build_seeded, build_without_weights


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
        self,
        space: Space,
        canonical: str,
        *,
        proxies: str | Iterable[str] | None = None,
        image_size: int | None = None,
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
            features alone, which needs no weights.
        image_size : int, optional
            Height and width of the images in pixels; by default that of the dataset. The batch is
            scaled to another size.

        Returns
        -------
        FeatureRow
        """
        start = time.perf_counter()
        dataset, seed = self._dataset.at(image_size), self.settings.seed
        names = self.proxies if proxies is None else proxies
        names = names if isinstance(names, str) else tuple(names)
        reasons: dict[str, str] = {}
        errors: dict[str, float] = {}
        if names:
            network = build_seeded(space, canonical, dataset, seed=seed)
            graph = trace(network, dataset.input_shape)
            vector = run(
                network.to(self._device),
                resized(self._images, dataset),
                self._labels,
                num_classes=dataset.num_classes,
                proxies=names,
                seed=seed,
            )
            proxy_values, reasons, errors = vector.values, vector.reasons, vector.errors
        else:
            proxy_values = {}
            network = build_without_weights(space, canonical, dataset, seed=seed)
            graph = trace(network, dataset.input_shape)
        structure = structure_features(graph, design=dataset.design)
        values = proxy_values | structure | space.columns(canonical)
        seconds = time.perf_counter() - start
        id_ = row_id(f"{space.name}/{canonical}", dataset.name, image_size)
        return FeatureRow(id_, values, reasons, seconds, errors)


@lru_cache(maxsize=64)  # requests choose proxies and seeds
def get_extractor(recipe: FeatureRecipe, device: str = "auto") -> FeatureExtractor:
    """Make the extractor of a recipe; the last ones of a process are kept.

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
