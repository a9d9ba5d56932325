"""Worker processes for work that must not run in the process that answers requests."""

from service.workers.handle import StartWorker
from service.workers.pool import PoolLimits, WorkerPool
from service.workers.process import WorkerProcess
from service.workers.queue import Outcome
from service.workers.work import WorkFactory

__all__ = [
    "Outcome",
    "PoolLimits",
    "StartWorker",
    "WorkFactory",
    "WorkerPool",
    "WorkerProcess",
]
