"""Correlations of rows: of the input Jacobian, and of the channels of activations."""

import torch
from jaxtyping import Float
from torch import Tensor

CONSTANT = (
    "the logits do not depend on an image: a layer on the way has weights of zero, or runs without "
    "gradients"
)
"""What a row that is constant means."""

EPSILON = 1e-5
"""The k of jacov and epe_nas, which keeps their logs and quotients finite."""


def correlation(rows: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    """Pearson correlation of rows in double precision; NaN where a row is constant."""
    centred = rows.double() - rows.double().mean(dim=1, keepdim=True)
    unit = centred / centred.norm(dim=1, keepdim=True)
    return (unit @ unit.T).clamp(-1, 1)


def correlation_of_channels(rows: Float[Tensor, "... n d"]) -> Float[Tensor, "... n n"]:
    """Pearson correlation of rows in double precision; 0 where a row is constant."""
    rows = rows.double()
    centred = rows - rows.mean(dim=-1, keepdim=True)
    length = centred.norm(dim=-1, keepdim=True)
    # A constant row's mean may round: what is left of it is no signal.
    constant = length <= 1e-12 * rows.norm(dim=-1, keepdim=True)
    unit = torch.where(constant, 0.0, centred / length)
    return unit @ unit.mT
