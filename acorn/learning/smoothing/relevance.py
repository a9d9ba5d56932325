"""Automatic relevance determination: learns the length scale of each feature.

The Gaussian process has one length scale for each feature. The scales of highest marginal
likelihood are long for features that do not matter.

References
----------
Neal, Bayesian learning for neural networks, 1996. Rasmussen and Williams, Gaussian processes for
machine learning, 2006, sections 4.2 (Matern's covariance) and 5.1 (relevance).
"""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]

STEPS, ROWS, RATE = 60, 800, 0.12
"""Steps of Adam, rows that each step draws, and its learning rate."""

FIRST_NOISE = 0.1
"""Initial share of noise in the variance of a label."""


class _Matern(torch.autograd.Function):
    """Covariance of squared distances; differentiable at zero, where the distance itself is not."""

    @staticmethod
    def forward(ctx: Any, squared: Float[Tensor, "a b"]) -> Float[Tensor, "a b"]:
        distance = (3 * squared.clamp_min(0)).sqrt_()
        fading = torch.exp(-distance)
        ctx.save_for_backward(fading)
        return distance.add_(1).mul_(fading)

    @staticmethod
    def backward(ctx: Any, *slope: Float[Tensor, "a b"]) -> Float[Tensor, "a b"]:
        (fading,) = ctx.saved_tensors
        return -1.5 * fading * slope[0]


def matern(A: Float[Tensor, "a features"], B: Float[Tensor, "b features"]) -> Float[Tensor, "a b"]:
    """Matern's covariance of smoothness 3/2.

    Parameters
    ----------
    A, B : torch.Tensor of shape (a, features) and (b, features)
        Features divided by their length scales.

    Returns
    -------
    torch.Tensor of shape (a, b)
        Covariance of each pair of rows.
    """
    squared = torch.addmm(A.square().sum(1)[:, None] + B.square().sum(1), A, B.T, alpha=-2)
    return matern_of_squared(squared)


def matern_of_squared(squared: Float[Tensor, "a b"]) -> Float[Tensor, "a b"]:
    """Matern's covariance of smoothness 3/2.

    Parameters
    ----------
    squared : torch.Tensor of shape (a, b)
        Squared distances, divided by the squared length scale.

    Returns
    -------
    torch.Tensor of shape (a, b)
        Covariance of each pair of rows.
    """
    K: Tensor = _Matern.apply(squared)  # type: ignore[no-untyped-call]
    return K


def covariance(
    A: Float64[Floats, "a features"], B: Float64[Floats, "b features"]
) -> Float64[Floats, "a b"]:
    """Apply :func:`matern` to arrays.

    Parameters
    ----------
    A, B : ndarray of shape (a, features) and (b, features)
        Features divided by their length scales.

    Returns
    -------
    ndarray of shape (a, b)
        Covariance of each pair of rows.
    """
    with torch.no_grad():
        return matern(torch.from_numpy(A), torch.from_numpy(B)).numpy()


def relevance(
    Z: Float64[Floats, "n features"], scores: Float64[Floats, "n targets"], *, seed: int
) -> Float64[Floats, " features"]:
    """Learn the inverse length scale of each feature.

    Targets share the length scales. Each target has its own share of noise, and a variance with a
    closed form.

    Parameters
    ----------
    Z : ndarray of shape (n, features)
        Standardised features.
    scores : ndarray of shape (n, targets)
        Normal scores of labels.
    seed : int
        Seed of the rows that each step draws.

    Returns
    -------
    ndarray of shape (features,)
        Inverse length scales.
    """
    X, Y = torch.from_numpy(Z), torch.from_numpy(scores)
    start = math.log(0.5 / math.sqrt(Z.shape[1]))
    scales = torch.full((Z.shape[1],), start, dtype=X.dtype, requires_grad=True)
    noise = torch.full((Y.shape[1],), math.log(FIRST_NOISE), dtype=X.dtype, requires_grad=True)
    optimiser = torch.optim.Adam([scales, noise], lr=RATE)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        rows = torch.randperm(len(X), generator=generator)[:ROWS]
        scaled = X[rows] * scales.exp()
        optimiser.zero_grad()
        negative_log_evidence(matern(scaled, scaled), Y[rows], noise.exp()).backward()
        optimiser.step()
    return scales.detach().exp().numpy()


def negative_log_evidence(
    K: Float[Tensor, "n n"], Y: Float[Tensor, "n targets"], noise: Float[Tensor, " targets"]
) -> Float[Tensor, ""]:
    """Negative log evidence per label, mean over targets, at each target's best variance.

    The gradient in ``K`` is given in closed form, because the gradient of an eigendecomposition
    divides by differences of eigenvalues, which may be equal.

    Parameters
    ----------
    K : torch.Tensor of shape (n, n)
        Covariance of the rows.
    Y : torch.Tensor of shape (n, targets)
        Scores.
    noise : torch.Tensor of shape (targets,)
        Share of noise of each target.

    Returns
    -------
    torch.Tensor
        A scalar.
    """
    with torch.no_grad():
        values, vectors = torch.linalg.eigh(K + 1e-6 * torch.eye(len(K), dtype=K.dtype))
        values, along = values.clamp_min(0)[:, None], vectors.T @ Y
    spread = values + noise
    variance = (along.square() / spread).mean(0).clamp_min(1e-9)
    evidence = 0.5 * (spread.log().mean(0) + variance.log()).mean()
    with torch.no_grad():
        inverse = (vectors * spread.reciprocal().sum(1)) @ vectors.T
        weighed = vectors @ (along / spread / variance.sqrt())
        slope = 0.5 * (inverse - weighed @ weighed.T) / Y.numel()
        constant = (slope * K).sum()
    return evidence + (slope * K).sum() - constant
