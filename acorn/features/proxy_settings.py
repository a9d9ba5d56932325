"""Conditions under which proxies were computed: only values of equal settings can be compared."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from acorn.batches import Batch

ENGINE_VERSION = 3
"""Increased whenever a change of the engine or of a proxy changes a value."""


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What a proxy's value depends on besides the architecture.

    Attributes
    ----------
    dataset : str
        Name of the dataset, which gives the input shape and the number of classes.
    batch : str
        Name of the batch of images.
    batch_size : int
        Number of images.
    batch_digest : str
        SHA-256 of the normalised images and labels.
    seed : int
        Seeds the weights and all noise.
    initialisation : str, default="torch defaults"
        How weights are drawn.
    batch_norm : str, default="batch"
        ``"batch"``: layers normalise by the statistics of the batch at hand.
    dtype : str, default="float32"
        Precision of images and weights.
    engine_version : int, default=ENGINE_VERSION
        :data:`ENGINE_VERSION` of the code that computed the values.
    """

    dataset: str
    batch: str
    batch_size: int
    batch_digest: str
    seed: int
    initialisation: str = "torch defaults"
    batch_norm: str = "batch"
    dtype: str = "float32"
    engine_version: int = ENGINE_VERSION

    @classmethod
    def of_batch(cls, dataset: str, batch: "Batch", *, seed: int) -> Self:
        """Settings of the present engine with a batch of images.

        Parameters
        ----------
        dataset : str
            Name of the dataset.
        batch : Batch
            Images and labels.
        seed : int
            Seeds the weights and all noise.

        Returns
        -------
        ProxySettings
        """
        return cls(dataset, batch.name, len(batch.images), batch.digest, seed)

    @property
    def digest(self) -> str:
        """Short hash of all settings: the key under which values are cached."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
