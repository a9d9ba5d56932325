"""jacov: correlation of the input Jacobian."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import JACOBIAN, Records, proxy
from acorn.proxies._math.channel_correlation import CONSTANT, EPSILON, correlation


@proxy("jacov", reads=JACOBIAN)
def jacov(records: Records) -> Float[Tensor, ""]:
    """Score of the eigenvalues v of the rows' correlation: - sum(log(v + k) + 1 / (v + k)).

    Source: Mellor et al., Neural Architecture Search without Training, first version, 2020,
    equation 2, with k = 1e-5.
    """
    try:
        eigenvalues = torch.linalg.eigvalsh(correlation(records.jacobian)).clamp_min(0) + EPSILON
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise ValueError(CONSTANT) from error
    return -(eigenvalues.log() + eigenvalues.reciprocal()).sum()
