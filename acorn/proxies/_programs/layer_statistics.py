"""Statistics of each layer of an untrained network, from which programs are composed.

The tensors are those of EZNAS (Akhauri et al., NeurIPS 2022): the weight of each layer, and its
input (an activation), its output (a pre-activation) and their gradients for images, noise and
perturbed images. Added are the same images after one step of the weights, likenesses between the
images and the other inputs, and the size of each layer. Each tensor is reduced to a few numbers at
once, since the tensors of hundreds of networks do not fit in memory.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn import functional

from acorn.proxies._math.deferred import grouped
from acorn.proxies._math.layout import image_rows
from acorn.proxies._math.spectra import Spectra, smaller_square
from acorn.proxies._network.environment import seed_all
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._network.operations import WEIGHTED, Operation

SOURCES = ("data", "noise", "perturbed", "step")
"""What a network is run on: images, noise, perturbed images, and images after a weight step."""

IMAGES = 8
"""Images that are taken of a batch, at most."""

PERTURBATION = 0.1
"""Standard deviation of the noise on perturbed images, which have variance 1."""

STEP = 0.1
"""Length of the step of each weight along its gradient, relative to the weight."""

ROWS, VALUES, CHANNELS = 256, 2048, 64
"""Most rows of a weight, values of each row or channel, and channels of which statistics are."""

_EPSILON = 1e-6
_Layer = Mapping[str, Tensor]


Rows = Float[Tensor, "rows values"]


def _moments(rows: Rows) -> dict[str, Tensor]:
    variance, mean = torch.var_mean(rows, correction=0)
    low, high = rows.aminmax()
    return {
        "mean": mean,
        "std": variance.sqrt(),
        "l1": rows.abs().mean(),
        "rms": (variance + mean.square()).sqrt(),
        "max": torch.maximum(-low, high),
        "positive": (rows > 0).count_nonzero() / rows.numel(),
    }


def _signs(rows: Rows) -> dict[str, Tensor]:
    """Number of equally frequent sign patterns over the images, and how the images agree.

    The first is the exponential of the entropy of the units' patterns; the second the log of the
    determinant of the share of units on which two images agree, as in nwot.
    """
    active = (rows[:IMAGES] > 0).to(torch.float32)  # windowed attention has many more rows
    images, units = active.shape
    powers = 2.0 ** torch.arange(images, device=rows.device)
    counts = torch.bincount((powers @ active).long(), minlength=2**images)
    agreement = (active @ active.T + (1 - active) @ (1 - active).T) / units
    agreement = agreement + _EPSILON * torch.eye(images, device=rows.device)
    return {
        "patterns": torch.special.entr(counts / units).sum().exp(),
        "agreement": torch.linalg.slogdet(agreement.double()).logabsdet,
    }


def _correlation(tensor: Tensor, axis: int) -> Float[Tensor, "channels channels"]:
    """Correlation of the channels over images and pixels, as in near and meco."""
    places = tensor.movedim(axis, -1).flatten(0, -2)
    step = -(-len(places) // VALUES)
    places = _single(places[::step, :: -(-places.shape[1] // CHANNELS)])
    centred = places - places.mean(dim=0)
    scaled = centred / torch.linalg.vector_norm(centred, dim=0).clamp_min(_EPSILON)
    return scaled.T @ scaled


def _effective_rank(eigenvalues: Float[Tensor, "layers n"]) -> Float[Tensor, " layers"]:
    """Exp of the entropy of the normalised eigenvalues (Roy and Vetterli, EUSIPCO 2007)."""
    spectrum = eigenvalues.clamp(min=0)
    shares = spectrum / spectrum.sum(dim=1, keepdim=True)
    return torch.special.entr(shares).sum(dim=1).exp()


MOMENTS = ("mean", "std", "l1", "rms", "max", "positive")
_REDUCTIONS: dict[tuple[str, ...], Callable[[Rows], dict[str, Tensor]]] = {
    MOMENTS: _moments,
    ("patterns", "agreement"): _signs,
}
"""Statistics of a tensor whose first dimension is images or output channels."""

_SPECTRAL: dict[str, Callable[[Float[Tensor, "layers n"]], Float[Tensor, " layers"]]] = {
    "rank": _effective_rank,
    "channel_rank": _effective_rank,
    "channel_floor": lambda eigenvalues: eigenvalues[:, 0].clamp(min=0),
}
"""Functions of eigenvalues: of the square of a tensor's rows, or of its channels' correlation."""

SIZES = ("size", "macs", "pixels", "in_channels", "out_channels")
TENSORS = ("input", "output", "input_gradient", "output_gradient", "weight_gradient")
CORRELATED = ("channel_rank", "channel_floor")
SALIENCIES = ("weight_saliency", "output_saliency")
COMPARED = ("output", "output_gradient", "weight_gradient")

STATISTICS = (
    *(f"layer.{name}" for name in SIZES),
    *(f"weight.{name}" for name in (*MOMENTS, "rank")),
    *(f"{s}.{t}.{name}" for s in SOURCES for t in TENSORS for name in (*MOMENTS, "rank")),
    *(f"{s}.{t}.{n}" for s in SOURCES for t in TENSORS[:2] for n in ("patterns", "agreement")),
    *(f"{s}.{t}.{name}" for s in SOURCES[:2] for t in TENSORS[:2] for name in CORRELATED),
    *(f"{s}.{t}.{name}" for s in SOURCES for t in SALIENCIES for name in ("mean", "l1")),
    *(f"{s}.{t}.cosine" for s in SOURCES[1:] for t in COMPARED),
)
"""Columns of :func:`layer_statistics`.

