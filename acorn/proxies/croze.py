"""croze: consistency with a perturbed copy of the network."""

from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import EXCEEDS, PERTURBED, Records, proxy


@proxy("croze", reads=PERTURBED, nulls={"nan": EXCEEDS, "inf": EXCEEDS})
def croze(records: Records) -> Float[Tensor, " draws"]:
    """Sum over layers of the similarity of weights, gradients and features of two networks.

    The network without signs and BatchNorm is compared with a copy whose weights ascended the
    loss, on images moved by 0.01 along a sign. A layer's term is the product of the sums of
    1 + cosine of weights, |cosine| of weight gradients and 1 + cosine of outputs, each cosine
    along the first dimension: output channels, and images. The value is the mean over 3 draws of
    4 other images each: the network as it is, and twice with its weights drawn anew.

    Cost: three forwards and backwards of 4 images a draw, and one more for
    :mod:`acorn.proxies.croze_ascent`.

    What the source leaves open: the paper's images ascend their loss, those of the released code
    descend. This is the released code, by which the published numbers were made;
    :mod:`acorn.proxies.croze_ascent` is the paper's text. The released code clamps images to
    0..1 although they are normalised, and compares cells of NAS-Bench-201 or DARTS; here it is
    each layer's own output, so that any network has a score. Its batch is 8 images.

    Activations grow with depth; layers are scaled so that they stay in the range of single
    precision. A network with a function whose scale cannot be worked out is computed in double
    precision, which some 150 convolutions in a chain exceed: it has no score then.

    Source: Ha et al., CRoZe, NeurIPS 2023.
    """
    return records.perturbed.descent.sum(dim=1)
