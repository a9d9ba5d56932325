"""Networks whose layers compute their weights from other parameters."""

import copy
from typing import cast

from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from models.errors import InputError
from models.proxies.passes.layers import weighted_layers


def with_own_weights(network: nn.Module) -> nn.Module:
    """Give the network, or a copy where weights are computed, in which each layer owns its weight.

    Weight and spectral normalisation compute a layer's weight anew at every use, so there is none
    that gradients could be had of or that could be replaced. Proxies judge the weight that the
    layer uses at first, as if it were a parameter.

    Raises
    ------
    InputError
        For the older kind that computes weights in a hook, which cannot be copied, and for
        parameters that take their shape from a first run which was never made.
    """
    if any(is_lazy(parameter) for parameter in network.parameters()):
        raise InputError(
            "got a module with uninitialised parameters; expected one that was run once"
        )
    parametrized = any(parametrize.is_parametrized(module) for module in network.modules())
    owner = copy.deepcopy(network) if parametrized else network
    for module in [*owner.modules()] if parametrized else []:
        if parametrize.is_parametrized(module):
            for name in [*cast(nn.ModuleDict, module.parametrizations)]:
                parametrize.remove_parametrizations(module, name)
    for name, layer in weighted_layers(owner).items():
        if not isinstance(layer.weight, nn.Parameter):
            raise InputError(
                f"got a weight of {name or 'the module'} that a hook computes; expected a "
                "parameter, or one of torch.nn.utils.parametrizations"
            )
    return owner
