"""The timm space: networks of PyTorch Image Models (Wightman, 2019), by name.

Names are those of timm's own registry, nothing that refers to a hub or to a folder, and no
pretrained weights: nothing is downloaded. The networks get the dataset's images as they are; one
that insists on a size of its own is built for theirs where it lets itself, and refused where it
does not. Needs the extra ``acorn-nas[timm]``.
"""

import importlib
import random
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from acorn.datasets import DATASETS
from acorn.errors import InputError, InvalidArchitectureError, abbreviate, one_line
from acorn.spaces.base import Architecture, Cost
from acorn.spaces.limits import LIMITS, NetworkLimits

if TYPE_CHECKING:
    from torch import nn

    from acorn.datasets import Dataset

_NAME = re.compile(r"[a-z0-9_]{1,100}", re.ASCII)


class TimmSpace:
    """Networks that the installed version of timm registers.

    Parameters
    ----------
    limits
        How large they may be for a dataset's images.
    """

    name = "timm"
    description = "Networks of timm (PyTorch Image Models) by name, untrained; needs the extra timm"
    example = "resnet18"
    datasets = tuple(DATASETS)
    size = None

    def __init__(self, limits: NetworkLimits = LIMITS) -> None:
        self.limits = limits

    def parse(self, spec: object) -> Architecture:
        """Look a name up in timm's registry.

        Raises :class:`~acorn.errors.InvalidArchitectureError` for other names, and
        :class:`~acorn.errors.InputError` where timm is not installed.
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

        Raises :class:`~acorn.errors.InvalidArchitectureError` as :meth:`cost` does.
        """
        name = self.parse(arch).arch
        options, _ = _measure(name, dataset, self.limits)
        return _timm().create_model(name, **options)

    def cost(self, arch: str, dataset: "Dataset") -> Cost:
        """Count what the network, built without weights, does with one image.

        Raises
        ------
        InvalidArchitectureError
            When it cannot be built for images of this size, or is too large.
        """
        _, cost = _measure(self.parse(arch).arch, dataset, self.limits)
        return cost

    def enumerate(self) -> Iterator[str]:
        """All names; not every network takes every dataset's images."""
        return iter(_registry())

    def sample(self, n: int, *, seed: int) -> list[str]:
        """``n`` distinct names; not every network takes every dataset's images."""
        names = _registry()
        if n > len(names):
            raise InputError(f"got sample:{n}; timm has {len(names)} networks")
        return random.Random(seed).sample(names, n)

    def mutate(self, arch: str, *, seed: int) -> str:  # noqa: ARG002
        """Raise :class:`~acorn.errors.InputError`: a name has no neighbours."""
        raise InputError("got timm; expected a space with mutations, such as darts")

    def columns(self, canonical: str) -> dict[str, float]:  # noqa: ARG002
        """None of its own: those of the traced graph say what there is to say."""
        return {}


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
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError:
        raise InputError(
            "got a network of timm, which is not installed; expected the extra acorn-nas[timm]"
        ) from None


@cache
def _registry() -> list[str]:
    return list(_timm().list_models())
