"""Posterior of a multi-task Gaussian process over architectures and targets.

The covariance of the signals of targets ``t`` and ``u`` at architectures ``x`` and ``y`` is
``S[t, u] k(x, y)``. The covariance of their noise is ``N[t, u]`` at the same architecture and 0
otherwise: a training run that scores low under one attack scores low under others. ``S`` and ``N``
are learned by expectation maximisation. In the combinations of targets that are generalised
eigenvectors of both, signals and noises are independent. Each combination is therefore one Gaussian
process with its own share of noise.

References
----------
Bonilla, Chai and Williams, Multi-task Gaussian process prediction, NeurIPS 2007. Rakitsch et al.,
It is all in the noise: efficient multi-task Gaussian process inference with structured residuals,
NeurIPS 2013. Williams and Seeger, Using the Nystrom method to speed up kernel machines, NeurIPS
2001 (landmarks).
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray
from scipy.linalg import cholesky, eigh, inv, solve_triangular

from acorn.learning.smoothing.relevance import covariance

Floats = NDArray[np.float64]
Covariance = Float64[Floats, "targets targets"]
Scores = Float64[Floats, "architectures targets"]

LANDMARKS = 3000
"""Most landmarks of the covariance; with fewer labelled architectures it is exact."""

ITERATIONS = 40
FIRST_NOISE = 0.1

UNRELATED = 0.1
"""Number of pseudo-observations, as a share of the number of targets, in which targets are
independent: they regularise the learned covariances."""

_JITTER, _FLOOR = 1e-6, 1e-9
_ROWS_AT_ONCE = 4096


class Mixture(NamedTuple):
    """Combinations of targets that are independent, each with noise of unit variance.

    Attributes
    ----------
    strength : ndarray of shape (combinations,)
        Variance of the signal of each combination.
    weights : ndarray of shape (targets, combinations)
        Weight of each target in each combination.
    """

    strength: Float64[Floats, " combinations"]
    weights: Float64[Floats, "targets combinations"]

    @classmethod
    def of(cls, signal: Covariance, noise: Covariance) -> Self:
        """Solve the generalised eigenproblem of two covariances.

        Parameters
        ----------
        signal, noise : ndarray of shape (targets, targets)
            Covariances between targets.

        Returns
        -------
        Mixture
            As many combinations as targets.
        """
        strength, weights = eigh(signal, noise)
        return cls(strength.clip(_FLOOR), weights)

    @property
    def back(self) -> Float64[Floats, "combinations targets"]:
        """Matrix that maps combinations to targets."""
        return inv(self.weights)


@dataclass(frozen=True)
class Posterior:
    """Posterior scores of a pool of architectures, given the labels of some of them.

    Attributes
    ----------
    whitened : ndarray of shape (architectures, landmarks)
        Covariances with the landmarks, whitened by the covariance of the landmarks.
    basis : ndarray of shape (landmarks, directions)
        Map to directions that are independent among labelled architectures.
    variance : ndarray of shape (directions,)
        Prior variance along each direction.
    mean : ndarray of shape (directions, targets)
        Posterior mean along each direction.
    mixture : Mixture
        Combinations of targets.
    """

    whitened: Float64[Floats, "architectures landmarks"]
    basis: Float64[Floats, "landmarks directions"]
    variance: Float64[Floats, " directions"]
    mean: Float64[Floats, "directions targets"]
    mixture: Mixture

    @classmethod
    def fit(
        cls,
        scaled: Float64[Floats, "architectures features"],
        labelled: Int64[NDArray[np.int64], " rows"],
        scores: Float64[Floats, "rows targets"],
        *,
        seed: int,
    ) -> Self:
        """Fit the process to the labelled architectures.

        Parameters
        ----------
        scaled : ndarray of shape (architectures, features)
            Features of the pool divided by their length scales.
        labelled : ndarray of int64 of shape (rows,)
            Rows of the pool that have labels.
        scores : ndarray of shape (rows, targets)
            Normal scores of their labels.
        seed : int
            Seed of the choice of landmarks.

        Returns
        -------
        Posterior
            The fitted process.
        """
        order = np.random.default_rng(seed).permutation(len(labelled))
        landmarks = labelled[np.sort(order[:LANDMARKS])]
        K = covariance(scaled[landmarks], scaled)
        within = K[:, landmarks] + _JITTER * np.eye(len(landmarks))
        whitened = solve_triangular(cholesky(within, lower=True), K, lower=True).T
        known = whitened[labelled]
        variance, vectors = np.linalg.eigh(known.T @ known)
        variance = variance.clip(_FLOOR)
        basis = vectors / np.sqrt(variance)
        along = basis.T @ (known.T @ scores)
        beside = scores.T @ scores - along.T @ along  # what no direction explains: noise
        mixture = _learn(along, beside, variance, len(scores))
        kept = _kept(variance, mixture)
        mean = (kept * (along @ mixture.weights)) @ mixture.back
        return cls(whitened, basis, variance, mean, mixture)

    def scores(self) -> tuple[Scores, Scores]:
        """Compute the posterior of all architectures of the pool.

        Returns
        -------
        mean, deviation : ndarray of shape (architectures, targets)
            Expected scores, and the standard deviation of a label.
        """
        starts = range(0, len(self.whitened), _ROWS_AT_ONCE)
        parts = [self._scores(self.whitened[start : start + _ROWS_AT_ONCE]) for start in starts]
        means, deviations = zip(*parts, strict=True)
        return np.concatenate(means), np.concatenate(deviations)

    def _scores(
        self, whitened: Float64[Floats, "architectures landmarks"]
    ) -> tuple[Scores, Scores]:
        directions = whitened @ self.basis
        beyond = (1 - np.square(whitened).sum(axis=1)).clip(0)
        # Posterior variance of each combination, in units of its noise.
        unknown = beyond[:, None] * self.mixture.strength
        unknown += np.square(directions) @ _kept(self.variance, self.mixture)
        deviation = np.sqrt((unknown + 1) @ np.square(self.mixture.back))
        return directions @ self.mean, deviation


def _kept(
    variance: Float64[Floats, " directions"], mixture: Mixture
) -> Float64[Floats, "directions combinations"]:
    """Share of a label that is signal, for each direction and combination."""
    signal = variance[:, None] * mixture.strength
    return signal / (signal + 1)


def _learn(
    along: Float64[Floats, "directions targets"],
    beside: Covariance,
    variance: Float64[Floats, " directions"],
    n: int,
) -> Mixture:
    """Learn the combinations by expectation maximisation."""
    targets = along.shape[1]
    total = (along.T @ along + beside) / n
    total += 1e-3 * np.eye(targets)
    mixture = Mixture.of((1 - FIRST_NOISE) * total, FIRST_NOISE * total)
    for _ in range(ITERATIONS):
        seen, kept, back = along @ mixture.weights, _kept(variance, mixture), mixture.back
        signal = kept * seen
        residual = seen - signal
        signals = (signal / variance[:, None]).T @ signal
        signals += np.diag((kept / variance[:, None]).sum(axis=0))
        noises = residual.T @ residual + mixture.weights.T @ beside @ mixture.weights
        noises += np.diag(kept.sum(axis=0))
        mixture = Mixture.of(
            _shrunk(back.T @ signals @ back / len(variance), len(variance)),
            _shrunk(back.T @ noises @ back / n, n),
        )
    return mixture


def _shrunk(matrix: Covariance, n: int) -> Covariance:
    """Shrink a covariance from ``n`` rows towards its diagonal by the pseudo-observations."""
    share = n / (n + UNRELATED * len(matrix))
    diagonal = np.diag(np.diag(matrix))
    return share * matrix + (1 - share) * diagonal + 1e-6 * np.eye(len(matrix))