They begin with ``layer`` (sizes; ``macs`` and ``pixels``, the output positions, are for one image),
``weight``, or a source and a tensor. A saliency is a tensor times its gradient. A cosine is that
with the same tensor for images.
"""


def layer_statistics(
    network: MeasuredNetwork,
    images: Float[Tensor, "batch channels height width"],
    labels: Int[Tensor, " batch"],
    *,
    columns: Collection[str] = STATISTICS,
    seed: int = 0,
) -> dict[str, Float64[Tensor, " calls"]]:
    """Measure every layer of a network.

    Gradients are of the cross-entropy, and for noise of the summed logits. All noise is drawn on
    the CPU, so that it does not depend on the device.

    Parameters
    ----------
    network : MeasuredNetwork
        After its survey, inside :func:`~acorn.proxies._network.environment.measuring`.
    images : torch.Tensor
        Normalised, shape (batch, channels, height, width); the first :data:`IMAGES` are taken.
    labels : torch.Tensor
        Class of each image, shape (batch,).
    columns : collection of str, default=STATISTICS
        Columns to compute. The network is run only on the inputs that they need.
    seed : int, default=0
        Seeds noise, and what the network draws.

    Returns
    -------
    dict of str to torch.Tensor
        For each column the values of all calls of a convolution or linear layer, in the order of
        the calls, shape (calls,), on the device of the images.

    Raises
    ------
    ValueError
        If the network has no such layer, or calls other ones for other inputs.
    """
    images, labels = images[:IMAGES], labels[:IMAGES]
    generator = torch.Generator().manual_seed(seed)
    noise, offset = (torch.randn(images.shape, generator=generator).to(images) for _ in range(2))
    inputs = {"noise": noise, "perturbed": images + PERTURBATION * offset}
    asked: dict[str, dict[str, list[str]]] = {}
    for column in STATISTICS:
        if column in columns:
            prefix, _, name = column.rpartition(".")
            asked.setdefault(prefix.partition(".")[0], {}).setdefault(prefix, []).append(name)
    results: dict[str, list[Tensor]] = {column: [] for column in columns}
    compared = "step" in asked or any(column.endswith(".cosine") for column in columns)
    sources = [s for s in SOURCES if s in asked or (s == SOURCES[0] and compared)] or [SOURCES[0]]
    first: list[_Layer] = []
    for source in sources:
        wanted = asked.get(source, {})
        if not first:
            wanted = wanted | asked.get("layer", {}) | asked.get("weight", {})
        seed_all(seed)  # so that the network draws the same for every input
        with network.with_values(_stepped(first) if source == "step" else ()):
            layers = _run(
                network,
                inputs.get(source, images),
                None if source == "noise" else labels,
                backward=compared or any(_needs_gradient(prefix) for prefix in wanted),
            )
            first = first or layers
            if not layers or len(layers) != len(first):
                raise ValueError(f"got {len(first)} layers at first, {len(layers)} for {source}")
            for layer, other in zip(layers, first, strict=True):
                for prefix, names in wanted.items():
                    values = _reduce(layer, other, prefix.rpartition(".")[2], names)
                    for name in names:
                        results[f"{prefix}.{name}"].append(values[name])
    _decompose(results)
    return {column: torch.stack(values).double() for column, values in results.items()}


def _needs_gradient(prefix: str) -> bool:
    return prefix.endswith(("_gradient", "_saliency"))


def _run(
    network: MeasuredNetwork, images: Tensor, labels: Tensor | None, *, backward: bool
) -> list[_Layer]:
    """Run a network, and list the tensors of each call of a layer."""
    uses: list[dict[str, Tensor]] = []

    def keep(operation: Operation, out: Tensor) -> Tensor | None:
        if operation.weight is None:
            return None
        uses.append({"weight": operation.weight, "input": operation.input, "output": out})
        return out.clone()  # the network may overwrite its own copy

    with network.operations.observing(dict.fromkeys(WEIGHTED, keep)):
        logits = network(images.detach().clone().requires_grad_(True))
    gradient_of: dict[int, Tensor] = {}
    if backward:
        loss = logits.sum() if labels is None else functional.cross_entropy(logits, labels)
        reached = [t for use in uses for t in use.values() if t.requires_grad]
        gradients = torch.autograd.grad(loss, reached, materialize_grads=True)
        gradient_of = {id(t): g for t, g in zip(reached, gradients, strict=True)}
    return [dict(_with_gradients(use, gradient_of)) for use in uses]


def _with_gradients(use: _Layer, gradient_of: Mapping[int, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in use.items():
        gradient = gradient_of.get(id(tensor))
        yield name, tensor.detach()
        yield f"{name}_gradient", torch.zeros_like(tensor) if gradient is None else gradient
        if name == "weight":
            yield "parameter", tensor


def _stepped(layers: Collection[_Layer]) -> list[tuple[Tensor, Tensor]]:
    """Move each weight that is a parameter against its gradient; its new value by weight."""
    moved = {}
    for layer in layers:
        weight, gradient = layer["weight"], layer["weight_gradient"]
        if layer["parameter"].is_leaf:
            norm = torch.linalg.vector_norm
            length = STEP * norm(weight) / norm(gradient).clamp_min(torch.finfo(weight.dtype).tiny)
            moved[id(layer["parameter"])] = (layer["parameter"], weight - length * gradient)
    return [*moved.values()]


@torch.no_grad()
def _reduce(layer: _Layer, other: _Layer, tensor: str, names: Collection[str]) -> _Layer:
    """Reduce one tensor of a layer to statistics, among them those that are wanted.

    Those of :data:`_SPECTRAL` are the matrices whose eigenvalues they are functions of.
    """
    if tensor == "layer":
        return _sizes(layer)
    if tensor in SALIENCIES:
        what = tensor.removesuffix("_saliency")
        return _moments(_rows(layer[what]) * _rows(layer[f"{what}_gradient"], like=layer[what]))
    values: dict[str, Tensor] = {}
    if not set(CORRELATED).isdisjoint(names):
        axis = -1 if layer["weight"].dim() == 2 else 1
        values |= dict.fromkeys(CORRELATED, _correlation(layer[tensor], axis))
    if set(names) <= values.keys():
        return values
    rows = _rows(layer[tensor])
    if "rank" in names:
        values["rank"] = smaller_square(rows)
    if "cosine" in names:
        same = _rows(other[tensor], like=layer[tensor])
        values["cosine"] = functional.cosine_similarity(rows.flatten(), same.flatten(), dim=0)
    for each, reduce in _REDUCTIONS.items():
        if not set(each).isdisjoint(names):
            values |= reduce(rows)
    return values


def _decompose(results: dict[str, list[Tensor]]) -> None:
    """Replace the matrices of spectral statistics by their values, with few decompositions."""
    spectral = [column for column in results if column.rpartition(".")[2] in _SPECTRAL]
    matrices = {id(matrix): matrix for column in spectral for matrix in results[column]}
    spectra = Spectra()
    positions = {key: spectra.add(matrix) for key, matrix in matrices.items()}
    eigenvalues = spectra.eigenvalues()
    for column in spectral:
        found = [eigenvalues[positions[id(matrix)]] for matrix in results[column]]
        results[column] = _of_spectra(_SPECTRAL[column.rpartition(".")[2]], found)


def _of_spectra(
    function: Callable[[Float[Tensor, "layers n"]], Float[Tensor, " layers"]],
    eigenvalues: Sequence[Float[Tensor, " n"]],
) -> list[Tensor]:
    """Apply a function to the eigenvalues of each layer, by one call for those of one number."""
    values: dict[int, Tensor] = {}
    for alike in grouped(len(each) for each in eigenvalues).values():
        found = function(torch.stack([eigenvalues[place] for place in alike]))
        values |= dict(zip(alike, found.unbind(), strict=True))
    return [values[place] for place in range(len(eigenvalues))]


def _rows(tensor: Tensor, *, like: Tensor | None = None) -> Rows:
    """Values of each image or output channel, evenly spread over the memory, of all channels."""
    rows = image_rows(tensor, like=like)
    step = -(-rows.shape[1] // VALUES)
    channels = tensor.shape[1] if tensor.dim() > 1 else 1
    while step > 1 and math.gcd(step, channels) > 1:
        step += 1  # else some channels would be left out
    return _single(rows[:: -(-len(rows) // ROWS), ::step].contiguous())


def _single(tensor: Tensor) -> Tensor:
    """Convert half precision, in which there are no eigenvalues, to single precision."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _sizes(layer: _Layer) -> _Layer:
    weight, out = layer["weight"], layer["output"]
    positions = out.numel() / len(out) / len(weight)
    sizes = (weight.numel(), weight.numel() * positions, positions, weight[0].numel(), len(weight))
    return dict(zip(SIZES, map(out.new_tensor, sizes), strict=True))
