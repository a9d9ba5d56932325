"""Zero-cost proxies: one published proxy a file, shared passes, one engine."""

from models.proxies import (
    epe_nas,
    fisher,
    flops,
    grad_norm,
    grasp,
    jacob_fro,
    jacov,
    l2_norm,
    nwot,
    params,
    plain,
    snip,
    synflow,
    zen,
)
from models.proxies.engine import ProxyValues, run
from models.proxies.registry import Pass, list_proxies, select

__all__ = [
    "Pass",
    "ProxyValues",
    "list_proxies",
    "run",
    "select",
]

# Importing a proxy's module registers it; naming them here keeps linters from dropping the import.
_MODULES = (
    epe_nas,
    fisher,
    flops,
    grad_norm,
    grasp,
    jacob_fro,
    jacov,
    l2_norm,
    nwot,
    params,
    plain,
    snip,
    synflow,
    zen,
)
