"""flops: number of multiply-accumulates."""

from models.proxies.records import Records
from models.proxies.registry import Pass, proxy


@proxy("flops", reads=Pass.GRAPH)
def flops(records: Records) -> float:
    """Millions of multiply-accumulates for one image, in the convention of NAS-Bench-201.

    See :func:`models.trace.count_flops`; read off the layer graph.
    """
    return records.flops
