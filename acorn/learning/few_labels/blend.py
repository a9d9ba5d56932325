"""The mean of several small models for few labels, with intervals that are checked by leaving out.

References
----------
Caruana et al., Ensemble selection from libraries of models, 2004. Kennedy and O'Hagan, Predicting
the output from a complex computer code when fast approximations are available, 2000 (a cheap target
as a linear part of a dear one). Geurts et al., Extremely randomized trees, 2006.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from acorn.learning.few_labels.columns import (
    column_groups,
    normal_scores,
    prior_matrix,
)
from acorn.learning.few_labels.gaussian_process import fit_process
from acorn.learning.few_labels.label_scores import LabelScores

Floats = NDArray[np.float64]
PerTarget = Float64[Floats, "n targets"]
PerRow = Float64[Floats, " n"]

TREES, TREES_SHARE = 60, 1 / 3
"""Number of trees, and their weight in the mean."""

MOST_ROWS = 400
"""Most labels of a target that a process is fitted to; it takes a random part of more."""

MORE_LABELS = 1.5
"""A target helps another one if it has so many times its labels."""

_PRIOR_LABELS = 8.0  # pseudo-labels in the correction of the deviations


@dataclass(frozen=True)
class Estimate:
    """What few labels tell about a population.

    Attributes
    ----------
    value : ndarray of shape (n, targets)
        Expected label.
    deviation : ndarray of shape (n, targets)
        Standard deviation of a label from its expectation, before the correction.
    correction : ndarray of shape (targets,)
        Factor of the deviations, from the errors of leaving out one label at a time.
    freedom : ndarray of shape (targets,)
        Degrees of freedom of the errors: intervals are those of Student's t.
    """

    value: PerTarget
    deviation: PerTarget
    correction: Float64[Floats, " targets"]
    freedom: Float64[Floats, " targets"]


@dataclass(frozen=True)
class Inputs:
    """What the models read of a population.

    Attributes
    ----------
    groups : list of tuple of ndarray
        Normal scores of the features of each process, and the columns of its prior.
    all_columns : ndarray of shape (n, columns)
        Normal scores of all features, for the trees.
    """

    groups: list[tuple[Floats, Floats]]
    all_columns: Floats

    @classmethod
    def of(cls, X: Float32[NDArray[np.float32], "n features"], names: Sequence[str]) -> Self:
        """Divide features into groups: structure, proxies, and both.

        Parameters
        ----------
        X : ndarray of float32 of shape (n, features)
            Features of the population; NaN is missing.
        names : sequence of str
            Names of the features.

        Returns
        -------
        Inputs
            One group if there is only structure, or only proxies.
        """
        structure, proxies = column_groups(names)
        every = normal_scores(X)
        if not proxies or not structure:
            prior = prior_matrix(X, names, all_proxies=bool(proxies))
            return cls([(every, prior)], every)
        prior = prior_matrix(X, names, all_proxies=False)
        groups = [
            (normal_scores(X[:, structure]), prior),
            (normal_scores(X[:, proxies]), prior_matrix(X, names, all_proxies=True)),
            (every, prior),
        ]
        return cls(groups, every)


def estimate(
    inputs: Inputs,
    labelled: Int64[NDArray[np.int64], " rows"],
    Y: Float64[Floats, "rows targets"],
    *,
    rising: Sequence[bool] | None = None,
    seed: int,
    n_jobs: int = 1,
) -> Estimate:
    """Estimate the labels of a population from those of some of its members.

    Parameters
    ----------
    inputs : Inputs
        Features of the population.
    labelled : ndarray of int64 of shape (rows,)
        Members that have labels.
    Y : ndarray of shape (rows, targets)
        Their labels; NaN is missing.
    rising : sequence of bool, optional
        Whether each target is expected to rise with the columns of the prior; by default all.
    seed : int
        Seed of the trees.
    n_jobs : int, default=1
        Number of cores; -1 uses all.

    Returns
    -------
    Estimate
        For each member and target. Without a label of a target, its values are 0.
    """
    counts = np.isfinite(Y).sum(axis=0)
    estimates: dict[int, _TargetEstimate] = {}
    for target in np.argsort(-counts, kind="stable").tolist():
        has_label = np.isfinite(Y[:, target])
        richer = [t for t in estimates if counts[t] >= MORE_LABELS * max(counts[target], 1)]
        helper = None if not richer else estimates[richer[0]].score
        estimates[target] = _estimate_one(
            inputs,
            helper,
            labelled[has_label],
            Y[has_label, target],
            rising=rising is None or rising[target],
            seed=seed,
            n_jobs=n_jobs,
        )
    ordered = [estimates[target] for target in range(Y.shape[1])]
    return Estimate(
        np.column_stack([e.value for e in ordered]),
        np.column_stack([e.deviation for e in ordered]),
        np.array([e.correction for e in ordered]),
        np.array([e.freedom for e in ordered]),
    )


@dataclass(frozen=True)
class _TargetEstimate:
    """Estimate of one target; ``score`` are its expected scores, of unit variance."""

    value: PerRow
    deviation: PerRow
    correction: float
    freedom: float
    score: PerRow


def _estimate_one(
    inputs: Inputs,
    helper: PerRow | None,
    labelled: Int64[NDArray[np.int64], " rows"],
    labels: Float64[Floats, " rows"],
    *,
    rising: bool,
    seed: int,
    n_jobs: int,
) -> _TargetEstimate:
    n = len(inputs.all_columns)
    if not len(labels):
        return _TargetEstimate(np.zeros(n), np.ones(n), 1.0, 1.0, np.zeros(n))
    known = LabelScores.of(labels)
    scores = known.forward(labels)
    at = np.arange(len(labels))
    if len(at) > MOST_ROWS:
        at = np.random.default_rng(seed).permutation(len(at))[:MOST_ROWS]
    beside = np.empty((n, 0)) if helper is None else helper[:, None]
    processes = [
        fit_process(Z, prior, labelled[at], scores[at], rising=rising, beside=beside)
        for Z, prior in inputs.groups
    ]
    smooth = np.mean([p.mean for p in processes], axis=0)
    deviation = np.mean([p.deviation for p in processes], axis=0)
    columns = np.hstack([inputs.all_columns, beside])
    trees = ExtraTreesRegressor(TREES, max_features=0.3, random_state=seed, n_jobs=n_jobs)
    score = smooth
    if columns.shape[1]:
        trees.fit(columns[labelled], scores)
        score = (1 - TREES_SHARE) * smooth + TREES_SHARE * trees.predict(columns)
    left_out = np.mean([p.left_out for p in processes], axis=0)
    left_out_deviation = np.mean([p.left_out_deviation for p in processes], axis=0)
    errors = labels[at] - known.backward(left_out)
    squares = np.square(errors / known.spread(left_out, left_out_deviation).clip(1e-12))
    total = squares.sum() + _PRIOR_LABELS
    correction = float(np.sqrt(total / (len(squares) + _PRIOR_LABELS)))
    spread = float(score.std())
    return _TargetEstimate(
        known.backward(score),
        known.spread(score, deviation),
        correction,
        float(len(squares)),
        (score - score.mean()) / (spread or 1.0),
    )
