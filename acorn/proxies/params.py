"""params: number of parameters."""

from acorn.proxies._engine.records import Records
from acorn.proxies._engine.registry import Pass, proxy


@proxy("params", reads=Pass.STATIC)
def params(records: Records) -> float:
    """Millions of parameters, as the benchmarks count them: everything trainable."""
    return records.params
