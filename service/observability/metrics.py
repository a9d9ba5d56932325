"""Metrics of the server, for Prometheus.

Each application has its own :class:`Metrics` with its own registry. Events are counted when they
happen; states (queue depth, workers, forests) are read when the metrics are requested.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import acorn
from acorn.errors import AcornError
from acorn.schemas.prediction import ForestInfo, WorkersState
from service.workers import Outcome

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observed(Protocol):
    """The states of a service that metrics show."""

    @property
    def workers(self) -> WorkersState:
        """Numbers of workers and of their jobs."""

    @property
    def quarantined(self) -> int:
        """Networks in quarantine."""

    @property
    def store_failures(self) -> int:
        """Failed transactions of features and jobs."""

    @property
    def is_ready(self) -> bool:
        """Whether ``GET /health/ready`` responds with status 200."""

    @property
    def forest_infos(self) -> list[ForestInfo]:
        """Forests that are served."""

    @property
    def refused_forests(self) -> int:
        """Bundles that failed verification."""


class Metrics:
    """Counters and histograms of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Histogram(
            "acorn_request_seconds",
            "Seconds from a request's headers to the end of its answer.",
            ["method", "route", "status"],
            buckets=_FAST,
            registry=self.registry,
        )
        self._by_labels: dict[tuple[str, str, int], Histogram] = {}
        self._waiting = Histogram(
            "acorn_waiting_seconds",
            "Seconds that a network waited for a worker.",
            buckets=_FAST,
            registry=self.registry,
        )
        self._computing = Histogram(
            "acorn_computing_seconds",
            "Seconds that a worker took for a network.",
            buckets=_FAST,
            registry=self.registry,
        )
        self._lookups = Counter(
            "acorn_feature_lookups",
            "Functions whose features a prediction needed, by where they came from.",
            ["source"],
            registry=self.registry,
        )
        self._failures = Counter(
            "acorn_failures",
            "Networks, and requests for them, that were refused or failed, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self._jobs = Gauge(
            "acorn_jobs",
            "Jobs of all clients and servers, by state; nothing while the database fails.",
            ["state"],
            registry=self.registry,
        )
        self._reloads = Counter(
            "acorn_reloads",
            "Reloads of the forests folder, by result.",
            ["result"],
            registry=self.registry,
        )
        for source in ("table", "cache", "computed"):
            self._lookups.labels(source)
        for result in ("done", "refused", "failed"):
            self._reloads.labels(result)

    def watch(self, service: Observed) -> None:
        """Show the states of a service from now on."""
        self.registry.register(_State(service))

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

    def looked_up(self, source: str, functions: int) -> None:
        """Count architectures by the source of their features: table, cache or computed."""
        self._lookups.labels(source).inc(functions)

    def reloaded(self, result: str) -> None:
        """Count a reload: done, refused (at least one bundle) or failed."""
        self._reloads.labels(result).inc()

    def count_jobs(self, by_state: Mapping[str, int]) -> None:
        """Set the number of jobs in each state; empty if it is not known."""
        self._jobs.clear()
        for state, n in by_state.items():
            self._jobs.labels(state).set(n)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Write all metrics.

        Parameters
        ----------
        accept : str
            Value of the header ``Accept``, which chooses the format.

        Returns
        -------
        content : bytes
        media_type : str
        """
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type


def reason_of(error: AcornError) -> str:
    """Name the class of an error: ``QueueFullError`` is queue_full."""
    name = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class _State(Collector):
    """Reads the states of a service when the metrics are requested."""

    def __init__(self, service: Observed) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        service = self._service
        workers = service.workers
        gauges: list[tuple[str, str, float]] = [
            ("acorn_ready", "Whether the server can answer for any network.", service.is_ready),
            ("acorn_queue_depth", "Networks that wait for a worker.", workers.waiting),
            ("acorn_networks_computing", "Networks that workers work on.", workers.computing),
            ("acorn_workers_ready", "Workers that take networks.", workers.ready),
            ("acorn_workers_wanted", "Workers that there should be.", workers.wanted),
            (
                "acorn_networks_quarantined",
                "Networks that took workers down and are not tried again for a while.",
                service.quarantined,
            ),
            (
                "acorn_forests_refused",
                "Bundles that did not pass verification.",
                service.refused_forests,
            ),
        ]
        for name, text, value in gauges:
            yield GaugeMetricFamily(name, text, value=value)
        yield CounterMetricFamily(
            "acorn_worker_restarts",
            "Worker processes that took the place of another.",
            value=workers.restarts,
        )
        yield CounterMetricFamily(
            "acorn_store_failures",
            "Reads and writes of the database that failed, of features and of jobs.",
            value=service.store_failures,
        )
        yield _info("acorn_build_info", "Version of the server.", [{"version": acorn.__version__}])
        fields = ("name", "version", "space", "dataset", "digest")
        yield _info(
            "acorn_forest_info",
            "Forests in service.",
            [
                {field: str(getattr(info, field)) for field in fields}
                for info in service.forest_infos
            ],
            fields,
        )


def _info(
    name: str, text: str, rows: list[dict[str, str]], fields: Iterable[str] = ("version",)
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=list(fields))
    for row in rows:
        family.add_metric(list(row.values()), 1.0)
    return family
