"""Eigenvalues of many small symmetric matrices."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._math.deferred import grouped


class Spectra:
    """Collects symmetric matrices, and decomposes all of one size by one call.

    On a GPU every decomposition makes the host wait for its outcome: a network has a hundred
    layers, but a handful of widths. A matrix with a value that is not finite has NaN as its
    eigenvalues, and leaves those of the other matrices alone.
    """

    def __init__(self) -> None:
        self._matrices: list[Float[Tensor, "... n n"]] = []
        self._eigenvalues: list[Float[Tensor, "... n"]] = []

    def add(self, matrix: Float[Tensor, "... n n"]) -> int:
        """Add one matrix, or a stack of them.

        Returns
        -------
        int
            The position of its eigenvalues in :meth:`eigenvalues`.
        """
        self._matrices.append(matrix)
        return len(self._matrices) - 1

    def eigenvalues(self) -> list[Float[Tensor, "... _n"]]:
        """Eigenvalues of each matrix or stack, ascending, in the order in which they were added."""
        if len(self._eigenvalues) < len(self._matrices):
            by_position: dict[int, Tensor] = {}
            for positions in grouped(matrix.shape[-1] for matrix in self._matrices).values():
                matrices = [self._matrices[position] for position in positions]
                width = matrices[0].shape[-1]
                values = _eigenvalues(torch.cat([m.reshape(-1, width, width) for m in matrices]))
                parts = values.split([m.shape[:-2].numel() for m in matrices])
                by_position |= {
                    position: part.view(matrix.shape[:-1])
                    for position, part, matrix in zip(positions, parts, matrices, strict=True)
                }
            self._eigenvalues = [by_position[position] for position in range(len(self._matrices))]
        return self._eigenvalues


def smaller_square(matrices: Float[Tensor, "*layers rows columns"]) -> Float[Tensor, "*layers n n"]:
    """Multiply matrices by their transposes, on the side on which the product is smaller."""
    wide = matrices.shape[-2] <= matrices.shape[-1]
    return matrices @ matrices.mT if wide else matrices.mT @ matrices


def _eigenvalues(matrices: Float[Tensor, "matrices n n"]) -> Float[Tensor, "matrices n"]:
    """Eigenvalues of matrices, which are overwritten where they are not finite."""
    total = matrices.sum((1, 2))
    broken = (total - total) != 0
    values = torch.linalg.eigvalsh(matrices.masked_fill_(broken[:, None, None], 0.0))
    return values.masked_fill(broken[:, None], torch.nan)
