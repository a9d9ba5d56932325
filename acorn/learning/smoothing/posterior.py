"""What many noisy labels of many functions say together of each function and target.

The signal of target ``t`` at function ``x`` covaries as ``S[t, u] k(x, y)``, its noise as
``N[t, u]`` at one and the same function: runs that go badly under one attack go badly under another
one, too. ``S`` and ``N`` are learned by expectation and maximisation. In the combinations of
targets that are generalised eigenvectors of both, signals and noises are independent, so that each
combination is one Gaussian process with its own share of noise.

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
from numpy.typing import NDArray
from scipy.linalg import cholesky, eigh, inv, solve_triangular

from acorn.learning.smoothing.relevance import covariance

Floats = NDArray[np.float64]

LANDMARKS = 3000
"""Functions that the covariance is expressed by; with fewer labelled ones it is exact."""

ITERATIONS = 40
FIRST_NOISE = 0.1

UNRELATED = 0.1
"""Functions, as a share of the targets, that are imagined beside the labelled ones to steady what
is learned of how targets go together: in those, none goes with another."""

_JITTER, _FLOOR = 1e-6, 1e-9
_ROWS_AT_ONCE = 4096


class Mixture(NamedTuple):
    """Combinations of targets that are independent, each with noise of unit variance.

    Attributes
    ----------
    strength
        Variance of each one's signal, shape (targets,).
    weights
        Of each target in each combination, shape (targets, combinations).
    """

    strength: Floats
    weights: Floats

    @classmethod
    def of(cls, signal: Floats, noise: Floats) -> Self:
        """Find those of a signal's and a noise's covariance between targets."""
        strength, weights = eigh(signal, noise)
        return cls(strength.clip(_FLOOR), weights)

    @property
    def back(self) -> Floats:
        """From combinations to targets."""
        return inv(self.weights)


@dataclass(frozen=True)
class Posterior:
    """Mean and standard deviation of the scores of a pool of functions, given labels of some.

    Attributes
    ----------
    whitened
        Covariances with the landmarks in units of theirs, shape (functions, landmarks).
    basis
        From these to directions that are independent among labelled functions.
    variance
        Prior variance along each direction, shape (landmarks,).
    mean
        Posterior mean along each direction, of each target.
    mixture
        Combinations of targets.
    """

    whitened: Floats
    basis: Floats
    variance: Floats
    mean: Floats
    mixture: Mixture

    @classmethod
    def fit(cls, scaled: Floats, labelled: NDArray[np.int64], scores: Floats, *, seed: int) -> Self:
        """Learn from labelled functions.

        Parameters
        ----------
        scaled
            Features of the pool times their relevance, shape (functions, features).
        labelled
            Rows that have labels.
        scores
            Normal scores of their labels, shape (len(labelled), targets).
        seed
            Of the landmarks.
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
        beside = scores.T @ scores - along.T @ along  # of what no direction can tell: noise
        mixture = _learn(along, beside, variance, len(scores))
        kept = _kept(variance, mixture)
        mean = (kept * (along @ mixture.weights)) @ mixture.back
        return cls(whitened, basis, variance, mean, mixture)

    def scores(self) -> tuple[Floats, Floats]:
        """Expected scores, and the standard deviation of a label, each of shape (n, targets)."""
        parts = range(0, len(self.whitened), _ROWS_AT_ONCE)
        found = [self._scores(self.whitened[start : start + _ROWS_AT_ONCE]) for start in parts]
        means, deviations = zip(*found, strict=True)
        return np.concatenate(means), np.concatenate(deviations)

    def _scores(self, whitened: Floats) -> tuple[Floats, Floats]:
        directions = whitened @ self.basis
        beyond = (1 - np.square(whitened).sum(axis=1)).clip(0)
        # Of each combination, whose noise has unit variance: what the labels leave unknown.
        unknown = beyond[:, None] * self.mixture.strength
        unknown += np.square(directions) @ _kept(self.variance, self.mixture)
        deviation = np.sqrt((unknown + 1) @ np.square(self.mixture.back))
        return directions @ self.mean, deviation


def _kept(variance: Floats, mixture: Mixture) -> Floats:
    """Share of a label that is signal, for each direction and combination."""
    signal = variance[:, None] * mixture.strength
    return signal / (signal + 1)


def _learn(along: Floats, beside: Floats, variance: Floats, n: int) -> Mixture:
    """Find the combinations by expectation and maximisation."""
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
            _steadied(back.T @ signals @ back / len(variance), len(variance)),
            _steadied(back.T @ noises @ back / n, n),
        )
    return mixture


def _steadied(matrix: Floats, n: int) -> Floats:
    """Covariance of targets among ``n`` functions, and the imagined ones."""
    share = n / (n + UNRELATED * len(matrix))
    diagonal = np.diag(np.diag(matrix))
    return share * matrix + (1 - share) * diagonal + 1e-6 * np.eye(len(matrix))
