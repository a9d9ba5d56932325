"""What training and service share: architecture spaces, proxies, forests and released bundles."""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.proxies import compute_proxies

__all__ = ["__version__", "compute_proxies"]

try:
    __version__ = version("acorn-nas")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+source"


def __getattr__(name: str) -> object:
    """Import torch no earlier than somebody asks for what needs it."""
    if name == "compute_proxies":
        from models.proxies import compute_proxies

        return compute_proxies
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
