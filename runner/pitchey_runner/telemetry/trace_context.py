"""W3C trace context (https://www.w3.org/TR/trace-context/): which trace a job was submitted from."""

from __future__ import annotations

import os
import re
import sys
from typing import Final

__all__ = ["VARIABLE", "current", "parse"]

VARIABLE: Final = "TRACEPARENT"
"""Where programs that start others leave the context for them."""

_TRACE_PARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def current() -> str | None:
    """The context of this program: its own OpenTelemetry's if it uses that, else what the environment says."""
    found = None
    if "opentelemetry.trace" in sys.modules:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        found = carrier.get("traceparent")
    found = found or os.environ.get(VARIABLE)
    return found if parse(found) is not None else None


def parse(trace_parent: str | None) -> tuple[int, int] | None:
    """The ids of trace and span; ``None`` where it is no valid context."""
    found = _TRACE_PARENT.fullmatch(trace_parent or "")
    if found is None:
        return None
    trace_id, span_id = int(found[1], 16), int(found[2], 16)
    return (trace_id, span_id) if trace_id and span_id else None
