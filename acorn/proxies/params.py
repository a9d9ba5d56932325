"""params: number of parameters."""

from acorn.proxies._engine import STATIC, Records, proxy


@proxy("params", reads=STATIC)
def params(records: Records) -> float:
    """Millions of parameters, as the benchmarks count them: everything trainable."""
    return records.params
