"""What neural networks learn from the same labels.

A Gaussian process knows how alike two functions are, once and for all targets. Networks learn what
matters in a function from all targets together, which says more of the noisiest ones. The two err
differently, so that their mean is better than either.

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
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]

NETWORKS, WIDTH, LAYERS = 3, 256, 4
"""Networks that are averaged, and the width and number of their hidden layers."""

ROWS, RATE = 128, 3e-3
"""Functions that each step of AdamW draws, and its highest learning rate."""

PASSES, FEWEST_STEPS, MOST_STEPS = 60, 150, 1400
"""Passes over the functions, within bounds: more of them learn the luck of a few labels by heart,
and what many labels say is learned in fewer."""

DROPOUT, DECAY = 0.1, 0.02

_DRAWN = 8192
"""Rows of dropout that are drawn: as many for each step would take as long as the products."""

_Layers = list[tuple[Tensor, Tensor]]


def predict(Z: Floats, columns: Floats, weight: Floats, at: Floats, *, seed: int) -> Floats:
    """Learn columns from features, and predict them elsewhere.

    The networks are trained side by side, each on draws of its own.

    Parameters
    ----------
    Z
        Features on one scale, shape (n, features).
    columns
        What to learn, each of about unit variance, shape (n, columns).
    weight
        Of each column in the squared error, shape (columns,).
    at
        Features of the functions to predict, shape (m, features).
    seed
        Of first weights, draws and dropout.

    Returns
    -------
    array of shape (m, columns)
    """
    X, Y, W, A = (torch.from_numpy(each.astype(np.float32)) for each in (Z, columns, weight, at))
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
    found = []
    for inputs, outputs in itertools.pairwise(sizes):
        weights = torch.empty(NETWORKS, inputs, outputs).uniform_(-1, 1, generator=generator)
        weights /= math.sqrt(inputs)
        bias = torch.zeros(NETWORKS, 1, outputs)
        found.append((weights.requires_grad_(), bias.requires_grad_()))
    return found


def _batches(n: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Functions that each network sees next, shape (networks, rows), without end."""
    size = min(ROWS, n)
    while True:
        order = torch.rand(NETWORKS, n, generator=generator).argsort(1)
        yield from order[:, : n - n % size].split(size, 1)


def _outputs(layers: _Layers, x: Tensor, masks: list[Tensor] | None = None) -> Tensor:
    """Outputs of all networks, shape (networks, rows, columns)."""
    *hidden, (weights, bias) = layers
    for place, (to_next, shift) in enumerate(hidden):
        x = torch.baddbmm(shift, x, to_next).relu()
        if masks is not None:
            x = x * masks[place]
    return torch.baddbmm(bias, x, weights)
