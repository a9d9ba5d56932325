"""Worker processes for work that must not run in the process that answers requests."""

from service.workers.pool import PoolLimits, WorkerPool
from service.workers.queue import Outcome
from service.workers.worker import WorkFactory

__all__ = ["Outcome", "PoolLimits", "WorkFactory", "WorkerPool"]
