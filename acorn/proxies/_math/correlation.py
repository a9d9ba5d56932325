"""Correlations between the rows of the input Jacobian, which three proxies share."""

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
