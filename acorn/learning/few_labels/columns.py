"""Columns of the models for few labels: normal scores of features within a population."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray
from scipy.stats import rankdata

from acorn.learning.smoothing.process_inputs import column_scores
from acorn.proxies import list_proxies

Floats = NDArray[np.float64]
Columns = Float64[Floats, "n columns"]
Column = Float64[Floats, " n"]

SIZE = (
    "graph.log_params",
    "graph.log_activations",
    "graph.width_min",
    "graph.path_longest_spatial",
    "graph.path_mean",
)
"""Structure features with which accuracy usually rises: size, width and depth."""

SIZE_PROXIES = ("params", "flops")
"""Size in feature tables without structure features."""

USUALLY_HELPFUL = ("near", "nwot", "meco_opt", "evolved_channel_rank")
"""Proxies with which accuracy rises in spaces of several kinds."""

LEAST_VARIATION = 0.1
"""Standard deviation of the logarithm of a size from which it counts fully."""

_SAME = 1.0 - 1e-6  # correlation of columns that count as copies


def normal_scores(X: Float32[NDArray[np.float32], "n features"]) -> Columns:
    """Replace each column by the normal quantiles of its ranks.

    Parameters
    ----------
    X : ndarray of float32 of shape (n, features)
        Features of a population; NaN is missing, and becomes the median.

    Returns
    -------
    ndarray of shape (n, columns)
        Columns of zero mean and unit variance, without constants and copies; there may be none.
    """
    Z = column_scores(X)
    alike = np.abs(Z.T @ Z) / len(Z) >= _SAME
    return Z[:, ~np.triu(alike, 1).any(axis=0)]


def prior_columns(
    X: Float32[NDArray[np.float32], "n features"], names: Sequence[str], *, all_proxies: bool
) -> dict[str, Column]:
    """Select the columns with which accuracy is expected to rise, as normal scores.

    Parameters
    ----------
    X : ndarray of float32 of shape (n, features)
        Features of a population.
    names : sequence of str
        Names of the features.
    all_proxies : bool
        Whether every proxy is among them, or only those of :data:`USUALLY_HELPFUL`.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        A column for each feature that varies; there may be none. Sizes that hardly vary have less
        weight, in proportion to their variation.
    """
    size = SIZE if any(name in names for name in SIZE) else SIZE_PROXIES
    wanted = [*size, *(list_proxies() if all_proxies else USUALLY_HELPFUL)]
    columns = {}
    for name in wanted:
        values = X[:, [names.index(name)]] if name in names else X[:, :0]
        scores = column_scores(values)
        if scores.shape[1]:
            columns[name] = scores[:, 0] * (_weight(name, values) if name in SIZE else 1.0)
    return columns


def _weight(name: str, values: Float32[NDArray[np.float32], "n 1"]) -> float:
    """Weight of a size: 1 if it varies enough."""
    logs = values if "log_" in name else np.log1p(values.clip(0))
    return min(1.0, float(np.nanstd(logs.astype(np.float64))) / LEAST_VARIATION)


def prior_matrix(
    X: Float32[NDArray[np.float32], "n features"], names: Sequence[str], *, all_proxies: bool
) -> Columns:
    """Arrange what :func:`prior_columns` selects in a matrix of shape (n, columns)."""
    columns = prior_columns(X, names, all_proxies=all_proxies)
    return np.column_stack([*columns.values()]) if columns else np.empty((len(X), 0))


def prior_ranks(X: Float32[NDArray[np.float32], "n features"], names: Sequence[str]) -> Column:
    """Rank a population without a label: by the sum over the columns of the prior.

    Parameters
    ----------
    X : ndarray of float32 of shape (n, features)
        Features of the population.
    names : sequence of str
        Names of the features.

    Returns
    -------
    ndarray of shape (n,)
        Percentile of each member, from 0 to 100; higher is expected to be more accurate. These are
        ranks, not accuracies. All are 50 if no feature is one of the prior.
    """
    total = prior_matrix(X, names, all_proxies=False).sum(axis=1)
    percentiles: Column = 100 * (rankdata(total) - 0.5) / len(X)
    return percentiles


def column_groups(names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Divide features into structure and proxies.

    Parameters
    ----------
    names : sequence of str
        Names of the features; conditions count as structure.

    Returns
    -------
    structure, proxies : list of int
        Their places.
    """
    known = set(list_proxies())
    proxies = [place for place, name in enumerate(names) if name in known]
    return [place for place in range(len(names)) if place not in proxies], proxies
