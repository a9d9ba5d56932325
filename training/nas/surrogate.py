"""Gaussian processes that say how much each member of a population may improve a search.

A process on the proxies and one on all features have equal votes: either may mislead, and both
see the labels. Ten labels determine neither a length scale nor a share of noise, so that the
expected improvement is the mean over a grid of both, weighted by the marginal likelihood.

References
----------
Jones et al., Efficient global optimization of expensive black-box functions, 1998 (expected
improvement). Snoek et al., Practical Bayesian optimization of machine learning algorithms, 2012
(its mean over the hyper-parameters).
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from numpy.typing import NDArray
from scipy.special import ndtr

from acorn.learning.few_labels.columns import SIZE_PROXIES, column_groups, normal_scores
from acorn.learning.smoothing.relevance import matern_of_squared

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

LENGTH_SCALES = (0.3, 0.5, 0.8, 1.3, 2.0, 3.5)
"""In units of the root mean squared difference of two independent columns, divided by root two."""

NOISES = (0.001, 0.01, 0.05, 0.2, 0.6)
"""Variances of the noise, in units of the variance of the process."""

LEAST_WEIGHT = 0.15
"""Settings with a smaller weight, relative to the best one, are left out."""

_SHAPE = 1.0  # pseudo-labels of the variance of a process, which have variance 1
_LEAST_VARIANCE = 1e-6


class Process:
    """A Gaussian process on some features of a population.

    Parameters
    ----------
    Z : ndarray of shape (n, columns)
        Normal scores of the features.
    """

    def __init__(self, Z: Float64[Floats, "n columns"]) -> None:
        self._Z = (Z / np.sqrt(max(1, Z.shape[1]))).astype(np.float32)
        self._norms = np.square(self._Z).sum(axis=1)
        self._squared: dict[int, Float32[Singles, " n"]] = {}

    def improvement(
        self, labelled: Int64[NDArray[np.int64], " labelled"], scores: Float64[Floats, " labelled"]
    ) -> Float64[Floats, " n"]:
        """Expect by how much each member exceeds the best labelled one.

        Parameters
        ----------
        labelled : ndarray of int64 of shape (labelled,)
            Members that have scores.
        scores : ndarray of shape (labelled,)
            Their scores, of zero mean and about unit variance.

        Returns
        -------
        ndarray of shape (n,)
            In units of the scores.
        """
        squared = self._distances(labelled)
        n, best = len(labelled), scores.max()
        noises = np.array(NOISES)[:, None]
        settings = []
        for scale in LENGTH_SCALES:
            values, vectors = np.linalg.eigh(
                _covariance(squared[:, labelled].astype(np.float64), scale)
            )
            spread = values.clip(0) + noises
            along = vectors.T @ scores
            variance = (np.square(along) / spread).sum(axis=1, keepdims=True) + _SHAPE
            variance /= n + _SHAPE
            log_determinant = np.log(spread).sum(axis=1, keepdims=True)
            evidence = -0.5 * (log_determinant + (n + _SHAPE) * np.log(variance))
            settings.append((scale, evidence, variance, spread, vectors, along / spread))
        likeliest = max(float(evidence.max()) for _, evidence, *_ in settings)
        gain, total = np.zeros(squared.shape[1]), 0.0
        for scale, evidence, variance, spread, vectors, coefficients in settings:
            weights = np.exp(evidence[:, 0] - likeliest)
            kept = weights >= LEAST_WEIGHT
            if not kept.any():
                continue
            projected = vectors.T.astype(np.float32) @ _covariance(squared, scale)
            mean = coefficients[kept].astype(np.float32) @ projected
            explained = (1 / spread[kept]).astype(np.float32) @ np.square(projected, out=projected)
            deviation = np.sqrt(variance[kept] * (1.0 - explained).clip(_LEAST_VARIANCE))
            gain += weights[kept] @ _expected_improvement(mean - best, deviation)
            total += weights[kept].sum()
        gain /= total
        return gain

    def _distances(
        self, labelled: Int64[NDArray[np.int64], " labelled"]
    ) -> Float32[Singles, "labelled n"]:
        """Squared distances of the labelled members; those of each are computed once."""
        for row in labelled.tolist():
            if row not in self._squared:
                inner = self._Z @ self._Z[row]
                self._squared[row] = (self._norms + self._norms[row] - 2 * inner).clip(0)
        return np.stack([self._squared[row] for row in labelled.tolist()])


class Surrogate:
    """Processes with equal votes.

    Parameters
    ----------
    processes : sequence of Process
        At least one.

    Attributes
    ----------
    processes : sequence of Process
        As given.
    """

    def __init__(self, processes: Sequence[Process]) -> None:
        self.processes = processes

    @classmethod
    def of(cls, X: Float32[Singles, "n features"], names: Sequence[str]) -> Self:
        """Make a process of all features, and one of the proxies if there are some.

        Parameters
        ----------
        X : ndarray of float32 of shape (n, features)
            Features of the population; NaN is missing.
        names : sequence of str
            Names of the features.

        Returns
        -------
        Surrogate
        """
        structure, proxies = column_groups(names)
        groups = [normal_scores(X)]
        if structure and {names[place] for place in proxies} - {*SIZE_PROXIES}:
            groups.append(normal_scores(X[:, proxies]))
        return cls([Process(Z) for Z in groups])

    def improvement(
        self, labelled: Int64[NDArray[np.int64], " labelled"], scores: Float64[Floats, " labelled"]
    ) -> Float64[Floats, " n"]:
        """Expect by how much each member exceeds the best labelled one.

        Parameters
        ----------
        labelled : ndarray of int64 of shape (labelled,)
            Members that have scores, at least one.
        scores : ndarray of shape (labelled,)
            Normal scores of their labels; higher is better.

        Returns
        -------
        ndarray of shape (n,)
            In standard deviations of the scores.
        """
        standard = (scores - scores.mean()) / (scores.std() or 1.0)
        gain: Floats = np.mean([p.improvement(labelled, standard) for p in self.processes], axis=0)
        return gain


def _covariance(squared: NDArray[np.floating], scale: float) -> NDArray[np.floating]:
    with torch.no_grad():
        covariance: NDArray[np.floating] = matern_of_squared(
            torch.from_numpy(squared / squared.dtype.type(scale**2))
        ).numpy()
    return covariance


def _expected_improvement(mean: Floats, deviation: Floats) -> Floats:
    """Mean of the positive part of normal variables."""
    ratio = mean / deviation
    density = np.exp(-0.5 * np.square(ratio)) / np.sqrt(2 * np.pi)
    gain: Floats = deviation * (ratio * ndtr(ratio) + density)
    return gain
