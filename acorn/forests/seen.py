"""Which functions a forest was trained on, so that its scores can be told apart from its memory."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from acorn.forests.tensors import expect_tensors, read_tensors


def fingerprints(ids: Iterable[str]) -> NDArray[np.uint64]:
    """First eight bytes of the SHA-256 of each id, as numbers."""
    heads = [hashlib.sha256(id_.encode()).digest()[:8] for id_ in ids]
    return np.array([int.from_bytes(head, "big") for head in heads], np.uint64)


@dataclass(frozen=True, eq=False)
class Seen:
    """Ascending fingerprints of the functions of training."""

    prints: NDArray[np.uint64]

    @classmethod
    def of(cls, ids: Iterable[str]) -> Self:
        """Remember functions by their ids."""
        return cls(np.unique(fingerprints(ids)))

    def has(self, ids: Iterable[str]) -> NDArray[np.bool_]:
        """Whether each function was trained on."""
        return np.isin(fingerprints(ids), self.prints)

    def __len__(self) -> int:
        return len(self.prints)

    def to_bytes(self) -> bytes:
        """The array as a safetensors file."""
        return save({"prints": self.prints})

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read :meth:`to_bytes`; raises BundleError."""
        arrays = read_tensors(content)
        expect_tensors(arrays, {"prints": (np.uint64, 1)})
        return cls(arrays["prints"])
