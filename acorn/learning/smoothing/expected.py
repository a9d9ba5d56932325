"""Smoothed labels of all architectures of a pool, from the labels of some of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acorn.learning.smoothing import networks
from acorn.learning.smoothing.posterior import Mixture, Posterior
from acorn.learning.smoothing.process_inputs import standardised
from acorn.learning.smoothing.relevance import relevance
from acorn.learning.smoothing.scores import NormalScores

Floats = NDArray[np.float64]

MOST_ALIKE = 0.5
"""Share of equal labels up to which a target on another dataset is used."""

NETWORKS_SHARE = 0.3
"""Weight of the networks in a smoothed label; the Gaussian process has the remaining weight."""

TRUST = 0.3
"""Exponent of the weight of a combination of targets in the loss of the networks, which grows with
its share of signal. With 0 all combinations have the same weight; 1 gives the weights of the
likelihood, under which noisy combinations hardly count."""


@dataclass(frozen=True)
class SmoothedLabels:
    """Smoothed labels.

    Attributes
    ----------
    value : ndarray of shape (architectures, targets)
        Expected scores, on the scale of the labels.
    deviation : ndarray of shape (architectures, targets)
        Standard deviation of a label from its expected score: noise, and the uncertainty of the
        expected score.
    """

    value: Floats
    deviation: Floats


def mode_share(labels: Floats) -> float:
    """Share of the labels that have the most common value.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Labels, n at least 1.

    Returns
    -------
    float
        In (0, 1].
    """
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


@dataclass(frozen=True)
class ExpectedScores:
    """Expected normal scores of each architecture.

    Attributes
    ----------
    process, networks : ndarray of shape (architectures, targets)
        Estimates of the Gaussian process and of the networks.
    deviation : ndarray of shape (architectures, targets)
        Standard deviation of a label from its expected score.
    maps : sequence of NormalScores
        Map between labels and normal scores of each target.
    """

    process: Floats
    networks: Floats
    deviation: Floats
    maps: Sequence[NormalScores]

    def smoothed(self, networks_share: float = NETWORKS_SHARE) -> SmoothedLabels:
        """Average both estimates, and map them to labels.

        Parameters
        ----------
        networks_share : float, default=NETWORKS_SHARE
            Weight of the networks, from 0 to 1.

        Returns
        -------
        SmoothedLabels
            On the scale of the labels.
        """
        mean = self.process + networks_share * (self.networks - self.process)
        spread = self._labels(mean + self.deviation) - self._labels(mean - self.deviation)
        return SmoothedLabels(self._labels(mean), spread / 2)

    def _labels(self, scores: Floats) -> Floats:
        columns = zip(self.maps, scores.T, strict=True)
        return np.column_stack([known.backward(column) for known, column in columns])


def expected_scores(
    X: NDArray[np.float32],
    labelled: NDArray[np.int64],
    Y: Floats,
    companions: Floats,
    *,
    seed: int,
) -> ExpectedScores:
    """Estimate the scores of all architectures of a pool from the labels of some of them.

    Parameters
    ----------
    X : ndarray of float32 of shape (architectures, features)
        Features of the pool; NaN is missing.
    labelled : ndarray of int64 of shape (rows,)
        Rows of the pool that have labels.
    Y : ndarray of shape (rows, targets)
        Their labels, without NaN.
    companions : ndarray of shape (rows, any)
        Their labels on other datasets, which are correlated with the targets, without NaN.
    seed : int
        Seed of all random numbers.

    Returns
    -------
    ExpectedScores
        Estimates for every row of the pool.
    """
    maps = [NormalScores.of(column) for column in Y.T]
    helpful = [column for column in companions.T if mode_share(column) < MOST_ALIKE]
    scored = [known.forward(column) for known, column in zip(maps, Y.T, strict=True)]
    scored += [NormalScores.of(column).forward(column) for column in helpful]
    scores = np.column_stack(scored)
    Z = standardised(X)
    scaled = Z * relevance(Z[labelled], scores, seed=seed)
    posterior = Posterior.fit(scaled, labelled, scores, seed=seed)
    learned = _learned(Z, labelled, scores, posterior.mixture, seed=seed)
    process, deviation = posterior.scores()
    targets = slice(len(maps))  # without the companions
    return ExpectedScores(process[:, targets], learned[:, targets], deviation[:, targets], maps)


def _learned(
    Z: Floats, labelled: NDArray[np.int64], scores: Floats, mixture: Mixture, *, seed: int
) -> Floats:
    """Predict all scores by networks, which learn combinations whose noise is independent."""
    variance = mixture.strength + 1  # the noise has variance 1
    columns = scores @ mixture.weights / np.sqrt(variance)
    predicted = networks.predict(Z[labelled], columns, variance**TRUST, Z, seed=seed)
    return predicted * np.sqrt(variance) @ mixture.back
