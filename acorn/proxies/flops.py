"""flops: number of multiply-accumulates."""

from acorn.proxies._engine import GRAPH, Records, proxy


@proxy("flops", reads=GRAPH)
def flops(records: Records) -> float:
    """Millions of multiply-accumulates for one image, in the convention of NAS-Bench-201.

    See :attr:`acorn.graph.Layer.flops`; read off the layer graph.
    """
    return records.flops
