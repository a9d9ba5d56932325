"""Eigenvalues of many small symmetric matrices."""

from collections import defaultdict

import torch
from jaxtyping import Float
from torch import Tensor


class Spectra:
    """Collects symmetric matrices, and decomposes all of one size by one call.

    On a GPU every decomposition makes the host wait for its outcome: a network has a hundred
    layers, but a handful of widths.
    """

    def __init__(self) -> None:
        self._matrices: list[Float[Tensor, "... n n"]] = []

    def __len__(self) -> int:
        return len(self._matrices)

    def add(self, matrix: Float[Tensor, "... n n"]) -> None:
        """Note one matrix, or a stack of them."""
        self._matrices.append(matrix)

    def eigenvalues(self) -> list[Float[Tensor, "... n"]]:
        """Eigenvalues of each matrix, ascending, in the order in which they were added."""
        places: dict[torch.Size, list[int]] = defaultdict(list)
        for place, matrix in enumerate(self._matrices):
            places[matrix.shape].append(place)
        found: dict[int, Tensor] = {}
        for alike in places.values():
            values = torch.linalg.eigvalsh(torch.stack([self._matrices[place] for place in alike]))
            found.update(zip(alike, values.unbind(), strict=True))
        return [found[place] for place in range(len(self._matrices))]
