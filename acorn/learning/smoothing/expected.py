"""Smooth labels of all functions of a pool, from the labels of some of them."""

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
"""Share of equal labels up to which a target on another dataset can tell anything."""

NETWORKS_SHARE = 0.3
"""Share of the networks in a smooth label; the rest is the Gaussian process's."""

TRUST = 0.3
"""How much more a combination of targets counts to the networks the more of it is signal: 0 is not
at all, so that all are learned alike; 1 is as by likelihood, which leaves little to the noisy ones.
"""


@dataclass(frozen=True)
class SmoothedLabels:
    """Smooth labels in percent, each of shape (functions, targets).

    Attributes
    ----------
    value
        What a function is expected to score.
    deviation
        How far a label is expected to lie from it: noise, and what the labels leave unknown.
    """

    value: Floats
    deviation: Floats


def mode_share(labels: Floats) -> float:
    """Share of the labels that have the most common value."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


@dataclass(frozen=True)
class ExpectedScores:
    """Normal scores that are expected of each function, each of shape (functions, targets).

    Attributes
    ----------
    process, networks
        By the Gaussian process and by the networks.
    deviation
        How far a label is expected to lie from them.
    maps
        From the labels of each target to normal scores and back.
    """

    process: Floats
    networks: Floats
    deviation: Floats
    maps: Sequence[NormalScores]

    def smoothed(self, networks_share: float = NETWORKS_SHARE) -> SmoothedLabels:
        """Mix both, and go back to percent."""
        mean = self.process + networks_share * (self.networks - self.process)
        spread = self._percent(mean + self.deviation) - self._percent(mean - self.deviation)
        return SmoothedLabels(self._percent(mean), spread / 2)

    def _percent(self, scores: Floats) -> Floats:
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
    """Learn from the labels of some functions what to expected_scores of all of a pool.

    Parameters
    ----------
    X
        Features of the pool, shape (functions, features).
    labelled
        Rows that have labels.
    Y
        Their labels in percent, shape (len(labelled), targets), without gaps.
    companions
        Their labels on other datasets, which share signal with the targets, shape
        (len(labelled), any), without gaps.
    seed
        Of draws.
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
    own = slice(len(maps))  # without the companions
    return ExpectedScores(process[:, own], learned[:, own], deviation[:, own], maps)


def _learned(
    Z: Floats, labelled: NDArray[np.int64], scores: Floats, mixture: Mixture, *, seed: int
) -> Floats:
    """Scores of all functions by networks, which learn combinations whose noise goes apart."""
    variance = mixture.strength + 1  # that of the noise is one
    columns = scores @ mixture.weights / np.sqrt(variance)
    found = networks.predict(Z[labelled], columns, variance**TRUST, Z, seed=seed)
    return found * np.sqrt(variance) @ mixture.back
