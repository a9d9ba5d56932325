"""Results of the passes, which the proxies read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float, Float64, Int
from torch import Tensor

from acorn.graph import LayerGraph
from acorn.proxies._math.spectra import Spectra


@dataclass(slots=True)
class NoiseRecord:
    """Results of two forwards on Gaussian noise, for each draw of weights and noise.

    Attributes
    ----------
    difference : Tensor (draws,)
        Mean over the images of the l1 distance between the last feature maps.
    log_scale : Tensor (draws,)
        Sum over BatchNorm layers of the log of their standard deviation.
    """

    difference: Float[Tensor, " draws"]
    log_scale: Float[Tensor, " draws"]


@dataclass(slots=True)
class BlocksRecord:
    """Effect of a network's blocks on Gaussian noise, and on a random gradient.

    Attributes
    ----------
    entropies : Tensor (blocks,)
        Entropy of the channels' covariance spectrum after each block.
    gains : Tensor (blocks - 1,)
        Spectral norm of the correlation of a random sign gradient at each block's output with
        what arrives at its input. Infinite for an identity.
    """

    entropies: Float[Tensor, " blocks"]
    gains: Float[Tensor, " blocks-1"]


@dataclass(slots=True)
class PerturbedRecord:
    """Similarity of each layer to its perturbed copy: |weights * gradients * features|.

    Attributes
    ----------
    descent : Tensor (draws, layers)
        Images moved against the sign of their gradient, for each draw of weights and images.
    ascent : Tensor (layers,)
        Images moved along it, for the network as it is.
    """

    descent: Float[Tensor, "draws layers"]
    ascent: Float[Tensor, " layers"]


@dataclass(slots=True)
class Records:
    """Results of one network's passes.

    Each pass fills the fields that its ``fills`` names; reading a field that no pass has filled
    raises AttributeError. All lists of gradients have the order of ``weights``.

    Attributes
    ----------
    labels : Tensor (batch,)
        Class of each image.
    num_classes : int
        Width of the logits.
    weights : list of Tensor (out, in / groups, ...)
        SURVEY: weights of the convolutions and linear layers that run. Biases and norms are not
        pruned, so pruning scores leave them out.
    params : float
        STATIC: millions of parameters.
    trainable_layers : int
        SURVEY: number of modules and functions with parameters that the forward reads.
    flops : float
        GRAPH: millions of multiply-accumulates.
    graph : LayerGraph
        GRAPH: the layer graph.
    gradients : list of Tensor
        LOSS: gradient of the cross-entropy in each weight.
    jacobian : Tensor (batch, pixels)
        JACOBIAN: gradient of the summed logits in each image.
    hessian_gradients : list of Tensor
        HESSIAN: H g, the Hessian of the loss applied to ``gradients``.
    half_gradients : pair of lists of Tensor
        HALVES: gradient of the cross-entropy in each weight, for each half of the batch.
    evaluated_gradients : list of Tensor
        CURVATURE: gradient of the cross-entropy of the first half in each weight, in evaluation
        mode.
    curvature : Tensor ()
        CURVATURE: mean over the images of the first half of the norm of the difference quotient of
        their loss gradient, along its own sign, in evaluation mode.
    synflow : Tensor ()
        SYNFLOW: natural log of the sum of |weight| * gradient over all layers.
    perturbed : PerturbedRecord
        PERTURBED.
    noise : NoiseRecord
        NOISE.
    random_gradients : list of Tensor
        RANDOM: gradient of the summed logits on noise in each weight.
    blocks : BlocksRecord
        BLOCKS.
    layer_statistics : mapping of str to Tensor (calls,)
        LAYERS: statistics of each call of a convolution or linear layer.
    fisher_eigenvalues : Tensor (parameters,)
        FISHER_EIGEN: eigenvalues of the Fisher information, ascending.
    spectra : Spectra
        Symmetric matrices of passes and observers, of which those of one width are decomposed by
        one call when the first value is computed.
    """

    labels: Int[Tensor, " batch"]
    num_classes: int
    weights: list[Tensor] = field(init=False)
    params: float = field(init=False)
    trainable_layers: int = field(init=False)
    flops: float = field(init=False)
    graph: LayerGraph = field(init=False)
    gradients: list[Tensor] = field(init=False)
    jacobian: Float[Tensor, "batch pixels"] = field(init=False)
    hessian_gradients: list[Tensor] = field(init=False)
    half_gradients: tuple[list[Tensor], list[Tensor]] = field(init=False)
    evaluated_gradients: list[Tensor] = field(init=False)
    curvature: Float[Tensor, ""] = field(init=False)
    synflow: Float[Tensor, ""] = field(init=False)
    perturbed: PerturbedRecord = field(init=False)
    noise: NoiseRecord = field(init=False)
    random_gradients: list[Tensor] = field(init=False)
    blocks: BlocksRecord = field(init=False)
    layer_statistics: Mapping[str, Float64[Tensor, " calls"]] = field(init=False)
    fisher_eigenvalues: Float[Tensor, " parameters"] = field(init=False)
    spectra: Spectra = field(init=False, default_factory=Spectra)
