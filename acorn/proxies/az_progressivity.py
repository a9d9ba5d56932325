"""az_progressivity: whether blocks add to what came before."""

from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import BLOCKS, Records, proxy


@proxy("az_progressivity", reads=BLOCKS)
def az_progressivity(records: Records) -> Float[Tensor, ""]:
    """Smallest rise of the blocks' entropy from one block to the next.

    The entropies are those of :mod:`acorn.proxies.az_expressivity`, and so are cost and
    choices.

    Source: Lee and Ham, AZ-NAS, CVPR 2024.
    """
    return records.blocks.entropies.diff().min()
