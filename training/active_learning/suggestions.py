"""Suggests which architectures of a feature table to label next."""

from collections.abc import Collection

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from acorn.errors import InputError
from acorn.features.feature_table import FeatureTable
from acorn.forests import bounded
from acorn.learning.few_labels.columns import prior_matrix
from training.active_learning.batch_selection import select_batch
from training.active_learning.kernel import Floats, Kernel, rank_transform

MIN_LABELS = 10
"""Least labelled architectures to estimate the importance of features from."""

MAX_LABELS = 1000
"""Most labelled architectures that the estimate uses; more hardly change it."""

EVEN_SHARE = 0.1
"""Share of the weight that all features get equally; the rest is by importance."""


def suggest(
    table: FeatureTable,
    space: str,
    n: int,
    *,
    labelled: Collection[str] = (),
    Y: Floats | None = None,
    seed: int = 0,
) -> list[str]:
    """Suggest architectures whose labels would be most informative about the others.

    Labels are expected to follow a linear function of the features with which accuracy usually
    rises (:mod:`acorn.learning.few_labels`), and a smooth function of all features. Without labels
    all features have the same weight in the similarity of architectures, so the
    suggestions are spread like the architectures of the table. With labels, features are weighted
    by their importance.

    Parameters
    ----------
    table : FeatureTable
        Features of the architectures to select from, and of those that are labelled.
    space : str
        Space of the architectures to suggest.
    n : int
        Number of suggestions.
    labelled : collection of str, default=()
        Ids of architectures that have labels already.
    Y : numpy.ndarray, optional
        Their labels, shape (labelled, targets); NaN is missing.
    seed : int, default=0
        Seeds the forest, and draws from a large table.

    Returns
    -------
    list of str
        Canonical forms, the most informative first; fewer than ``n`` if no more are left.

    Raises
    ------
    InputError
        If the table has no unlabelled architecture of the space.
    """
    ids = [id_ for id_ in table.ids if id_.startswith(f"{space}/")]
    with_labels = set(labelled)
    pool = [row for row, id_ in enumerate(ids) if id_ not in with_labels]
    if not pool:
        raise InputError(
            f"got features of {len(ids)} architectures of {space}, all of them labelled; "
            "expected some without labels"
        )
    X = bounded(table.matrix(table.feature_names, ids))
    Z = rank_transform(X)
    prior = prior_matrix(X, table.feature_names, all_proxies=False)
    row_of = {id_: row for row, id_ in enumerate(ids)}
    known = [(row_of[id_], place) for place, id_ in enumerate(labelled) if id_ in row_of]
    rows = [row for row, _ in known]
    if Y is not None:
        Z = Z * np.sqrt(feature_weights(Z[rows], Y[[place for _, place in known]], seed=seed))
    selected = select_batch(Kernel.of(Z, prior, seed=seed), rows, pool, n, seed=seed)
    return [ids[row].removeprefix(f"{space}/") for row in selected]


def feature_weights(Z: Floats, Y: Floats, *, seed: int) -> Floats:
    """Estimate the importance of features.

    Impurity decrease in extremely randomised trees (Geurts et al., 2006) for all targets at once,
    mixed with an even share.

    Parameters
    ----------
    Z, Y : numpy.ndarray
        Features and labels, shapes (n, features) and (n, targets).
    seed : int
        Seeds the trees.

    Returns
    -------
    numpy.ndarray
        Shape (features,), 1 on average; all 1 if there are too few labels.
    """
    complete = np.flatnonzero(np.isfinite(Y).all(axis=1))
    even = np.ones(Z.shape[1])
    if len(complete) < MIN_LABELS:
        return even
    if len(complete) > MAX_LABELS:
        complete = np.random.default_rng(seed).choice(complete, MAX_LABELS, replace=False)
    labels = Y[complete]
    standard = (labels - labels.mean(axis=0)) / np.maximum(labels.std(axis=0), 1e-6)
    trees = ExtraTreesRegressor(100, max_features=0.3, random_state=seed).fit(
        Z[complete], standard if standard.shape[1] > 1 else standard[:, 0]
    )
    importances: Floats = trees.feature_importances_
    return EVEN_SHARE * even + (1 - EVEN_SHARE) * len(even) * importances
