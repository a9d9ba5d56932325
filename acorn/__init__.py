"""Acorn: predicts the clean and the robust accuracy of a neural architecture without training.

Importing this package costs milliseconds and imports no torch; each name below imports what it
needs at its first use (scientific Python SPEC 1).

>>> import acorn
>>> acorn.compute_proxies(module, (3, 32, 32), 10, proxies="all").values
>>> acorn.load_bundle("nats_tss-cifar10").predict([{"space": "nats_tss", "arch": "..."}])
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acorn.bundle_predictor import load_bundle
    from acorn.proxies import compute_proxies, list_proxies
    from acorn.spaces import build_network

__all__ = ["__version__", "build_network", "compute_proxies", "list_proxies", "load_bundle"]

_HOMES = {
    "build_network": "acorn.spaces",
    "compute_proxies": "acorn.proxies",
    "list_proxies": "acorn.proxies",
    "load_bundle": "acorn.bundle_predictor",
}
"""Module that defines each name of the public interface."""

try:
    __version__ = version("acorn-nas")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+source"


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Make the ``__getattr__`` of a package.

    Parameters
    ----------
    package : str
        Name of the package.
    homes : mapping of str to str
        Module that defines each public name.

    Returns
    -------
    callable
        Imports the module of a name, and returns the value of the name.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return get


__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
