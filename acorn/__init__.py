"""Acorn: the clean and the robust accuracy of a neural architecture, before anyone trains it.

Importing this package costs milliseconds and imports no torch; each name below imports what it
needs at its first use (scientific Python SPEC 1).

>>> import acorn
>>> acorn.compute_proxies(module, (3, 32, 32), 10, proxies="all").values
>>> acorn.load_bundle("nats_tss-cifar10").predict([{"space": "nats_tss", "arch": "..."}])
"""

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


def __getattr__(name: str) -> object:
    """Import the home of a public name at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
