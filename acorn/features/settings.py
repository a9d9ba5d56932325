"""Under which conditions proxies were computed: values compare only where these agree."""

import hashlib
import json
from dataclasses import asdict, dataclass

ENGINE_VERSION = 3
"""Raised whenever a change of the engine or of a proxy changes a value."""


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What a proxy's value depends on besides the architecture.

    Attributes
    ----------
    dataset
        Name of the dataset: input shape and number of classes.
    batch
        Name of the batch of images.
    batch_size
        Number of images.
    batch_digest
        SHA-256 of the normalised images and labels.
    seed
        Seeds the weights and all noise.
    initialisation
        How weights are drawn.
    batch_norm
        ``"batch"``: layers normalise by the statistics of the batch at hand.
    dtype
        Precision of images and weights.
    engine_version
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

    @property
    def digest(self) -> str:
        """Short hash of all settings: the key under which values are cached."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
