"""Architecture spaces. Each is one folder with a subclass of :class:`Space`, which registers it."""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from inspect import isabstract
from typing import TYPE_CHECKING

from acorn.datasets import get_dataset
from acorn.errors import InputError, UnknownDatasetError, UnknownSpaceError, abbreviate
from acorn.spaces.base import Architecture, Cost, Space
from acorn.spaces.limits import NetworkLimits

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "SPACES",
    "UNIVERSAL",
    "Architecture",
    "Cost",
    "NetworkLimits",
    "Space",
    "build_network",
    "get_space",
    "register_space",
]

SPACES: dict[str, Space] = {}
"""Registered spaces by name."""

UNIVERSAL = "universal"
"""Stands for a space in bundles that predict for architectures of any space."""

_FIRST = ("nats_tss", "nats_sss", "nasbench_macro", "darts", "graph", "timm")
"""Order of Acorn's own spaces; others follow by name."""


def register_space(space: Space) -> Space:
    """Make a space available by its name, in this process.

    Parameters
    ----------
    space : Space
        An instance; it replaces an earlier one of the same class.

    Returns
    -------
    Space
        The same instance.

    Raises
    ------
    InputError
        If it is no space, or another class has registered its name.
    """
    if not isinstance(space, Space):
        raise InputError(f"got {abbreviate(space)}; expected an instance of acorn.spaces.Space")
    known = SPACES.get(space.name)
    if space.name == UNIVERSAL or (known is not None and _path(known) != _path(space)):
        raise InputError(f"got a second space {space.name!r}; expected a name that is free")
    SPACES[space.name] = space
    return space


def get_space(name: str) -> Space:
    """Look up a space by name.

    Parameters
    ----------
    name : str
        Such as ``"nats_tss"``.

    Returns
    -------
    Space
        The registered space.

    Raises
    ------
    UnknownSpaceError
        If no space has this name.
    """
    try:
        return SPACES[name]
    except (KeyError, TypeError):
        raise UnknownSpaceError(name, SPACES) from None


def build_network(spec: Mapping[str, object], dataset: str = "cifar10") -> "nn.Module":
    """Build the untrained network of an architecture of any space.

    Parameters
    ----------
    spec : mapping
        ``{"space": ..., "arch": ...}``, as a request has it.
    dataset : str, default="cifar10"
        Gives the shape of the images and the number of classes.

    Returns
    -------
    torch.nn.Module
        Maps images (batch, 3, height, width) to logits (batch, num_classes). Weights are
        initialised from torch's global generator.

    Raises
    ------
    InputError
        If the space, the architecture or the dataset is not known, or they do not go together.

    Examples
    --------
    >>> build_network({"space": "nats_sss", "arch": "64:64:64:64:64"}, dataset="cifar100")
    """
    if not isinstance(spec, Mapping) or spec.keys() != {"space", "arch"}:
        raise InputError(f'got {abbreviate(spec)}; expected {{"space": ..., "arch": ...}}')
    space = get_space(spec["space"])  # type: ignore[arg-type] # checked there
    known = get_dataset(dataset)
    if known.name not in space.datasets:
        raise UnknownDatasetError(dataset, space.datasets)
    return space.build(space.parse(spec["arch"]).arch, known)


def _path(space: Space) -> tuple[str, str]:
    return type(space).__module__, type(space).__qualname__


def _register_folders() -> None:
    """Register the space of each subpackage."""
    folders = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]
    others = sorted(set(folders).difference(_FIRST))
    for folder in (*_FIRST, *others):
        for member in vars(import_module(f"{__name__}.{folder}")).values():
            if isinstance(member, type) and issubclass(member, Space) and not isabstract(member):
                register_space(member())


_register_folders()
