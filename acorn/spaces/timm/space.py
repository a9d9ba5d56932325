"""The timm space: networks of PyTorch Image Models (Wightman, 2019), by name.

Names are those of timm's own registry; names that refer to a hub or a folder are refused. Weights
are not pretrained: nothing is downloaded. The networks take the dataset's images unchanged. A
network with a fixed image size is built for the dataset's size if it has an option for it, and
refused otherwise. Needs the extra ``acorn-nas[timm]``, except for names of feature tables.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from acorn.datasets import DATASETS, Dataset
from acorn.errors import InvalidArchitectureError, abbreviate, one_line
from acorn.optional import need
from acorn.spaces.base import Architecture, Cost, Space
from acorn.spaces.limits import LIMITS, NetworkLimits

if TYPE_CHECKING:
    from torch import nn

_NAME = re.compile(r"[a-z0-9_]{1,100}", re.ASCII)


class TimmSpace(Space):
    """Networks that the installed version of timm registers; see :class:`~acorn.spaces.Space`.

    Parameters
    ----------
    limits : NetworkLimits, default=LIMITS
        How large they may be for a dataset's images.
    """

    limits: NetworkLimits

    name = "timm"
    description = "Networks of timm (PyTorch Image Models) by name, untrained; needs the extra timm"
    example = "resnet18"
    datasets = tuple(sorted(DATASETS, key="imagenet1k".__ne__))  # what the networks are made for
    needs_package = "timm"

    def __init__(self, limits: NetworkLimits = LIMITS) -> None:
        self.limits = limits
        self._names_in_tables: set[str] = set()

    def parse(self, spec: object) -> Architecture:
        """Look a name up in timm's registry.

        Raises
        ------
        InvalidArchitectureError
            If the registry has no such name.
        InputError
            If timm is not installed.
        """
        name = spec.strip() if isinstance(spec, str) else ""
        if not (_NAME.fullmatch(name) and (name in self._names_in_tables or name in _registry())):
            raise InvalidArchitectureError(
                f"got {abbreviate(spec)}; expected a name that timm.list_models() has, "
                f"such as {self.example!r} (no hub, folder or weights)"
            )
        return Architecture(self.name, name, name)

    def recognise(self, canonical_forms: Iterable[str]) -> None:
        """Accept names of a feature table, whether or not the installed timm has them."""
        self._names_in_tables.update(canonical_forms)

    def recognises(self, spec: object) -> bool:
        """Check whether a name is in a feature table."""
        return isinstance(spec, str) and spec.strip() in self._names_in_tables

    def build(self, arch: str, dataset: Dataset) -> "nn.Module":
        """Build the network for the dataset's images and classes.

        Raises
        ------
        InvalidArchitectureError
            As :meth:`cost` does.
        """
        name = self.parse(arch).arch
        options, _ = _measure(name, dataset, self.limits.at(dataset))
        return _timm().create_model(name, **options)

    def cost(self, arch: str, dataset: Dataset) -> Cost:
        """Build the network without weights, and count its parameters and operations.

        Raises
        ------
        InvalidArchitectureError
            If it cannot be built for images of this size, or is too large.
        """
        _, cost = _measure(self.parse(arch).arch, dataset, self.limits.at(dataset))
        return cost

    def enumerate(self) -> Iterator[str]:
        """List all names; not every network takes every dataset's images.

        If timm is not installed, they are the names of feature tables.
        """
        if self._names_in_tables and find_spec(self.needs_package) is None:
            return iter(sorted(self._names_in_tables))
        return iter(_registry())


@lru_cache(maxsize=1_024)
def _measure(name: str, dataset: Dataset, limits: NetworkLimits) -> tuple[dict[str, Any], Cost]:
    """Find options with which the network takes the images, and what it costs then."""
    _timm()  # if it is not installed, every attempt below would fail
    options: dict[str, Any] = {"pretrained": False, "num_classes": dataset.num_classes}
    if dataset.channels != 3:
        options["in_chans"] = dataset.channels
    first_error: Exception | None = None
    for sized in (options, options | {"img_size": (dataset.height, dataset.width)}):
        try:
            return sized, _cost(name, sized, dataset, limits)
        except InvalidArchitectureError:
            raise
        except Exception as error:  # timm's networks raise errors of any class
            first_error = first_error or error
    assert first_error is not None  # noqa: S101 - for the type checker
    raise InvalidArchitectureError(
        f"got {name!r}, which does not take {dataset.height} x {dataset.width} images "
        f"({abbreviate(one_line(first_error), 200)}); expected one that does"
    ) from first_error


def _cost(name: str, options: dict[str, Any], dataset: Dataset, limits: NetworkLimits) -> Cost:
    """Count on the meta device, and refuse what is too large."""
    import torch

    from acorn.graph import count_params, trace

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = _timm().create_model(name, **options)
    params = count_params(network)
    _check(name, limits.excess(params=params))
    graph = trace(network, dataset.input_shape, keep_dead=True)
    elements = sum(layer.elements for layer in graph.layers)
    _check(name, limits.excess(params=params, flops=graph.flops, activations=elements))
    return Cost(params / 1e6, graph.flops / 1e6)


def _check(name: str, excess: str | None) -> None:
    if excess:
        raise InvalidArchitectureError(f"got {name!r} with {excess}; expected fewer")


def _timm() -> Any:
    return need("timm", extra="timm")


@cache
def _registry() -> list[str]:
    return list(_timm().list_models())
