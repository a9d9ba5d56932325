"""params: number of parameters."""

from acorn.proxies._engine.passes.static import STATIC
from acorn.proxies._engine.records import Records
from acorn.proxies._engine.registry import proxy


@proxy("params", reads=STATIC)
def params(records: Records) -> float:
    """Millions of parameters, as the benchmarks count them: everything trainable."""
    return records.params
