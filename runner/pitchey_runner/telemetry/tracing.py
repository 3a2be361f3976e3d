"""OpenTelemetry spans: one per job, and below it one per attempt.

Ids follow from the job's id, so what several workers tell of one job, also after a crash, becomes one trace; where
whoever submitted the job was in a trace of its own, the job is part of that.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pitchey_core.errors import ExtraMissing
from pitchey_runner.store.interface import JobState
from pitchey_runner.supervisor import Event, JobSettled, JobStarted
from pitchey_runner.telemetry.trace_context import parse

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import SpanContext

__all__ = ["Tracer", "tracing"]


@contextmanager
def tracing(endpoint: str) -> Iterator[Tracer]:
    """Export spans by OTLP over HTTP while the block runs, in a thread; its end exports the last.

    Args:
        endpoint: For example ``http://127.0.0.1:4318/v1/traces``. Headers, certificates and the like are taken from
            OpenTelemetry's own environment variables.

    Raises:
        ExtraMissing: The packages are not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ExtraMissing(
            "traces need OpenTelemetry, which is not installed", remedy="pip install 'pitchey[otel]'"
        ) from error
    processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint))
    try:
        yield Tracer(processor)
    finally:
        processor.shutdown()  # type: ignore[no-untyped-call]


class Tracer:
    """Makes spans of a supervisor's events; :meth:`watch` never waits for a collector."""

    def __init__(self, processor: SpanProcessor) -> None:
        from opentelemetry.sdk.resources import Resource

        self._processor = processor
        named = Resource.create()
        # Unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise.
        if str(named.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
            named = named.merge(Resource({"service.name": "pitchey"}))
        self._resource = named
        self._started: dict[str, tuple[JobStarted, int]] = {}

    def watch(self, event: Event) -> None:
        """Take in what a supervisor tells."""
        match event:
            case JobStarted():
                self._started[event.job_id] = (event, time.time_ns())
            case JobSettled():
                started, began = self._started.pop(event.job_id, (None, 0))
                if started is not None:
                    self._attempt(started, began, event)

    def _attempt(self, started: JobStarted, began: int, settled: JobSettled) -> None:
        from opentelemetry.trace import Status, StatusCode

        now = time.time_ns()
        trace_id, above = _origin(started)
        job = _context(trace_id, _span_id(started.job_id, "job"))
        attempt = _context(trace_id, _span_id(started.job_id, f"attempt {started.claim_seq}"))
        attributes: dict[str, Any] = {"pitchey.job.id": started.job_id, "pitchey.queue": started.type}
        figures: dict[str, Any] = {
            "pitchey.attempt": started.attempt,
            "pitchey.cost_nanodollars": settled.cost_nanos,
        }
        if settled.outcome is not None:
            figures["pitchey.outcome"] = settled.outcome.value
        if settled.usage is not None:
            figures["pitchey.cpu_us"] = settled.usage.cpu_us
            figures["pitchey.peak_memory_bytes"] = settled.usage.peak_memory_bytes
        status = Status(StatusCode.OK)
        if settled.error is not None:
            status = Status(StatusCode.ERROR, settled.error.message)
            attributes["error.type"] = type(settled.error).__name__
        name = f"attempt {started.type}"
        self._end(name, attempt, job, (began, now), {**attributes, **figures}, status)
        if settled.state.finished:
            state = {"pitchey.job.state": settled.state.value}
            if settled.state is JobState.CANCELLED:
                status = Status(StatusCode.UNSET)
            since = began if started.created_at is None else int(started.created_at.timestamp() * 1e9)
            self._end(f"job {started.type}", job, above, (since, now), {**attributes, **state}, status)

    def _end(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        times: tuple[int, int],
        attributes: Mapping[str, Any],
        status: Any,
    ) -> None:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import SpanKind

        span = ReadableSpan(
            name,
            context,
            parent,
            self._resource,
            attributes,
            kind=SpanKind.CONSUMER,
            instrumentation_scope=InstrumentationScope("pitchey_runner"),
            status=status,
            start_time=times[0],
            end_time=times[1],
        )
        self._processor.on_end(span)


def _origin(started: JobStarted) -> tuple[int, SpanContext | None]:
    """The trace that a job belongs to, and the span above it."""
    above = parse(started.trace_parent)
    if above is None:
        return uuid.UUID(started.job_id).int, None
    return above[0], _context(*above)


def _span_id(job_id: str, what: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{job_id} {what}".encode()).digest()[:8], "big") or 1


def _context(trace_id: int, span_id: int) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
