"""The timm space: networks of PyTorch Image Models (Wightman, 2019), by name.

Names are those of timm's own registry; names that refer to a hub or a folder are refused. Weights
are not pretrained: nothing is downloaded. The networks take the dataset's images unchanged. A
network with a fixed image size is built for the dataset's size if it has an option for it, and
refused otherwise. Needs the extra ``acorn-nas[timm]``.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from acorn.datasets import DATASETS
from acorn.errors import InvalidArchitectureError, abbreviate, one_line
from acorn.optional import need
from acorn.spaces.base import Architecture, Cost, Space
from acorn.spaces.limits import LIMITS, NetworkLimits

if TYPE_CHECKING:
    from torch import nn

    from acorn.datasets import Dataset

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
    datasets = tuple(DATASETS)
    needs_package = "timm"

    def __init__(self, limits: NetworkLimits = LIMITS) -> None:
        self.limits = limits

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
        if not _NAME.fullmatch(name) or name not in _registry():
            raise InvalidArchitectureError(
                f"got {abbreviate(spec)}; expected a name that timm.list_models() has, "
                f"such as {self.example!r} (no hub, folder or weights)"
            )
        return Architecture(self.name, name, name)

    def build(self, arch: str, dataset: "Dataset") -> "nn.Module":
        """Build the network for the dataset's images and classes.

        Raises
        ------
        InvalidArchitectureError
            As :meth:`cost` does.
        """
        name = self.parse(arch).arch
        options, _ = _measure(name, dataset, self.limits)
        return _timm().create_model(name, **options)

    def cost(self, arch: str, dataset: "Dataset") -> Cost:
        """Build the network without weights, and count its parameters and operations.

        Raises
        ------
        InvalidArchitectureError
            If it cannot be built for images of this size, or is too large.
        """
        _, cost = _measure(self.parse(arch).arch, dataset, self.limits)
        return cost

    def enumerate(self) -> Iterator[str]:
        """List all names; not every network takes every dataset's images."""
        return iter(_registry())


@lru_cache(maxsize=1_024)
def _measure(name: str, dataset: "Dataset", limits: NetworkLimits) -> tuple[dict[str, Any], Cost]:
    """Find options with which the network takes the images, and what it costs then."""
    options: dict[str, Any] = {"pretrained": False, "num_classes": dataset.num_classes}
    sized = options | {"img_size": (dataset.height, dataset.width)}
    try:
        return options, _cost(name, options, dataset, limits)
    except InvalidArchitectureError:
        raise
    except Exception as error:  # timm's networks raise whatever comes up
        first = error
    try:
        return sized, _cost(name, sized, dataset, limits)
    except InvalidArchitectureError:
        raise
    except Exception:  # it has no such option, or not this size
        raise InvalidArchitectureError(
            f"got {name!r}, which does not take {dataset.height} x {dataset.width} images "
            f"({abbreviate(one_line(first), 200)}); expected one that does"
        ) from first


def _cost(name: str, options: dict[str, Any], dataset: "Dataset", limits: NetworkLimits) -> Cost:
    """Count on the meta device, and refuse what is too large."""
    import torch

    from acorn.graph import count_params, trace

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = _timm().create_model(name, **options)
    params = count_params(network)
    _check(name, params, limits.params, "parameters")
    graph = trace(network, dataset.input_shape, keep_dead=True)
    _check(name, graph.flops, limits.flops, "FLOPs")
    elements = sum(layer.elements for layer in graph.layers)
    _check(name, elements, limits.activations, "output elements")
    return Cost(params / 1e6, graph.flops / 1e6)


def _check(name: str, got: int, most: int, word: str) -> None:
    if got > most:
        raise InvalidArchitectureError(f"got {name!r} with {got} {word}; expected at most {most}")


def _timm() -> Any:
    return need("timm", extra="timm")


@cache
def _registry() -> list[str]:
    return list(_timm().list_models())
