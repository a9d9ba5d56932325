"""robust_zcp: a bound on the adversarial loss."""

import torch
from jaxtyping import Float
from torch import Tensor

from models.proxies.records import Records
from models.proxies.registry import Pass, proxy


@proxy("robust_zcp", reads=(Pass.LOGITS, Pass.CURVATURE))
def robust_zcp(records: Records) -> Float[Tensor, ""]:
    """Negative log of exp(mean inner product of gradients) times the curvature in the input.

    With M layers and N images, the exponent is the sum over layers m and pairs i, j of images of
    <df(x_i)/dw_m, df(x_j)/dw_m>, over M N^2; that is the mean over layers of the squared norm of
    the mean gradient, which takes one backward. The curvature is |(g(x + h z) - g(x)) / h|, g the
    gradient of the loss in the image and z its sign, of unit length: the largest eigenvalue of
    the input Hessian, as far as one direction shows it. The published score is minus the product;
    minus its log has the same order and does not overflow.

    Cost: on half of the batch, a backward of the summed logits to the weights, and a forward
    and backward for the curvature.

    Read with care: its sign is that of a bound, so a network of little curvature scores high. In
    NAS-Bench-201 those are the networks that compute little, and the order is nearly the reverse
    of that by accuracy, clean or adversarial.

    What the source leaves open: f for several classes (here the sum of logits, so that layers
    count by how far they move all of them), h (here 1.5, as in work with the same estimate for
    CIFAR images), and the average over images (here of the norms).

    Source: Feng et al., Zero-cost Proxy for Adversarial Robustness Evaluation, ICLR 2025.
    """
    images = len(records.labels) // 2
    squares = [(gradient / images).square().sum() for gradient in records.logit_gradients]
    return -(torch.stack(squares).mean() + records.curvature.log())
