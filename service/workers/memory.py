"""How much memory a worker holds."""

import os
import sys
from pathlib import Path

_STATM = Path("/proc/self/statm")


def held_bytes() -> int:
    """Bytes of this process that lie in memory, or that it holds of CUDA devices if that is more.

    Where the system does not tell the former, the most that they ever were; 0 where not even that.
    """
    return max(_resident(), _reserved_on_devices())


def _resident() -> int:
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _reserved_on_devices() -> int:
    torch = sys.modules.get("torch")  # imported by whoever makes tensors, and only then
    if torch is None or not torch.cuda.is_initialized():
        return 0
    return sum(map(torch.cuda.memory_reserved, range(torch.cuda.device_count())))
