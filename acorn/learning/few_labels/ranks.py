"""Ranks architectures without a label, as trees that add up to the prior.

Each column of the prior is a tree on one feature, which has the normal score of the feature among
the members of a population in its leaves. Their sum, in units of its standard deviation, is the
normal score of an architecture; its percentile follows from the normal distribution.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from acorn.errors import InputError
from acorn.forests import Intervals, Member, PackedForest
from acorn.learning.few_labels.columns import prior_columns

LEAST_MEMBERS = 20
"""Least members of a population."""

DEVIATION = 0.55
"""Standard deviation of the normal scores of accuracies from those of the prior; on the labelled
spaces and the families of real networks it is 0.1 to 0.9, see ``benchmarks.leave_one_out``."""

_NORMAL = 1e6  # degrees of freedom of Student's t that make it normal


class RankFit(NamedTuple):
    """Trees that rank architectures.

    Attributes
    ----------
    member : Member
        The trees, whose mean is the normal score.
    shares : list of float
        Share of each feature of the member in the variance, as if features were independent.
    """

    member: Member
    shares: list[float]


def fit_ranks(X: Float32[NDArray[np.float32], "n features"], names: Sequence[str]) -> RankFit:
    """Fit trees to the prior.

    Parameters
    ----------
    X : ndarray of float32 of shape (n, features)
        Features of a population.
    names : sequence of str
        Names of the features.

    Returns
    -------
    RankFit
        The trees.

    Raises
    ------
    InputError
        If there are too few members, or no feature of the prior varies.
    """
    if len(X) < LEAST_MEMBERS:
        got = f"{len(X)} architectures with features"
        raise InputError(f"got {got}; expected {LEAST_MEMBERS} or more to rank among")
    prior = prior_columns(X, names, all_proxies=False)
    total = np.sum([*prior.values()], axis=0) if prior else np.zeros(len(X))
    if not total.std() > 0:
        raise InputError(
            "got no feature that varies and that accuracy usually rises with; "
            "expected structure features, or params and flops"
        )
    columns = [names.index(name) for name in prior]
    trees = []
    for place, scores in enumerate(prior.values()):
        alone = np.zeros((len(X), len(columns)), np.float32)  # constant columns are never split
        values = X[:, columns[place]]
        alone[:, place] = np.where(np.isfinite(values), values, np.nanmedian(values))
        trees.append(DecisionTreeRegressor(random_state=0).fit(alone, scores))
    forest = SimpleNamespace(estimators_=trees, n_features_in_=len(columns))
    packed = PackedForest.from_sklearn(forest, scale=np.array([len(trees) / total.std()]))
    variances = [float(scores.var()) for scores in prior.values()]
    shares = [variance / sum(variances) for variance in variances]
    return RankFit(Member(packed, columns, (0,), boosted=True), shares)


def rank_intervals() -> Intervals:
    """Intervals of the normal scores.

    Returns
    -------
    Intervals
        Those of one target.
    """
    return Intervals.of_student(np.array([DEVIATION]), np.array([_NORMAL]), floor=1.0)
