"""The layers whose weights the pruning scores speak of."""

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

WeightedLayer = _ConvNd | nn.Linear
RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.GELU, nn.SiLU, nn.Hardswish)


def weighted_layers(network: nn.Module) -> dict[str, WeightedLayer]:
    """Convolutions and linear layers by name, in the order of registration, each once."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, WeightedLayer)
    }


def layer_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """Weights and biases of :func:`weighted_layers` by parameter name, each tensor once."""
    layers = weighted_layers(network).values()
    owned = {id(parameter) for layer in layers for parameter in layer.parameters(recurse=False)}
    return {name: p for name, p in network.named_parameters() if id(p) in owned}


def layer_weights(network: nn.Module) -> dict[str, Tensor]:
    """Weights of :func:`weighted_layers` by parameter name, each tensor once."""
    weights: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, layer in weighted_layers(network).items():
        if id(layer.weight) not in seen:  # layers may share a tensor
            seen.add(id(layer.weight))
            weights[f"{name}.weight".lstrip(".")] = layer.weight
    return weights
