"""flops: number of multiply-accumulates."""

from acorn.proxies._engine.passes.static import GRAPH
from acorn.proxies._engine.records import Records
from acorn.proxies._engine.registry import proxy


@proxy("flops", reads=GRAPH)
def flops(records: Records) -> float:
    """Millions of multiply-accumulates for one image, in the convention of NAS-Bench-201.

    See :attr:`acorn.graph.Layer.flops`; read off the layer graph.
    """
    return records.flops
