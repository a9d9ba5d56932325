"""Which architectures a bundle was trained on, as fingerprints of their ids."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Bool, UInt64
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

    fingerprints: UInt64[NDArray[np.uint64], " n"]

    @classmethod
    def of(cls, ids: Iterable[str]) -> Self:
        """Make the set of some ids.

        Parameters
        ----------
        ids : iterable of str
            Ids of architectures, in any order.

        Returns
        -------
        TrainingSet
        """
        return cls(np.unique(_fingerprints(ids)))

    def contains(self, ids: Iterable[str]) -> Bool[NDArray[np.bool_], " n"]:
        """Look up which ids were trained on.

        Parameters
        ----------
        ids : iterable of str
            Ids of n architectures.

        Returns
        -------
        ndarray of bool of shape (n,)
            Whether each was trained on.
        """
        return np.isin(_fingerprints(ids), self.fingerprints)

    def among(self, ids: Sequence[str]) -> list[str]:
        """Select the ids that were trained on.

        Parameters
        ----------
        ids : sequence of str
            Ids of architectures.

        Returns
        -------
        list of str
            Those that were trained on, in the given order.
        """
        return [id_ for id_, known in zip(ids, self.contains(ids), strict=True) if known]

    def __len__(self) -> int:
        return len(self.fingerprints)

    def to_bytes(self) -> bytes:
        """Serialise the fingerprints.

        Returns
        -------
        bytes
            A safetensors file, which :meth:`from_bytes` reads.
        """
        return write_tensors({"prints": self.fingerprints})

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote.

        Parameters
        ----------
        content : bytes
            A safetensors file.

        Returns
        -------
        TrainingSet

        Raises
        ------
        BundleError
            If the file has other arrays.
        """
        arrays = read_tensors(content)
        expect_tensors(arrays, {"prints": (np.uint64, 1)})
        return cls(arrays["prints"])


def _fingerprints(ids: Iterable[str]) -> UInt64[NDArray[np.uint64], " n"]:
    heads = [hashlib.sha256(id_.encode()).digest()[:8] for id_ in ids]
    return np.array([int.from_bytes(head, "big") for head in heads], np.uint64)
