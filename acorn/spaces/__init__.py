"""Architecture spaces: one folder each, with a subclass of :class:`Space`, and plugins."""

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from inspect import isabstract
from typing import TYPE_CHECKING

from acorn.datasets import get_dataset
from acorn.errors import InputError, UnknownDatasetError, UnknownSpaceError, abbreviate
from acorn.spaces.base import Architecture, Cost, Neighbour, Space
from acorn.spaces.choice_space import ChoiceSpace
from acorn.spaces.limits import NetworkLimits
from acorn.spaces.space_registry import UNIVERSAL, Registry

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "SPACES",
    "UNIVERSAL",
    "Architecture",
    "ChoiceSpace",
    "Cost",
    "Neighbour",
    "NetworkLimits",
    "Space",
    "build_network",
    "get_space",
    "recognise_ids",
    "register_space",
]

SPACES = Registry()
"""Registered spaces by name, plugins included."""

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
        If it is no space, or its name is invalid or registered by another class.
    """
    SPACES.add(space)
    return space


def get_space(name: object) -> Space:
    """Look up a space by name.

    Parameters
    ----------
    name : object
        Such as ``"nats_tss"``. What is no string, as in a request that nobody checked, is unknown.

    Returns
    -------
    Space
        The registered space.

    Raises
    ------
    UnknownSpaceError
        If no space has this name.
    """
    if not isinstance(name, str) or name not in SPACES:
        raise UnknownSpaceError(name, SPACES)
    return SPACES[name]


def recognise_ids(ids: Iterable[str]) -> None:
    """Let spaces parse the architectures of a feature table without their optional packages.

    Parameters
    ----------
    ids : iterable of str
        Ids of rows of the table.
    """
    forms_by_space: dict[str, list[str]] = {
        name: [] for name, space in SPACES.items() if space.needs_package
    }
    for id_ in ids:
        space, _, form = id_.partition("/")
        if space in forms_by_space:
            forms_by_space[space].append(form.rpartition("@")[0] or form)
    for name, forms in forms_by_space.items():
        SPACES[name].recognise(forms)


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
        Maps images (batch, channels, height, width) to logits (batch, num_classes). Weights are
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
    space = get_space(spec["space"])
    known = get_dataset(dataset)
    if not space.takes(known):
        raise UnknownDatasetError(dataset, space.datasets)
    return space.build(space.parse(spec["arch"]).arch, known)


def _register_folders() -> None:
    """Register the space of each subpackage."""
    folders = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]
    others = sorted(set(folders).difference(_FIRST))
    for folder in (*_FIRST, *others):
        for member in vars(import_module(f"{__name__}.{folder}")).values():
            if isinstance(member, type) and issubclass(member, Space) and not isabstract(member):
                register_space(member())


_register_folders()
