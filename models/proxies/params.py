"""params: number of parameters."""

from models.proxies.records import Records
from models.proxies.registry import Pass, proxy


@proxy("params", reads=Pass.STATIC)
def params(records: Records) -> float:
    """Millions of parameters, as the benchmarks count them: everything trainable."""
    return records.params
