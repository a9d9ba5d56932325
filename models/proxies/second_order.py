"""Let a network's layers use the forms whose second derivatives are cheap."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from torch import nn

from models.proxies.batch_norm import normalise
from models.proxies.convolution import Wanted, convolve, is_plain
from models.proxies.state import BatchNorm, replaced_forward


@contextmanager
def cheap_second_derivatives(network: nn.Module) -> Iterator[Wanted]:
    """Replace the forward of BatchNorm layers and plain convolutions for a while.

    Values and first derivatives are those of the layers themselves. Gives the switch with which a
    backward over the same graph can leave the convolutions' weights out.
    """
    wanted = Wanted()
    with ExitStack() as stack:
        for module in network.modules():
            if isinstance(module, BatchNorm):
                stack.enter_context(replaced_forward(module, partial(normalise, module)))
            elif isinstance(module, nn.Conv2d) and is_plain(module):
                stack.enter_context(replaced_forward(module, partial(convolve, module, wanted)))
        yield wanted
