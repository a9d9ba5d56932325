"""Smoothed labels of all architectures of a pool, from the labels of some of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy.typing import NDArray

from acorn.learning.smoothing import networks
from acorn.learning.smoothing.mixed_process import Factors, MixedProcess
from acorn.learning.smoothing.posterior import Mixture, Posterior
from acorn.learning.smoothing.process_inputs import isotropically_scaled, standardised
from acorn.learning.smoothing.relevance import relevance
from acorn.learning.smoothing.scores import NormalScores, SymmetricScores

Floats = NDArray[np.float64]
Scores = Float64[Floats, "architectures targets"]

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

    value: Scores
    deviation: Scores


def mode_share(labels: Float64[Floats, " n"]) -> float:
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

    process: Scores
    networks: Scores
    deviation: Scores
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

    def _labels(self, scores: Scores) -> Scores:
        columns = zip(self.maps, scores.T, strict=True)
        return np.column_stack([known.backward(column) for known, column in columns])


def expected_scores(
    X: Float32[NDArray[np.float32], "architectures features"],
    labelled: Int64[NDArray[np.int64], " rows"],
    Y: Float64[Floats, "rows targets"],
    companions: Float64[Floats, "rows companions"],
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
    companions : ndarray of shape (rows, companions)
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
    targets = slice(len(maps))  # without the companions
    Z = standardised(X)
    scaled = Z * relevance(Z[labelled], scores, seed=seed)
    posterior = Posterior.fit(scaled, labelled, scores, seed=seed)
    learned = _learned(Z, labelled, scores, posterior.mixture, seed=seed)
    process, deviation = posterior.scores()
    return ExpectedScores(process[:, targets], learned[:, targets], deviation[:, targets], maps)


def _learned(
    Z: Float64[Floats, "architectures features"],
    labelled: Int64[NDArray[np.int64], " rows"],
    scores: Float64[Floats, "rows targets"],
    mixture: Mixture,
    *,
    seed: int,
) -> Scores:
    """Predict all scores by networks, which learn combinations whose noise is independent."""
    variance = mixture.strength + 1  # the noise has variance 1
    columns = scores @ mixture.weights / np.sqrt(variance)
    predicted = networks.predict(Z[labelled], columns, variance**TRUST, Z, seed=seed)
    return predicted * np.sqrt(variance) @ mixture.back


@dataclass(frozen=True)
class MixedScores:
    """Labels of a pool that are smoothed by mixed processes.

    Attributes
    ----------
    smoothed : SmoothedLabels
        Expected labels of unknown levels.
    effects : list of ndarray of shape (levels, targets)
        What each level of each category adds to a label; 0 for the level of unknown ones.
    """

    smoothed: SmoothedLabels
    effects: list[Float64[Floats, "levels targets"]]


def mixed_scores(
    X: Float32[NDArray[np.float32], "architectures features"],
    kinds: Sequence[Int64[NDArray[np.int64], " architectures"]],
    labelled: Int64[NDArray[np.int64], " rows"],
    Y: Float64[Floats, "rows targets"],
    bounds: tuple[Float64[Floats, " targets"], Float64[Floats, " targets"]],
    factors: Factors,
    *,
    seed: int,
) -> MixedScores:
    """Smooth the labels of a pool by a process with random effects for each target.

    Parameters
    ----------
    X : ndarray of float32 of shape (architectures, features)
        Features of the pool without those of ``kinds``; NaN is missing.
    kinds : sequence of ndarray of int of shape (architectures,)
        Levels of categories that are known for the whole pool.
    labelled : ndarray of int64 of shape (rows,)
        Rows of the pool that have labels.
    Y : ndarray of shape (rows, targets)
        Their labels, without NaN.
    bounds : pair of ndarray of shape (targets,)
        Lower and upper bounds of the labels.
    factors : Factors
        Levels of each label that are not known for the whole pool.
    seed : int
        Seed of all random numbers.

    Returns
    -------
    MixedScores
        Estimates for every row of the pool.
    """
    Z = isotropically_scaled(X)
    values, deviations, effects = [], [], []
    for label, lower, upper in zip(Y.T, *bounds, strict=True):
        scores = SymmetricScores.of(label, float(lower), float(upper))
        process = MixedProcess.fit(Z, kinds, labelled, scores.forward(label), factors, seed=seed)
        low, value, high = (
            scores.backward(process.mean + shift * process.deviation) for shift in (-1, 0, 1)
        )
        values.append(value)
        deviations.append((high - low) / 2)
        expected = process.mean[labelled]
        effects.append(
            [
                _mean_by_level(
                    scores.backward(expected + effect[levels]) - scores.backward(expected),
                    levels,
                    len(effect),
                )
                for effect, levels in zip(process.effects, factors.categories, strict=True)
            ]
        )
    smoothed = SmoothedLabels(np.column_stack(values), np.column_stack(deviations))
    return MixedScores(smoothed, [np.column_stack(one) for one in zip(*effects, strict=True)])


def _mean_by_level(
    values: Float64[Floats, " rows"], levels: Int64[NDArray[np.int64], " rows"], size: int
) -> Float64[Floats, " levels"]:
    """Mean of the values of each level; 0 of no values. The level -1 is left out."""
    counts = np.bincount(levels + 1, minlength=size + 1)
    return (np.bincount(levels + 1, values, minlength=size + 1) / counts.clip(1))[1:]
