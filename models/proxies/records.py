"""What the passes leave behind for the proxies to read."""

from dataclasses import dataclass, field

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(slots=True)
class NoiseRecord:
    """What two forwards on Gaussian noise show.

    Attributes
    ----------
    difference
        Mean over the batch of the l1 distance between the last feature maps, a scalar.
    log_scale
        Sum over BatchNorm layers of the log of their standard deviation, a scalar.
    """

    difference: Float[Tensor, ""]
    log_scale: Float[Tensor, ""]


@dataclass(slots=True)
class Records:
    """One network's passes, as far as they were run; what no pass has filled raises AttributeError.

    ``weights`` are those of convolutions and linear layers (biases and norms are not pruned, so
    the pruning scores leave them out); all lists of gradients run in the same order.

    Attributes
    ----------
    weights
        Layer weights, each ``(out, in / groups, ...)``.
    labels
        Class of each image.
    num_classes
        Width of the logits.
    gradients
        LOSS: gradient of the cross-entropy in each of ``weights``.
    jacobian
        JACOBIAN: gradient of the summed logits in each image, flattened.
    hessian_gradients
        HESSIAN: H g, the loss's Hessian applied to ``gradients``.
    synflow
        SYNFLOW: |weight| * gradient, summed over each layer, in double precision.
    noise
        NOISE.
    params, flops
        STATIC: millions of parameters and of multiply-accumulates.
    """

    weights: list[Tensor]
    labels: Int[Tensor, " batch"]
    num_classes: int
    params: float = field(init=False)
    flops: float = field(init=False)
    gradients: list[Tensor] = field(init=False)
    jacobian: Float[Tensor, "batch pixels"] = field(init=False)
    hessian_gradients: list[Tensor] = field(init=False)
    synflow: list[Float[Tensor, ""]] = field(init=False)
    noise: NoiseRecord = field(init=False)
