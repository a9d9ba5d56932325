"""Permutation importance of clusters of collinear features, on held-out rows.

If two features carry the same information, shuffling one of them changes little, and both would
seem unimportant. Features are therefore clustered by rank correlation, and the columns of a cluster
are shuffled together.

References
----------
Breiman, Random Forests, 2001. Strobl et al., Conditional variable importance for random forests,
2008 (on collinear features).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from acorn.learning.evaluation_metrics import explained
from acorn.learning.model_selection import OutOfFoldPredictions, final_folds
from acorn.learning.training_data import TrainingData

DISTANCE = 0.5
"""Largest distance, 1 - |Spearman rho|, between columns of a cluster."""

MAX_CLUSTERS = 40
REPEATS, FOLDS, ROWS = 3, 2, 300


def clusters(
    X: Float32[NDArray[np.float32], "n features"], columns: Sequence[int]
) -> list[list[int]]:
    """Cluster columns by rank correlation.

    Parameters
    ----------
    X : ndarray of shape (n, features)
        Features; missing values rank below all others.
    columns : sequence of int
        Columns to cluster; constant ones are left out.

    Returns
    -------
    list of list of int
        Clusters, each starting with the column that is closest to all others of it.
    """
    filled = np.where(np.isnan(X), np.float32(-np.inf), X)
    varied = [column for column in columns if (filled[:, column] != filled[0, column]).any()]
    if len(varied) < 2:
        return [[column] for column in varied]
    ranks = rankdata(filled[:, varied], axis=0)
    near = np.abs(np.corrcoef(ranks, rowvar=False))
    distance = (1 - near).clip(0)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), method="complete")
    label = fcluster(tree, DISTANCE, criterion="distance")
    if label.max() > MAX_CLUSTERS:
        label = fcluster(tree, MAX_CLUSTERS, criterion="maxclust")
    members_of = []
    for number in range(1, label.max() + 1):
        members = np.flatnonzero(label == number)
        central = np.argsort(-near[np.ix_(members, members)].sum(axis=1), kind="stable")
        members_of.append([varied[i] for i in members[central]])
    return members_of


def importances(
    data: TrainingData, predictions: OutOfFoldPredictions, columns: Sequence[int]
) -> tuple[list[list[int]], Float64[NDArray[np.float64], "clusters shuffles targets"]]:
    """Drop of the explained variance when the columns of a cluster are shuffled together.

    Parameters
    ----------
    data : TrainingData
        Features and labels.
    predictions : OutOfFoldPredictions
        Predictions, and the forests that made them.
    columns : sequence of int
        Columns that the forests read.

    Returns
    -------
    clusters : list of list of int
        Columns that are shuffled together.
    drops : ndarray of shape (clusters, shuffles, targets)
        Drop of each shuffle.
    """
    groups = clusters(data.X, columns)
    fold = final_folds(data)
    rng = np.random.default_rng(data.seed)
    all_targets = range(len(data.targets))
    drops = np.zeros((len(groups), 0, len(all_targets)))
    for f, ensemble in enumerate(predictions.ensembles[:FOLDS]):
        rows = np.flatnonzero(fold == f)
        rows = rng.permutation(rows)[:ROWS]
        X, Y = data.X[rows], data.Y[rows]
        before = _explained(Y, predictions.value[rows])
        after = np.empty((len(groups), REPEATS, len(all_targets)))
        for g, group in enumerate(groups):
            shuffled = np.concatenate([X] * REPEATS)
            orders = [rng.permutation(len(X)) for _ in range(REPEATS)]
            shuffled[:, group] = np.concatenate([X[order][:, group] for order in orders])
            values = ensemble.distribution(shuffled, all_targets)[0]
            after[g] = [_explained(Y, part) for part in np.split(values, REPEATS)]
        drops = np.concatenate([drops, before - after], axis=1)
    return groups, drops


def _explained(
    Y: Float64[NDArray[np.float64], "n targets"], value: Float64[NDArray[np.float64], "n targets"]
) -> Float64[NDArray[np.float64], " targets"]:
    """R² of each target; 0 if its labels do not vary."""
    scores = []
    for label, predicted in zip(Y.T, value.T, strict=True):
        labelled = np.isfinite(label)
        varied = labelled.sum() > 1 and np.ptp(label[labelled]) > 0
        scores.append(explained(label[labelled], predicted[labelled]) if varied else 0.0)
    return np.array(scores)
