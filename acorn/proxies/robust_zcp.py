"""robust_zcp: a bound on the adversarial loss."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import CURVATURE, Records, proxy

SCALE = 5e6
"""The published factor t of the exponent."""


@proxy(
    "robust_zcp",
    reads=CURVATURE,
    nulls={"inf": "the gradient in the images does not change over the step"},
)
def robust_zcp(records: Records) -> Float[Tensor, ""]:
    """Negative log of exp(t * mean inner product of gradients) times the squared curvature.

    With M layers and N images, the exponent is t times the sum over layers m and pairs i, j of
    images of <df(x_i)/dw_m, df(x_j)/dw_m>, over M N^2; that is the mean over layers of the squared
    norm of the mean gradient, which takes one backward. The curvature is |(g(x + h z) - g(x)) / h|,
    g the gradient of the loss in the image and z its sign, of unit length: the largest eigenvalue
    of the input Hessian, as far as one direction shows it. The published score is minus the
    product, of which the largest is the most robust; minus its log has the same order and does
    not overflow.

    Cost: two forwards and backwards of half of the batch, one to weights and images and one to
    images only.

    What the source leaves open: the mode. The released code sets the network to evaluation, where
    a new BatchNorm is the identity, and so do we; on batch statistics the order is nearly the
    reverse, and t, which is set for gradients that nothing normalises, would leave nothing to the
    curvature. f, for several classes, is the loss, as released. Layers are all convolutions and
    linear layers in full, where the released code takes 50 entries of each of the first eleven
    tensors; h is 50, as published. The curvature is squared as in the paper, not as released, and
    is the mean over images of the norms.

    Source: Feng et al., Zero-cost Proxy for Adversarial Robustness Evaluation, ICLR 2025,
    equation 4.
    """
    norms = torch._foreach_norm(records.evaluated_gradients, dtype=torch.float64)
    return -(SCALE * torch.stack(norms).square().mean() + 2 * records.curvature.log())
