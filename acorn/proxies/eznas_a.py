"""eznas_a: the evolved score EZNAS-A, read as of weight gradients under noise."""

from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import RANDOM, Records, proxy
from acorn.proxies._math.layer_programs import programs


@proxy("eznas_a", reads=RANDOM)
def eznas_a(records: Records) -> Float[Tensor, ""]:
    """Mean over convolutions of EZNAS' program on their weight gradient under Gaussian noise.

    The program takes the signs of the gradient of the summed logits, ``(out, in, k, k)``, the log
    of the determinant of each k x k of them (NaN to 0), the sigmoid of that, and the Frobenius
    norm over all of them.

    Cost: a determinant for each pair of channels, on gradients that RANDOM leaves.

    What the source leaves open: this is one of two readings of its tensor, which the released
    program calls by a number. In the released code's list of tensor names the number stands for
    this tensor; but its evaluation takes tensors in another order, by which it stands for that of
    :mod:`acorn.proxies.eznas_a_data`. The published correlations (Kendall tau .62 on
    NAS-Bench-201) were made by that evaluation, and this reading does not reach them: about .3.
    Signs of gradients at random weights are all but random, so the value is nearly
    :mod:`acorn.proxies.eznas_a_closed`: a fact about kernels and widths, not about the gradient.
    The released code, too, takes the mean over layers, which takes away that there are more of
    them; it draws Kaiming weights, which the signs hardly tell from PyTorch's. Layers are all
    convolutions of square kernels, the stem among them, whether or not a rectifier and a norm
    stand beside them.

    Source: Akhauri et al., EZNAS, NeurIPS 2022 (EZNAS-A).
    """
    kernels = [
        gradient
        for gradient in records.random_gradients
        if gradient.dim() == 4 and gradient.shape[-1] == gradient.shape[-2]
    ]
    if not kernels:
        raise ValueError("the network has no convolution with a square kernel")
    return programs(kernels).mean()
