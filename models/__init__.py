"""What training and service share: architecture spaces, proxies, forests and released bundles."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("acorn-nas")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+source"
