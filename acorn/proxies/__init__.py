"""Zero-cost proxies: one published proxy a file, shared passes, one engine."""

# ruff: noqa: F401 - importing a proxy's module registers it

from acorn.proxies import (
    az_complexity,
    az_expressivity,
    az_progressivity,
    az_trainability,
    croze,
    croze_ascent,
    epe_nas,
    eznas_a,
    eznas_a_closed,
    eznas_a_data,
    fisher,
    flops,
    grad_norm,
    grasp,
    jacob_fro,
    jacov,
    l2_norm,
    local_entropy,
    meco,
    meco_opt,
    near,
    nwot,
    nwot_noise,
    params,
    plain,
    robust_zcp,
    snip,
    swap,
    synflow,
    trainable_layers,
    vkdnw,
    zen,
    zico,
)
from acorn.proxies._engine.api import compute_proxies
from acorn.proxies._engine.engine import ProxyValues, run
from acorn.proxies._engine.registry import SETS, Pass, list_proxies, select

__all__ = [
    "SETS",
    "Pass",
    "ProxyValues",
    "compute_proxies",
    "list_proxies",
    "run",
    "select",
]
