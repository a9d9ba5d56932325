"""Zero-cost proxies: one published method a file, and an engine that shares their passes.

Importing this package imports every module beside it, and thereby registers its proxy.
"""

import importlib
import pkgutil

from acorn.proxies._engine.api import compute_proxies
from acorn.proxies._engine.engine import ProxyValues, run
from acorn.proxies._engine.pass_registry import Pass
from acorn.proxies._engine.proxy_registry import SETS, list_proxies, select

__all__ = [
    "SETS",
    "Pass",
    "ProxyValues",
    "compute_proxies",
    "list_proxies",
    "run",
    "select",
]

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
