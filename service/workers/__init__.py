"""Workers: processes for work that must not run in the server process."""

from service.workers.pool import PoolLimits, WorkerPool
from service.workers.process import WorkerProcess
from service.workers.protocol import StartWorker, WorkFactory
from service.workers.queue import Outcome

__all__ = [
    "Outcome",
    "PoolLimits",
    "StartWorker",
    "WorkFactory",
    "WorkerPool",
    "WorkerProcess",
]
