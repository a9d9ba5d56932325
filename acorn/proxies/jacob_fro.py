"""jacob_fro: Frobenius norm of the input Jacobian."""

from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import JACOBIAN, Records, proxy


@proxy("jacob_fro", reads=JACOBIAN)
def jacob_fro(records: Records) -> Float[Tensor, ""]:
    """Frobenius norm of the Jacobian, one row an image.

    Source: Hoffman et al., Robust Learning with Jacobian Regularization, 2019; as a feature for
    robustness in Lukasik et al., GCPR 2023.
    """
    return records.jacobian.norm()
