"""Traces of requests with OpenTelemetry, which the extra ``otel`` installs.

The web framework makes the spans; this module exports them. OpenTelemetry is imported only if
traces are wanted. Its own environment variables (``OTEL_EXPORTER_OTLP_ENDPOINT``,
``OTEL_TRACES_SAMPLER``, ...) configure the rest.
"""

import os
from collections.abc import Callable, MutableMapping
from typing import Any, NamedTuple

from fastapi.telemetry import TelemetryConfig

from acorn.errors import InputError

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROBES = ("/health/", "/v2/health/", "/metrics")
_OFF = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)


class Tracing(NamedTuple):
    """The tracing of an application; ``finish`` sends the last traces, and may take long."""

    config: TelemetryConfig
    finish: Callable[[], None]


def set_up_tracing(*, wanted: bool) -> Tracing:
    """Prepare traces if they are wanted or an endpoint is configured.

    Parameters
    ----------
    wanted : bool
        Whether the settings ask for traces.

    Returns
    -------
    Tracing

    Raises
    ------
    InputError
        If traces are wanted and the extra is not installed.
    """
    if not wanted and not os.environ.get(ENDPOINT):
        return Tracing(_OFF, lambda: None)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        if wanted:
            raise InputError(
                "setting otel: got true without OpenTelemetry; expected acorn-nas[otel] installed"
            ) from None
        return Tracing(_OFF, lambda: None)
    resource = Resource.create({SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", "acorn")})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    config = TelemetryConfig(
        **{**_OFF, "tracing": True, "tracer_provider": provider, "exclude": _is_probe}
    )
    return Tracing(config, provider.shutdown)


def _is_probe(scope: MutableMapping[str, Any]) -> bool:
    """Leave out requests that probes send every few seconds."""
    return str(scope.get("path")).startswith(_PROBES)
