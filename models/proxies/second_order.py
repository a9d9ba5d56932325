"""Let a network's layers use the forms whose second derivatives are cheap."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from models.proxies.batch_norm import normalise
from models.proxies.convolution import Wanted, convolve, is_plain
from models.proxies.state import BatchNorm, replaced_forward


@contextmanager
def cheap_second_derivatives(network: nn.Module) -> Iterator[Wanted]:
    """Replace the forward of BatchNorm layers and plain convolutions for a while.

    So are those that PyTorch can differentiate once only: attention's fused kernels, and the hard
    sigmoid. Values and first derivatives are those of the layers themselves. Gives the switch with
    which a backward over the same graph can leave the convolutions' weights out.
    """
    wanted = Wanted()
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        for module in network.modules():
            if isinstance(module, BatchNorm):
                stack.enter_context(replaced_forward(module, partial(normalise, module)))
            elif isinstance(module, nn.Conv2d) and is_plain(module):
                stack.enter_context(replaced_forward(module, partial(convolve, module, wanted)))
            elif type(module) is nn.Hardsigmoid:
                stack.enter_context(replaced_forward(module, _hard_sigmoid))
        yield wanted


def _hard_sigmoid(x: Tensor) -> Tensor:
    return functional.relu6(x + 3) / 6
