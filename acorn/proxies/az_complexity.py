"""az_complexity: number of operations."""

from acorn.proxies._engine import GRAPH, Records, proxy


@proxy("az_complexity", reads=GRAPH)
def az_complexity(records: Records) -> float:
    """Millions of operations for one image: the fourth term of AZ-NAS, and the same as flops.

    It is here so that the four can be read and ranked together. Cost: none beyond the layer
    graph.

    Source: Lee and Ham, AZ-NAS, CVPR 2024.
    """
    return records.flops
