"""What surrounds every run of a measured network, and is as before afterwards."""

import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor

from acorn.proxies._network.custom_functions import CustomFunctions, custom_functions
from acorn.proxies._network.operations import autocast_off


@contextmanager
def measuring(functions: CustomFunctions, tensors: Iterable[Tensor]) -> Iterator[None]:
    """Run eagerly and in full precision, and restore all random states afterwards.

    Parameters
    ----------
    functions
        Computes the network's own autograd functions.
    tensors
        Of the network; tell whose devices' random states are to be kept.
    """
    devices = sorted({t.device.index or 0 for t in tensors if t.is_cuda})
    python, numpy = random.getstate(), np.random.get_state()
    autocast = {device: torch.is_autocast_enabled(device) for device in ("cpu", "cuda")}
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=devices))
        stack.enter_context(custom_functions(functions))
        if "torch._dynamo" in sys.modules:  # else nothing can have been compiled
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        try:
            autocast_off()
            yield
        finally:
            for device, enabled in autocast.items():
                torch.set_autocast_enabled(device, enabled)
            random.setstate(python)
            np.random.set_state(numpy)


def seed_all(seed: int) -> None:
    """Seed torch's, Python's and numpy's generators: a forward may draw from any of them."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
