"""Conditions under which proxies were computed: only values of equal settings can be compared."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from acorn.batches import Batch

ENGINE_VERSION = 3
"""Increased whenever a change of the engine or of a proxy changes a value by more than rounding."""

EMBEDDED: Mapping[str, tuple[int, str]] = {
    "cifar10": (16, "5b35ca55b94f5a0c0abf53f6ead706e7f402deec21e4e3932e59d8b417fb8ee6"),
    "cifar100": (16, "505f3d367606bd70a5761ff4b82dc10ee96be9f6bf4b7de36227fa4a45e7a244"),
    "ImageNet16-120": (16, "83e98f23a3e7424fff79369ab568dfc26e89a8c701a49637bc141a1ab2752379"),
    "imagenet1k": (8, "7565e2a6f8e456106d710f0d0fd726a85721e862f07729b3e4c68035ae43d0bb"),
}
"""Number of images and SHA-256 of the generated batch with which a server computes proxies, by
dataset; listed here because the server's own process imports no torch."""


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

    @classmethod
    def embedded(cls, dataset: str, *, seed: int) -> Self:
        """Settings of the present engine with the generated batch of :data:`EMBEDDED`.

        Parameters
        ----------
        dataset : str
            Name of a registered dataset.
        seed : int
            Seeds the weights and all noise.

        Returns
        -------
        ProxySettings
        """
        size, digest = EMBEDDED[dataset]
        return cls(dataset, "dead leaves, seed 0", size, digest, seed)

    @property
    def digest(self) -> str:
        """Short hash of all settings: the key under which values are cached."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
