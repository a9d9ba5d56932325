"""What the passes leave behind for the proxies to read."""

from dataclasses import dataclass, field

from jaxtyping import Float, Int
from torch import Tensor

from acorn.graph import LayerGraph


@dataclass(slots=True)
class NoiseRecord:
    """What two forwards on Gaussian noise show, for each draw of weights and noise.

    Attributes
    ----------
    difference
        Mean over the images of the l1 distance between the last feature maps.
    log_scale
        Sum over BatchNorm layers of the log of their standard deviation.
    """

    difference: Float[Tensor, " draws"]
    log_scale: Float[Tensor, " draws"]


@dataclass(slots=True)
class BlocksRecord:
    """What a network's blocks do to Gaussian noise, and to a random gradient.

    Attributes
    ----------
    entropies
        Entropy of the channels' covariance spectrum after each block.
    gains
        Spectral norm of the correlation of a random sign gradient at each block's output with
        what arrives at its input: one less than blocks. Infinite for an identity.
    """

    entropies: Float[Tensor, " blocks"]
    gains: Float[Tensor, " blocks-1"]


@dataclass(slots=True)
class TwinRecord:
    """How alike each layer and its perturbed twin are: |weights * gradients * features|.

    Attributes
    ----------
    descent
        Images moved against the sign of their gradient, for each draw of weights and images.
    ascent
        Images moved along it, for the network as it is.
    """

    descent: Float[Tensor, "draws layers"]
    ascent: Float[Tensor, " layers"]


@dataclass(slots=True)
class Records:
    """One network's passes, as far as they were run; what no pass has filled raises AttributeError.

    ``weights`` are those of convolutions and linear layers (biases and norms are not pruned, so
    the pruning scores leave them out); all lists of gradients run in the same order.

    Attributes
    ----------
    labels
        Class of each image.
    num_classes
        Width of the logits.
    weights
        SURVEY: weights of the layers that run, each ``(out, in / groups, ...)``.
    gradients
        LOSS: gradient of the cross-entropy in each of ``weights``.
    jacobian
        JACOBIAN: gradient of the summed logits in each image, flattened.
    hessian_gradients
        HESSIAN: H g, the loss's Hessian applied to ``gradients``.
    half_gradients
        HALVES: gradient of the cross-entropy in each of ``weights``, for each half of the batch.
    evaluated_gradients
        CURVATURE: gradient of the cross-entropy of the first half in each of ``weights``, in
        evaluation mode.
    curvature
        CURVATURE: mean over the first half's images of the norm of the difference quotient of
        their loss gradient, along its own sign, in evaluation mode.
    synflow
        SYNFLOW: |weight| * gradient, summed over each layer, in double precision.
    twin
        TWIN.
    noise
        NOISE.
    random_gradients
        RANDOM: gradient of the summed logits on noise in each of ``weights``.
    blocks
        BLOCKS.
    fisher_eigenvalues
        FISHER_EIGEN: in ascending order.
    params
        STATIC: millions of parameters.
    trainable_layers
        SURVEY: modules and functions that own parameters which the forward reads.
    flops
        GRAPH: millions of multiply-accumulates.
    graph
        GRAPH: the layer graph.
    sample_size
        SAMPLE, REDRAWN: (height, width) of the image.
    """

    labels: Int[Tensor, " batch"]
    num_classes: int
    weights: list[Tensor] = field(init=False)
    params: float = field(init=False)
    trainable_layers: int = field(init=False)
    sample_size: tuple[int, int] = field(init=False)
    flops: float = field(init=False)
    graph: LayerGraph = field(init=False)
    gradients: list[Tensor] = field(init=False)
    jacobian: Float[Tensor, "batch pixels"] = field(init=False)
    hessian_gradients: list[Tensor] = field(init=False)
    half_gradients: tuple[list[Tensor], list[Tensor]] = field(init=False)
    evaluated_gradients: list[Tensor] = field(init=False)
    curvature: Float[Tensor, ""] = field(init=False)
    synflow: list[Float[Tensor, ""]] = field(init=False)
    twin: TwinRecord = field(init=False)
    noise: NoiseRecord = field(init=False)
    random_gradients: list[Tensor] = field(init=False)
    blocks: BlocksRecord = field(init=False)
    fisher_eigenvalues: Float[Tensor, " parameters"] = field(init=False)
