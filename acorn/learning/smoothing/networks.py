"""Neural networks that predict scores from features.

A Gaussian process has one similarity of two architectures, which all targets share. Networks learn
a representation from all targets together, which improves the noisiest ones. The errors of the two
differ, so that their mean is better than either.

References
----------
Caruana, Multitask learning, Machine Learning 28, 1997. Hansen and Salamon, Neural network
ensembles, PAMI 12, 1990 (independent networks, averaged). Srivastava et al., Dropout, JMLR 15,
2014. Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019. Smith and Topin,
Super-convergence, 2018 (one cycle of the learning rate).
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]

NETWORKS, WIDTH, LAYERS = 3, 256, 4
"""Number of averaged networks, and the width and number of their hidden layers."""

ROWS, RATE = 128, 3e-3
"""Rows that each step of AdamW draws, and its highest learning rate."""

PASSES, FEWEST_STEPS, MOST_STEPS = 60, 150, 1400
"""Number of passes over the rows, and bounds of the number of steps. With few rows more steps would
overfit; with many rows fewer suffice."""

DROPOUT, DECAY = 0.1, 0.02

_DRAWN = 8192
"""Rows of dropout masks that are drawn once. To draw masks at each step would take as long as the
matrix products."""

_Layers = list[tuple[Tensor, Tensor]]


def predict(
    Z: Float64[Floats, "n features"],
    columns: Float64[Floats, "n columns"],
    weight: Float64[Floats, " columns"],
    at: Float64[Floats, "m features"],
    *,
    seed: int,
) -> Float64[Floats, "m columns"]:
    """Learn columns from features, and predict them for other rows.

    The networks are trained at once, each on its own random batches.

    Parameters
    ----------
    Z : ndarray of shape (n, features)
        Standardised features.
    columns : ndarray of shape (n, columns)
        Values to learn, each column of about unit variance.
    weight : ndarray of shape (columns,)
        Weight of each column in the squared error.
    at : ndarray of shape (m, features)
        Standardised features of the rows to predict.
    seed : int
        Seed of initial weights, batches and dropout.

    Returns
    -------
    ndarray of shape (m, columns)
        Mean prediction of the networks.
    """
    arrays = (Z, columns, weight, at)
    X, Y, W, A = (torch.from_numpy(array.astype(np.float32)) for array in arrays)
    generator = torch.Generator().manual_seed(seed)
    layers = _layers([X.shape[1], *[WIDTH] * LAYERS, Y.shape[1]], generator)
    kept = torch.rand(NETWORKS, _DRAWN, WIDTH, generator=generator) >= DROPOUT
    dropout = kept / (1 - DROPOUT)
    steps = min(max(PASSES * len(X) // ROWS, FEWEST_STEPS), MOST_STEPS)
    optimiser = torch.optim.AdamW([*itertools.chain(*layers)], weight_decay=DECAY, fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    for rows in itertools.islice(_batches(len(X), generator), steps):
        starts = torch.randint(_DRAWN - rows.shape[1], (LAYERS,), generator=generator).tolist()
        masks = [dropout[:, start : start + rows.shape[1]] for start in starts]
        optimiser.zero_grad()
        error = _outputs(layers, X[rows], masks) - Y[rows]
        (W * error.square()).mean((1, 2)).sum().backward()
        optimiser.step()
        cycle.step()
    with torch.no_grad():
        return _outputs(layers, A.expand(NETWORKS, -1, -1)).mean(0).double().numpy()


def _layers(sizes: list[int], generator: torch.Generator) -> _Layers:
    """Weights of shape (networks, inputs, outputs), and biases, of each layer."""
    layers = []
    for inputs, outputs in itertools.pairwise(sizes):
        weights = torch.empty(NETWORKS, inputs, outputs).uniform_(-1, 1, generator=generator)
        weights /= math.sqrt(inputs)
        bias = torch.zeros(NETWORKS, 1, outputs)
        layers.append((weights.requires_grad_(), bias.requires_grad_()))
    return layers


def _batches(n: int, generator: torch.Generator) -> Iterator[Int[Tensor, "networks rows"]]:
    """Yield batches of rows of each network without end, each of shape (networks, rows)."""
    size = min(ROWS, n)
    while True:
        order = torch.rand(NETWORKS, n, generator=generator).argsort(1)
        yield from order[:, : n - n % size].split(size, 1)


def _outputs(
    layers: _Layers,
    x: Float[Tensor, "networks rows features"],
    masks: list[Float[Tensor, "networks rows width"]] | None = None,
) -> Float[Tensor, "networks rows columns"]:
    """Outputs of all networks, shape (networks, rows, columns)."""
    *hidden, (weights, bias) = layers
    for place, (to_next, shift) in enumerate(hidden):
        x = torch.baddbmm(shift, x, to_next).relu()
        if masks is not None:
            x = x * masks[place]
    return torch.baddbmm(bias, x, weights)
