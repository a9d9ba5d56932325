"""Which architectures a bundle was trained on, as fingerprints of their ids."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from acorn.forests._tensors import expect_tensors, read_tensors, write_tensors


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """The architectures that a bundle was trained on.

    Attributes
    ----------
    fingerprints : ndarray of uint64 of shape (n,)
        First eight bytes of the SHA-256 of each id, ascending.
    """

    fingerprints: NDArray[np.uint64]

    @classmethod
    def of(cls, ids: Iterable[str]) -> Self:
        """Make the set of some ids."""
        return cls(np.unique(_fingerprints(ids)))

    def contains(self, ids: Iterable[str]) -> NDArray[np.bool_]:
        """Whether each id was trained on, shape (n,)."""
        return np.isin(_fingerprints(ids), self.fingerprints)

    def among(self, ids: Sequence[str]) -> list[str]:
        """Those of some ids that were trained on, in their order."""
        return [id_ for id_, known in zip(ids, self.contains(ids), strict=True) if known]

    def __len__(self) -> int:
        return len(self.fingerprints)

    def to_bytes(self) -> bytes:
        """Serialise the fingerprints as a safetensors file."""
        return write_tensors({"prints": self.fingerprints})

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote; raises BundleError."""
        arrays = read_tensors(content)
        expect_tensors(arrays, {"prints": (np.uint64, 1)})
        return cls(arrays["prints"])


def _fingerprints(ids: Iterable[str]) -> NDArray[np.uint64]:
    heads = [hashlib.sha256(id_.encode()).digest()[:8] for id_ in ids]
    return np.array([int.from_bytes(head, "big") for head in heads], np.uint64)
