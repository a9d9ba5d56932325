"""Let a network's layers use the forms whose second derivatives are cheap."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor
from torch.nn import functional

from acorn.graph.modes import transparent_attention
from acorn.proxies._math.batch_norm import normalise
from acorn.proxies._math.convolution import Wanted, convolve
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._network.operations import Operation, OperationKind, Replacement


@contextmanager
def cheap_second_derivatives(network: MeasuredNetwork) -> Iterator[Wanted]:
    """Replace batch normalisation and convolutions for a while.

    So are those that PyTorch can differentiate once only: attention's fused kernels, and the hard
    sigmoid. Values and first derivatives are those of the layers themselves. Gives the switch with
    which a backward over the same graph can leave the convolutions' weights out.
    """
    wanted = Wanted()
    replacements: dict[OperationKind, Replacement] = {
        OperationKind.BATCH_NORM: normalise,
        OperationKind.CONVOLUTION: partial(convolve, wanted),
        OperationKind.HARD_SIGMOID: _hard_sigmoid,
    }
    with transparent_attention(), network.operations.replacing(replacements):
        yield wanted


def _hard_sigmoid(operation: Operation) -> Tensor:
    return functional.relu6(operation.input + 3) / 6
