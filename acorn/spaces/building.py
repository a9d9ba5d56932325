"""Networks of architectures with seeded weights, and without weights."""

from typing import TYPE_CHECKING

from acorn.datasets import Dataset
from acorn.errors import InputError
from acorn.spaces.base import Space

if TYPE_CHECKING:
    from torch import nn


def build_seeded(space: Space, arch: str, dataset: Dataset, *, seed: int) -> "nn.Module":
    """Build a network with weights drawn from a seed; the global generator stays as it was.

    Parameters
    ----------
    space : Space
        Space of the architecture.
    arch : str
        The architecture.
    dataset : Dataset
        Gives the input shape and the number of classes.
    seed : int
        Seeds the weights.

    Returns
    -------
    torch.nn.Module
        The network on the CPU.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return space.build(arch, dataset)


def build_without_weights(
    space: Space, arch: str, dataset: Dataset, *, seed: int = 0
) -> "nn.Module":
    """Build a network on the meta device, or on the CPU if its constructor reads its weights.

    Parameters
    ----------
    space, arch, dataset, seed
        As :func:`build_seeded` takes them.

    Returns
    -------
    torch.nn.Module
    """
    import torch

    try:
        with torch.device("meta"):
            return build_seeded(space, arch, dataset, seed=seed)
    except InputError:
        raise
    except Exception:  # a space's networks raise errors of any class
        return build_seeded(space, arch, dataset, seed=seed)
