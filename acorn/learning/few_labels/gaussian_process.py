"""A Gaussian process for few labels: one length scale, a linear prior, and averaged settings.

A label is the sum of a linear function of the columns of the prior, a smooth function of all
columns, and noise. The weights of the linear function have a positive mean. This is the prior; its
influence falls as the number of labels grows. Ten labels do not determine a length scale and a
share of noise, so that the posterior is the mean over a grid of both, weighted by the marginal
likelihood. Predictions of each labelled row without its label have a closed form.

References
----------
Rasmussen and Williams, Gaussian processes for machine learning, 2006, sections 2.7 (explicit basis
functions), 5.4.2 (leave-one-out predictions). MacKay, Bayesian interpolation, 1992 (evidence).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from acorn.learning.smoothing.relevance import covariance

Floats = NDArray[np.float64]
PerRow = Float64[Floats, " n"]
PerLabel = Float64[Floats, " labelled"]

LENGTH_SCALES = (0.5, 0.8, 1.3, 2.0, 3.5, 6.0)
"""In units of the root mean squared difference of two independent columns, divided by root two."""

NOISES = (0.03, 0.1, 0.25, 0.5, 1.0)
"""Variances of the noise, in units of the variance of the smooth function."""

PRIOR_MEAN, PRIOR_DEVIATION = 0.4, 1.0
"""Mean of the sum of the weights of the linear function, and the deviation of each weight times the
root of their number."""

_SHAPE, _VARIANCE = 2.0, 0.8  # pseudo-labels of the variance, and the variance that they have
_LEAST_WEIGHT = 0.01


@dataclass(frozen=True)
class ProcessEstimate:
    """Posterior of a process.

    Attributes
    ----------
    mean, deviation : ndarray of shape (n,)
        Expected score, and standard deviation of a label from it.
    left_out, left_out_deviation : ndarray of shape (labelled,)
        The same of each labelled row, given all labels but its own.
    """

    mean: PerRow
    deviation: PerRow
    left_out: PerLabel
    left_out_deviation: PerLabel


def fit_process(
    Z: Float64[Floats, "n columns"],
    prior: Float64[Floats, "n prior_columns"],
    labelled: Int64[NDArray[np.int64], " labelled"],
    scores: PerLabel,
    *,
    rising: bool = True,
    beside: Float64[Floats, "n helpers"] | None = None,
) -> ProcessEstimate:
    """Fit a process to the scores of some rows.

    Parameters
    ----------
    Z : ndarray of shape (n, columns)
        Normal scores of features of the population.
    prior : ndarray of shape (n, prior columns)
        Columns of the linear function; there may be none.
    labelled : ndarray of int64 of shape (labelled,)
        Rows that have scores.
    scores : ndarray of shape (labelled,)
        Scores, of about unit variance.
    rising : bool, default=True
        Whether scores are expected to rise with the columns of the prior.
    beside : ndarray of shape (n, helpers), optional
        Further columns of the linear function, of unit variance, whose weights have mean 0.

    Returns
    -------
    ProcessEstimate
        For each row.
    """
    mean = PRIOR_MEAN * _standard(prior.mean(axis=1)) if prior.shape[1] and rising else 0.0
    mean = np.broadcast_to(np.asarray(mean, np.float64), (len(Z),))
    columns = PRIOR_DEVIATION * prior / np.sqrt(max(1, prior.shape[1]))
    if beside is not None:
        columns = np.hstack([columns, PRIOR_DEVIATION * beside])
    linear = columns @ columns[labelled].T
    scaled = Z / np.sqrt(max(1, Z.shape[1]))
    residual = scores - mean[labelled]
    n = len(labelled)
    settings = []
    for scale in LENGTH_SCALES:
        K = covariance(scaled[labelled] / scale, scaled[labelled] / scale) + linear[labelled]
        values, vectors = np.linalg.eigh(K)
        along = vectors.T @ residual
        for noise in NOISES:
            spread = values.clip(0) + noise
            variance = (np.square(along) @ (1 / spread) + _SHAPE * _VARIANCE) / (n + _SHAPE)
            evidence = -0.5 * (np.log(spread).sum() + (n + _SHAPE) * np.log(variance))
            settings.append((evidence, scale, noise, variance, spread, vectors, along))
    weights = np.exp(np.array([s[0] for s in settings]) - max(s[0] for s in settings))
    weights[weights < _LEAST_WEIGHT * weights.sum()] = 0
    weights /= weights.sum()
    own = 1 + np.square(columns).sum(axis=1)
    total, left_out = _Moments(len(Z)), _Moments(n)
    known_scale, projected = 0.0, np.empty((0, 0))
    for weight, (_, scale, noise, variance, spread, vectors, along) in zip(
        weights, settings, strict=True
    ):
        if not weight:
            continue
        if scale != known_scale:  # settings of one length scale follow each other
            K = covariance(scaled / scale, scaled[labelled] / scale) + linear
            known_scale, projected = scale, K @ vectors
        unexplained = (own - np.square(projected) @ (1 / spread)).clip(0)
        total.add(weight, mean + projected @ (along / spread), variance * (unexplained + noise))
        precision = np.square(vectors) @ (1 / spread)
        error = vectors @ (along / spread) / precision
        left_out.add(weight, scores - error, variance / precision)
    return ProcessEstimate(total.mean, total.deviation, left_out.mean, left_out.deviation)


class _Moments:
    """Moments of a mixture of distributions."""

    def __init__(self, n: int) -> None:
        self.mean, self._second = np.zeros(n), np.zeros(n)

    def add(self, weight: float, mean: Floats, variance: Floats) -> None:
        self.mean = self.mean + weight * mean
        self._second = self._second + weight * (variance + np.square(mean))

    @property
    def deviation(self) -> Floats:
        return np.sqrt((self._second - np.square(self.mean)).clip(1e-12))


def _standard(values: PerRow) -> PerRow:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))
