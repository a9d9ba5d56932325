"""Acorn predicts the clean and the robust accuracy of a neural architecture without training it.

The import of this package takes milliseconds and imports no torch; each name below imports what it
needs at its first use (scientific Python SPEC 1).

>>> import acorn
>>> acorn.compute_proxies(module, (3, 32, 32), 10, proxies="all").values
>>> acorn.load_bundle("nats_tss-cifar10").predict([{"space": "nats_tss", "arch": "..."}])
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acorn.accuracy_predictor import AccuracyPredictor
    from acorn.bundle_predictor import load_bundle
    from acorn.proxies import compute_proxies, list_proxies
    from acorn.search_objective import SearchObjective
    from acorn.spaces import build_network
    from acorn.spaces.graph.exporting import export_graph
    from acorn.spaces.graph.onnx_files import from_onnx

__all__ = [
    "AccuracyPredictor",
    "SearchObjective",
    "__version__",
    "build_network",
    "compute_proxies",
    "export_graph",
    "from_onnx",
    "list_proxies",
    "load_bundle",
]

try:
    __version__ = version("acorn-nas")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+source"


def lazy_names(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """Make the ``__getattr__`` of a package.

    Parameters
    ----------
    package : str
        Name of the package.
    names : mapping of str to sequence of str
        For each module, the public names that it defines.

    Returns
    -------
    callable
        Imports the module of a name, and returns the value of the name.
    """
    module_of = {name: module for module, defined in names.items() for name in defined}

    def get(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(module_of[name]), name)

    return get


__getattr__ = lazy_names(
    __name__,
    {
        "acorn.accuracy_predictor": ("AccuracyPredictor",),
        "acorn.bundle_predictor": ("load_bundle",),
        "acorn.proxies": ("compute_proxies", "list_proxies"),
        "acorn.search_objective": ("SearchObjective",),
        "acorn.spaces": ("build_network",),
        "acorn.spaces.graph.exporting": ("export_graph",),
        "acorn.spaces.graph.onnx_files": ("from_onnx",),
    },
)


def __dir__() -> list[str]:
    return [*{*globals(), *__all__}]
