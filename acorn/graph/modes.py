"""Context managers that change the mode of modules, or of attention."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def evaluating(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Clear the training flags of modules inside the block, and restore each afterwards.

    An overridden ``train`` is not called.

    Parameters
    ----------
    modules : iterable of torch.nn.Module
        Modules whose flags are cleared.
    """
    flags = [(module, module.training) for module in modules]
    try:
        for module, _ in flags:
            module.training = False
        yield
    finally:
        for module, flag in flags:
            module.training = flag


@contextmanager
def transparent_attention() -> Iterator[None]:
    """Compute attention by products and a softmax inside the block, not by fused kernels.

    Fused kernels can be differentiated once only, and hide their operations from a recorder.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
