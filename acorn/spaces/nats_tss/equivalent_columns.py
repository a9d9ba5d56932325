"""Columns that are averages over all cells that are equivalent to a cell.

The one-hot code of a single cell shows on which edge its designer put an operation. Its average
over all equivalent cells shows on which edges the operation may be, which is a property of the
equivalence class.
"""

import itertools
from functools import cache

import numpy as np

from acorn.spaces.nats_tss.canonical import NormalForm, normal_form
from acorn.spaces.nats_tss.cell import EDGES, OPERATIONS, Cell, all_cells

PATHS = ([3], [0, 4], [1, 5], [0, 2, 5])
"""Edges of the four paths from the input to the output."""


def equivalent_columns(cell: Cell) -> dict[str, float]:
    """Average the columns of all cells that are equivalent to a cell.

    Parameters
    ----------
    cell : tuple of str, length 6
        Operation names.

    Returns
    -------
    dict of str to float
        The same names for every cell.
    """
    names, table = _averages()
    return dict(zip(names, table[normal_form(cell)].tolist(), strict=True))


@cache
def _averages() -> tuple[list[str], dict[NormalForm, np.ndarray]]:
    """Column names, and the averages of every normal form (a second, once a process)."""
    cells = [*all_cells()]
    codes = np.array([[OPERATIONS.index(name) for name in cell] for cell in cells])
    columns = _columns(codes)
    number_of: dict[NormalForm, int] = {}
    group = np.array([number_of.setdefault(normal_form(cell), len(number_of)) for cell in cells])
    values = np.column_stack([*columns.values()])
    sums = np.zeros((len(number_of), values.shape[1]))
    np.add.at(sums, group, values)
    means = sums / np.bincount(group)[:, None]
    return [*columns], dict(zip(number_of, means, strict=True))


def _columns(codes: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the columns of each single cell: one-hot edges, and the paths and degrees of GRAF.

    GRAF (Kadlecova et al., ICML 2024): for every subset of the operations, the length of the
    shortest and longest path that uses only these (0 if there is none), the number of such
    paths, and the degrees of input and output.

    Parameters
    ----------
    codes : ndarray of int, shape (cells, 6)
        Indices of the operations.

    Returns
    -------
    dict of str to ndarray of float, shape (cells,)
    """
    columns = {
        f"twins.edge_{source}{target}.{name}": (codes[:, edge] == index).astype(float)
        for edge, (source, target) in enumerate(EDGES)
        for index, name in enumerate(OPERATIONS)
    }
    for index, name in enumerate(OPERATIONS):
        columns[f"twins.count.{name}"] = (codes == index).sum(1).astype(float)
    for size in range(1, len(OPERATIONS)):
        for subset in itertools.combinations(range(1, len(OPERATIONS)), size):
            label = "+".join(OPERATIONS[index] for index in subset)
            inside: np.ndarray = np.isin(codes, subset)
            passable = np.column_stack([inside[:, path].all(1) for path in PATHS])
            lengths = np.array([len(path) for path in PATHS], float)
            shortest = np.where(passable, lengths, np.inf).min(1)
            columns[f"twins.shortest.{label}"] = np.where(passable.any(1), shortest, 0.0)
            columns[f"twins.longest.{label}"] = np.where(passable, lengths, 0.0).max(1)
            columns[f"twins.paths.{label}"] = passable.sum(1).astype(float)
            columns[f"twins.degree_in.{label}"] = inside[:, [3, 4, 5]].sum(1).astype(float)
            columns[f"twins.degree_out.{label}"] = inside[:, [0, 1, 3]].sum(1).astype(float)
    return columns
