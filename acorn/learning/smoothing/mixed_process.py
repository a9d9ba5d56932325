"""A Gaussian process with random effects, for few and diverse architectures in groups.

A score is a function of the features plus the effects of factors, such as a training recipe or a
family of networks, plus noise. All are independent and normal. The covariance of two scores is::

    signal * matern(distance / length) + slope * <x, y> + 1
        + sum over factors of variance * [same level] + noise * [same row]

The linear part lets predictions rise beyond the networks with labels, where Matern's covariance
returns to the mean. Factors explain what the features do not: without them, the process would
attribute to the features what the networks of one family or recipe have in common.

References
----------
Robinson, That BLUP is a good thing: the estimation of random effects, 1991. Rasmussen and Williams,
Gaussian processes for machine learning, 2006, sections 2.7 (linear part) and 5.4 (evidence).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Float64, Int64
from numpy.typing import NDArray
from torch import Tensor

from acorn.learning.smoothing.relevance import matern_of_squared

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]

ROWS, STEPS = 600, 15
"""Rows that the evidence is computed of, and most steps of L-BFGS."""

START = (0.6, 1.65, 0.135)
"""Initial signal variance, length scale and variance of the linear part."""

START_FACTOR, START_NOISE = 0.08, 0.05
PRIOR = 2.0
"""Standard deviation of the logarithm of each hyper-parameter around its initial value."""

LEAST_NOISE = 1e-6


@dataclass(frozen=True)
class Factors:
    """What labels depend on that is not known for networks without labels.

    Attributes
    ----------
    categories : sequence of ndarray of int of shape (rows,)
        Level of each label in each category, such as its training recipe; -1 if it is unknown.
    sizes : sequence of int
        Number of levels of each category.
    groups : ndarray of int of shape (rows,)
        Group of each label, such as its family of networks.
    """

    categories: Sequence[Int64[Levels, " rows"]]
    sizes: Sequence[int]
    groups: Int64[Levels, " rows"]

    @property
    def others(self) -> list[Int64[Levels, " rows"]]:
        """Groups, and levels of each category within each group."""
        levels = max(self.sizes, default=0) + 1
        return [self.groups, *(self.groups * levels + one + 1 for one in self.categories)]


@dataclass(frozen=True)
class MixedProcess:
    """Posterior of one target.

    Attributes
    ----------
    mean, deviation : ndarray of shape (architectures,)
        Expected scores of levels that are not known, and the standard deviation of a label.
    effects : list of ndarray of shape (levels,)
        What a level of each category adds to the expected score.
    """

    mean: Float64[Floats, " architectures"]
    deviation: Float64[Floats, " architectures"]
    effects: list[Float64[Floats, " levels"]]

    @classmethod
    def fit(
        cls,
        Z: Float64[Floats, "architectures features"],
        kinds: Sequence[Int64[Levels, " architectures"]],
        labelled: Int64[NDArray[np.int64], " rows"],
        scores: Float64[Floats, " rows"],
        factors: Factors,
        *,
        seed: int,
    ) -> Self:
        """Fit the process to labelled rows.

        Parameters
        ----------
        Z : ndarray of shape (architectures, features)
            Features of the pool, such that distances are about 1.
        kinds : sequence of ndarray of int of shape (architectures,)
            Levels of categories that are known for the whole pool, so that their effects are part
            of the expected scores.
        labelled : ndarray of int of shape (rows,)
            Row of the pool of each label.
        scores : ndarray of shape (rows,)
            Standardised labels.
        factors : Factors
            What the labels depend on besides.
        seed : int
            Seed of the rows that hyper-parameters are learned from.

        Returns
        -------
        MixedProcess
            The posterior.
        """
        pool, known = torch.from_numpy(Z), torch.from_numpy(Z[labelled])
        y = torch.from_numpy(scores)
        levels = [*(kind[labelled] for kind in kinds), *factors.categories, *factors.others]
        same = [_same(one, one) for one in levels]
        squared, products = _parts(known, known)
        rows = np.random.default_rng(seed).permutation(len(scores))[:ROWS]
        some = np.ix_(rows, rows)
        theta = _learn(squared[some], products[some], [one[some] for one in same], y[rows])

        with torch.no_grad():
            variances, noise = theta[3:-1].exp(), theta[-1].exp() + LEAST_NOISE
            K = _smooth(theta, squared, products) + noise * torch.eye(len(y), dtype=y.dtype)
            K += sum(variance * one for variance, one in zip(variances, same, strict=True))
            factor = torch.linalg.cholesky(K)
            weights = torch.cholesky_solve(y[:, None], factor)[:, 0]
            cross = _smooth(theta, *_parts(pool, known))
            for variance, kind in zip(variances, kinds, strict=False):
                cross += variance * _same(kind, kind[labelled])
            explained = torch.linalg.solve_triangular(factor, cross.T, upper=False).square().sum(0)
            prior = 1 + theta[0].exp() + theta[2].exp() * pool.square().sum(1) + variances.sum()
            deviation = ((prior - explained).clamp_min(0) + noise).sqrt()
            mean, residual = (cross @ weights).numpy(), weights.numpy()
        effects = []
        of_categories = variances[len(kinds) :].tolist()
        for variance, one, size in zip(
            of_categories, factors.categories, factors.sizes, strict=False
        ):
            effect = variance * np.bincount(one + 1, residual, minlength=size + 1)[1:]
            usual = effect[one[one >= 0]].mean() if (one >= 0).any() else 0.0
            mean += usual
            effects.append(effect - usual)
        return cls(mean, deviation.numpy(), effects)


def _same(a: Int64[Levels, " a"], b: Int64[Levels, " b"]) -> Tensor:
    """Indicate pairs of equal levels that are known."""
    equal = (a[:, None] == b) & (b >= 0)
    return torch.from_numpy(equal.astype(np.float64))


def _parts(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances and products of rows."""
    products = a @ b.T
    squared = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * products
    return squared.clamp_min(0), products


def _smooth(theta: Tensor, squared: Tensor, products: Tensor) -> Tensor:
    """Covariance of the function of the features, with a constant of unit variance."""
    signal, length, slope = theta[:3].exp()
    return signal * matern_of_squared(squared / length.square()) + slope * products + 1


def _learn(squared: Tensor, products: Tensor, effects: Sequence[Tensor], scores: Tensor) -> Tensor:
    """Find the logarithms of the hyper-parameters of highest posterior density."""
    start = torch.tensor(
        [*START, *(START_FACTOR for _ in effects), START_NOISE], dtype=scores.dtype
    ).log()
    theta = start.clone().requires_grad_(True)
    identity = torch.eye(len(scores), dtype=scores.dtype)
    optimiser = torch.optim.LBFGS([theta], max_iter=STEPS, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimiser.zero_grad()
        K = _smooth(theta, squared, products) + (theta[-1].exp() + LEAST_NOISE) * identity
        for variance, same in zip(theta[3:-1].exp(), effects, strict=True):
            K = K + variance * same
        factor = torch.linalg.cholesky(K)
        weights = torch.cholesky_solve(scores[:, None], factor)[:, 0]
        loss: Tensor = 0.5 * scores @ weights + factor.diagonal().log().sum()
        loss = loss + 0.5 * ((theta - start) / PRIOR).square().sum()
        loss.backward()
        return loss

    optimiser.step(step)
    return theta.detach()
