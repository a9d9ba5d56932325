"""az_expressivity: how evenly blocks use their channels."""

from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import BLOCKS, Records, proxy


@proxy("az_expressivity", reads=BLOCKS)
def az_expressivity(records: Records) -> Float[Tensor, ""]:
    """Sum over blocks of the entropy of their channels' normalised covariance eigenvalues.

    Covariances are over images and pixels of each block's output ``(batch, channels, h, w)``.

    Cost: a matrix product and an eigenvalue problem of the number of channels a block, on the
    forward that RANDOM runs.

    What the source leaves open: what a block is (see
    :func:`acorn.proxies._network.blocks.feature_blocks`), and the input (Gaussian noise, as where
    the released code is given no data). Released Kaiming weights are the network's own here:
    blocks are compared through BatchNorm, to which their scale is nothing.

    Source: Lee and Ham, AZ-NAS, CVPR 2024.
    """
    return records.blocks.entropies.sum()
