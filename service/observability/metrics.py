"""Metrics of the server, for Prometheus.

Each application has its own :class:`Metrics` with its own registry. Events are counted when they
happen; states (queue depth, workers, forests) are read when the metrics are requested.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import acorn
from acorn.errors import AcornError
from acorn.schemas.prediction import ForestInfo, WorkersState
from service.workers import Outcome

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FOREST_LABELS = ("name", "version", "space", "dataset", "digest")


@dataclass(frozen=True, slots=True)
class ServerState:
    """The state of a server that its metrics show.

    Attributes
    ----------
    is_ready : bool
        Whether ``GET /health/ready`` responds with status 200.
    workers : WorkersState
        Numbers of workers and of their jobs.
    quarantined : int
        Networks in quarantine.
    store_failures : int
        Failed transactions of features and jobs.
    forests : sequence of ForestInfo
        Forests in service.
    refused_forests : int
        Bundles that failed verification.
    """

    is_ready: bool
    workers: WorkersState
    quarantined: int
    store_failures: int
    forests: Sequence[ForestInfo]
    refused_forests: int


class Metrics:
    """Counters and histograms of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        histogram = partial(Histogram, buckets=_BUCKETS, registry=self.registry)
        counter = partial(Counter, registry=self.registry)
        self._requests = histogram(
            "acorn_request_seconds",
            "Seconds from the headers of a request to the end of its response.",
            ["method", "route", "status"],
        )
        self._by_labels: dict[tuple[str, str, int], Histogram] = {}
        self._waiting = histogram(
            "acorn_waiting_seconds", "Seconds that a network waited for a worker."
        )
        self._computing = histogram(
            "acorn_computing_seconds", "Seconds that a worker took for a network."
        )
        self._lookups = counter(
            "acorn_feature_lookups",
            "Equivalence classes whose features a prediction needed, by source of the features.",
            ["source"],
        )
        self._failures = counter(
            "acorn_failures",
            "Networks, and requests for them, that were refused or failed, by reason.",
            ["reason"],
        )
        self._jobs = Gauge(
            "acorn_jobs",
            "Jobs of all clients and servers, by state; nothing while the database fails.",
            ["state"],
            registry=self.registry,
        )
        self._reloads = counter(
            "acorn_reloads", "Reloads of the forests folder, by result.", ["result"]
        )
        for source in ("table", "cache", "computed"):
            self._lookups.labels(source)
        for result in ("done", "refused", "failed"):
            self._reloads.labels(result)

    def watch(self, read_state: Callable[[], ServerState]) -> None:
        """Show the state of a server from now on; it is read whenever metrics are requested."""
        self.registry.register(_StateCollector(read_state))

    def requested(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request and measure its time."""
        labels = (method if method in _METHODS else "other", route, status)
        if labels not in self._by_labels:
            self._by_labels[labels] = self._requests.labels(*labels)
        self._by_labels[labels].observe(seconds)

    def concluded(self, outcome: Outcome[Any] | AcornError) -> None:
        """Count the outcome or error of a network."""
        if isinstance(outcome, AcornError):
            self._failures.labels(reason_of(outcome)).inc()
        else:
            self._waiting.observe(outcome.queue_seconds)
            self._computing.observe(outcome.seconds)

    def looked_up(self, source: str, n: int) -> None:
        """Count architectures by the source of their features: table, cache or computed."""
        self._lookups.labels(source).inc(n)

    def reloaded(self, result: str) -> None:
        """Count a reload: done, refused (at least one bundle) or failed."""
        self._reloads.labels(result).inc()

    def count_jobs(self, by_state: Mapping[str, int]) -> None:
        """Set the number of jobs in each state; empty if it is not known."""
        self._jobs.clear()
        for state, n in by_state.items():
            self._jobs.labels(state).set(n)


def exposition(metrics: Iterable[Metric], accept: str) -> tuple[bytes, str]:
    """Write metrics.

    Parameters
    ----------
    metrics : iterable of Metric
        Metric families, each once.
    accept : str
        Value of the header ``Accept``, which chooses the format.

    Returns
    -------
    content : bytes
    media_type : str
    """
    encode, media_type = choose_encoder(accept)
    return encode(_Collected(metrics)), media_type


def reason_of(error: AcornError) -> str:
    """Name the class of an error: ``QueueFullError`` is queue_full."""
    name = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class _Collected(CollectorRegistry):
    """Metrics that were collected already, as encoders read them."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        super().__init__()
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


class _StateCollector(Collector):
    """Reads the state of a server when the metrics are requested."""

    def __init__(self, read_state: Callable[[], ServerState]) -> None:
        self._read_state = read_state

    def collect(self) -> Iterable[Metric]:
        state = self._read_state()
        workers = state.workers
        gauges: dict[str, tuple[str, float]] = {
            "ready": ("Whether the server can predict any network.", state.is_ready),
            "queue_depth": ("Networks that wait for a worker.", workers.waiting),
            "networks_computing": ("Networks that workers compute.", workers.computing),
            "workers_ready": ("Workers that accept networks.", workers.ready),
            "workers_wanted": ("Workers that the settings ask for.", workers.wanted),
            "networks_quarantined": (
                "Networks that ended workers and are not tried again for a while.",
                state.quarantined,
            ),
            "forests_refused": ("Bundles that failed verification.", state.refused_forests),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"acorn_{name}", text, value=value)
        yield CounterMetricFamily(
            "acorn_worker_restarts", "Workers that replaced another.", value=workers.restarts
        )
        yield CounterMetricFamily(
            "acorn_store_failures",
            "Failed transactions of the database, of features and of jobs.",
            value=state.store_failures,
        )
        build = GaugeMetricFamily("acorn_build_info", "Version of the server.", labels=["version"])
        build.add_metric([acorn.__version__], 1.0)
        yield build
        forests = GaugeMetricFamily(
            "acorn_forest_info", "Forests in service.", labels=_FOREST_LABELS
        )
        for info in state.forests:
            forests.add_metric([str(getattr(info, label)) for label in _FOREST_LABELS], 1.0)
        yield forests
