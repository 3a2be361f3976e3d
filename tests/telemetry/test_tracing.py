"""OpenTelemetry spans, received over HTTP as a collector would."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pitchey_cli import Cli

ABOVE = f"00-{0xABC:032x}-{0xDEF:016x}-01"


class Collector(ThreadingHTTPServer):
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/traces"

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        for each in request.resource_spans:
            self.server.services |= {
                pair.value.string_value for pair in each.resource.attributes if pair.key == "service.name"
            }
            for scope in each.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _attributes(span: Any) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes
    }  # fmt: skip


def test_a_job_and_its_attempts_are_one_trace(cli: Cli, collector: Collector) -> None:
    job = cli("submit", "test-fail", "TransientError", "--times", "1").data["job_id"]
    assert cli("work", "--drain", "--traces", collector.url).code == 0
    (root,) = collector.named("job test-fail")
    first, second = collector.named("attempt test-fail")
    assert root.trace_id == first.trace_id == second.trace_id == uuid.UUID(job).bytes
    assert root.parent_span_id == b""
    assert first.parent_span_id == second.parent_span_id == root.span_id
    assert len({root.span_id, first.span_id, second.span_id}) == 3
    assert (first.status.code, second.status.code, root.status.code) == (2, 1, 1)
    assert first.status.message == "told to fail"
    assert _attributes(first)["error.type"] == "TransientError"
    assert (_attributes(second)["pitchey.attempt"], _attributes(second)["pitchey.outcome"]) == (
        2,
        "completed",
    )
    assert root.start_time_unix_nano < first.start_time_unix_nano < first.end_time_unix_nano
    assert second.end_time_unix_nano <= root.end_time_unix_nano
    assert _attributes(root)["pitchey.job.state"] == "completed"
    assert collector.services == {"pitchey"}


def test_a_job_is_part_of_the_trace_that_it_was_submitted_from(cli: Cli, collector: Collector) -> None:
    cli.environment["TRACEPARENT"] = ABOVE
    cli("submit", "test-noop")
    del cli.environment["TRACEPARENT"]
    cli("work", "--drain", "--traces", collector.url)
    (root,) = collector.named("job test-noop")
    assert int.from_bytes(root.trace_id, "big") == 0xABC
    assert int.from_bytes(root.parent_span_id, "big") == 0xDEF


def test_a_program_that_traces_hands_its_span_on(cli: Cli, collector: Collector) -> None:
    program = """
import pitchey_runner
from opentelemetry.sdk.trace import TracerProvider
tracer = TracerProvider().get_tracer("test")
with pitchey_runner.open() as jobs, tracer.start_as_current_span("outer") as span:
    jobs.submit("test-noop")
    print(span.get_span_context().trace_id, span.get_span_context().span_id)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=cli.env, capture_output=True, text=True, check=True
    )
    trace_id, span_id = map(int, done.stdout.split())
    cli("work", "--drain", "--traces", collector.url)
    (root,) = collector.named("job test-noop")
    assert int.from_bytes(root.trace_id, "big") == trace_id
    assert int.from_bytes(root.parent_span_id, "big") == span_id


def test_a_collector_that_is_not_there_stops_no_work(cli: Cli) -> None:
    cli("submit", "test-noop")
    cli.environment["OTEL_EXPORTER_OTLP_TIMEOUT"] = "1"
    ran = cli("work", "--drain", "--traces", "http://127.0.0.1:9/v1/traces")
    assert (ran.code, ran.data["status"]) == (0, "completed")


def test_what_is_no_context_is_not_taken_for_one() -> None:
    from pitchey_runner.telemetry.trace_context import parse

    assert parse(ABOVE) == (0xABC, 0xDEF)
    for wrong in (None, "", "00-1-2-01", f"00-{0:032x}-{1:016x}-01", f"00-{1:032x}-{0:016x}-01"):
        assert parse(wrong) is None
