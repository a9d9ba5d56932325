"""From an architecture to its features: proxies, structure, and the space's own columns."""

import time
from collections.abc import Iterable

import torch

from acorn.batches import Batch
from acorn.datasets import Dataset
from acorn.features.settings import ProxySettings
from acorn.features.table import FeatureRow
from acorn.graph import structure_features, trace
from acorn.proxies import run
from acorn.spaces import Space


class FeatureExtractor:
    """Computes features under one setting.

    Parameters
    ----------
    dataset
        Input shape and number of classes.
    batch
        Images and labels that the proxies see.
    proxies
        Names of proxies, or ``"all"``.
    seed
        Seeds weights and noise.
    device
        ``"auto"`` is CUDA where there is a device, else the CPU; or any torch device.
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
        self._proxies = proxies if isinstance(proxies, str) else tuple(proxies)
        self._device = torch.device(resolve_device(device))
        self._images = batch.images.to(self._device)
        self._labels = batch.labels.to(self._device)
        self.settings = ProxySettings(
            dataset=dataset.name,
            batch=batch.name,
            batch_size=len(batch.images),
            batch_digest=batch.digest,
            seed=seed,
        )

    def compute(
        self, space: Space, canonical: str, *, proxies: str | Iterable[str] | None = None
    ) -> FeatureRow:
        """Compute the features of one function, from the network of its canonical form.

        Parameters
        ----------
        space, canonical
            Where :meth:`~acorn.spaces.base.Space.parse` put the architecture.
        proxies
            Names of proxies instead of the extractor's own; an empty list is structure only.
        """
        start = time.perf_counter()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            network = space.build(canonical, self._dataset)
        graph = trace(network, self._dataset.input_shape)
        vector = run(
            network.to(self._device),
            self._images,
            self._labels,
            num_classes=self._dataset.num_classes,
            proxies=self._proxies if proxies is None else proxies,
            seed=self.settings.seed,
        )
        values = vector.values | structure_features(graph) | space.columns(canonical)
        return FeatureRow(
            f"{space.name}/{canonical}",
            values,
            vector.reasons,
            time.perf_counter() - start,
            vector.errors,
        )


def resolve_device(device: str) -> str:
    """Spell out ``"auto"``."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"
