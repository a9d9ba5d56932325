"""az_trainability: whether blocks hand on gradients at their size."""

from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import BLOCKS, Records, proxy

EPSILON = 1e-6


@proxy("az_trainability", reads=BLOCKS)
def az_trainability(records: Records) -> Float[Tensor, ""]:
    """Mean over blocks of 2 - s - 1 / s, s the spectral norm of a block's backward.

    A gradient of random signs is sent into each block's output; s is that of the mean over images
    and pixels of the outer product of what arrives at its input with what was sent. The term is
    at most 0, where s is 1. A block whose backward is the identity scores minus infinity, as
    in the released code; a network with one has no score.

    Cost: a backward through each block, together one through the network without its weights,
    on the graph that RANDOM leaves.

    What the source leaves open: pixels that a stride merges, which the released code folds into
    channels, and sizes that are no multiple of the stride, here padded with zeros. The rest as
    for :mod:`acorn.proxies.az_expressivity`.

    Source: Lee and Ham, AZ-NAS, CVPR 2024.
    """
    gains = records.blocks.gains
    return (2 - gains - 1 / (gains + EPSILON)).mean()
