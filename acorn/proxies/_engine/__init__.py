"""What a proxy's module needs: passes, their records, observers and the decorator."""

from acorn.proxies._engine.observers import Observer
from acorn.proxies._engine.passes.curvature import CURVATURE
from acorn.proxies._engine.passes.fisher_eigen import FISHER_EIGEN
from acorn.proxies._engine.passes.halves import HALVES, LOGITS
from acorn.proxies._engine.passes.layers import LAYERS
from acorn.proxies._engine.passes.loss import HESSIAN, JACOBIAN, LOSS
from acorn.proxies._engine.passes.noise import NOISE
from acorn.proxies._engine.passes.perturbed import EXCEEDS, PERTURBED
from acorn.proxies._engine.passes.random_images import BLOCKS, RANDOM
from acorn.proxies._engine.passes.sample import REDRAWN, SAMPLE
from acorn.proxies._engine.passes.static import GRAPH, STATIC, SURVEY
from acorn.proxies._engine.passes.synflow import SYNFLOW
from acorn.proxies._engine.proxy_registry import proxy
from acorn.proxies._engine.records import Records

__all__ = [
    "BLOCKS",
    "CURVATURE",
    "EXCEEDS",
    "FISHER_EIGEN",
    "GRAPH",
    "HALVES",
    "HESSIAN",
    "JACOBIAN",
    "LAYERS",
    "LOGITS",
    "LOSS",
    "NOISE",
    "PERTURBED",
    "RANDOM",
    "REDRAWN",
    "SAMPLE",
    "STATIC",
    "SURVEY",
    "SYNFLOW",
    "Observer",
    "Records",
    "proxy",
]
