"""Which functions of a feature table to label next."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from acorn.errors import InputError
from acorn.features.table import FeatureTable
from acorn.forests import bounded
from training.active_learning.batch_selection import choose
from training.active_learning.kernel import Floats, Kernel, ranked

LEAST_LABELS = 10
"""Labelled functions from which on a forest says which features matter."""

MOST_LABELS = 1000
"""Labelled functions that it looks at: more of them hardly change what it says."""

EVEN = 0.1
"""Share of the weight that all features have alike; the forest gives the rest."""


def suggest(
    table: FeatureTable,
    space: str,
    n: int,
    *,
    labelled: Collection[str] = (),
    Y: Floats | None = None,
    seed: int = 0,
) -> list[str]:
    """Choose functions whose labels would say most about those that have none.

    Without labels all features count alike in how like two functions are: the batch is spread
    over the space as its functions are. With labels, features count as a forest finds them to.

    Parameters
    ----------
    table
        Features of the functions to choose from, and of those that are labelled.
    space
        Whose functions to choose.
    n
        How many.
    labelled
        Ids of the functions that have labels, and are not suggested again.
    Y
        Their labels, shape (labelled, targets), NaN where there is none.
    seed
        Of the forest, and of draws from a large table.

    Returns
    -------
    list
        Canonical forms, the most telling first; fewer than ``n`` where no more are left.

    Raises
    ------
    InputError
        If the table has no function of the space that is not labelled.
    """
    ids = [id_ for id_ in table.ids if id_.startswith(f"{space}/")]
    have = set(labelled)
    pool = [row for row, id_ in enumerate(ids) if id_ not in have]
    if not pool:
        raise InputError(
            f"got features of {len(ids)} functions of {space}, all of them labelled; "
            "expected some without labels"
        )
    X = bounded(table.matrix(table.feature_names, ids))
    Z = ranked(X)
    row_of = {id_: row for row, id_ in enumerate(ids)}
    known = [(row_of[id_], place) for place, id_ in enumerate(labelled) if id_ in row_of]
    rows = [row for row, _ in known]
    if Y is not None:
        Z = Z * np.sqrt(importances(Z[rows], Y[[place for _, place in known]], seed=seed))
    chosen = choose(Kernel.of(Z, seed=seed), rows, pool, n, seed=seed)
    return [ids[row].removeprefix(f"{space}/") for row in chosen]


def importances(Z: Floats, Y: Floats, *, seed: int) -> NDArray[np.float64]:
    """How much each feature counts, 1 on average.

    Impurity decrease in extremely randomised trees (Geurts et al., 2006) on all targets at once,
    mixed with an even share.

    Parameters
    ----------
    Z, Y
        Features and labels of functions, shapes (n, features) and (n, targets).
    seed
        Of the trees.
    """
    there = np.flatnonzero(np.isfinite(Y).all(axis=1))
    even = np.ones(Z.shape[1])
    if len(there) < LEAST_LABELS:
        return even
    if len(there) > MOST_LABELS:
        there = np.random.default_rng(seed).choice(there, MOST_LABELS, replace=False)
    labels = Y[there]
    standard = (labels - labels.mean(axis=0)) / np.maximum(labels.std(axis=0), 1e-6)
    trees = ExtraTreesRegressor(100, max_features=0.3, random_state=seed).fit(
        Z[there], standard if standard.shape[1] > 1 else standard[:, 0]
    )
    found: NDArray[np.float64] = trees.feature_importances_
    return EVEN * even + (1 - EVEN) * len(even) * found
