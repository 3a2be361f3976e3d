"""Processors that behave."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
from pydantic import Field

from pitchey_core.context import AsyncJobContext, JobContext
from pitchey_core.errors import InputError, PitcheyError
from pitchey_core.payload import Alias, FromFile, InputFile, Positional
from pitchey_core.processor import BatchProcessor, Plan, PlanningProcessor, PlanStep, Processor
from pitchey_core.storage import display
from pitchey_testkit.traces import TestFacts, TestPayload, leave_trace

__all__ = ["AsyncSleep", "Batch", "Child", "Copy", "Echo", "Noop", "Sleep"]

_TICK_SECONDS = 0.02


class NoopPayload(TestPayload):
    value: int = Field(0, description="Comes back in the facts")


class NoopFacts(TestFacts):
    value: int


class Noop(Processor[NoopPayload, NoopFacts]):
    """Does nothing."""

    def process(self, payload: NoopPayload, job: JobContext) -> NoopFacts:
        leave_trace(payload, job)
        return NoopFacts(value=payload.value, attempt=job.attempt)


class EchoPayload(TestPayload):
    text: Annotated[str, Positional()] = Field("hello", max_length=10_000, description="What to write")
    name: str = Field("echo.txt", description="Name of the artifact")
    repeat: Annotated[int, Alias("--times", "-n")] = Field(1, ge=1, le=1000, description="How often")
    scale: float | None = Field(None, gt=0, le=2.5, description="A number with bounds")
    loud: bool = Field(False, description="In capitals")
    style: Literal["plain", "quoted", "boxed"] = Field("plain", description="How it looks")
    tag: list[str] = Field([], description="May be given several times")
    data: dict[str, Any] = Field({}, description="Any JSON")
    note: Annotated[str | None, FromFile()] = Field(None, description="File whose text is added")


class EchoFacts(TestFacts):
    payload: dict[str, Any]


class Echo(Processor[EchoPayload, EchoFacts]):
    """Writes its payload to an artifact."""

    def process(self, payload: EchoPayload, job: JobContext) -> EchoFacts:
        leave_trace(payload, job)
        text = payload.text.upper() if payload.loud else payload.text
        if payload.style != "plain":
            text = json.dumps(text)
        target = job.artifact(payload.name, "text/plain")
        target.write_text("\n".join([text] * payload.repeat) + "\n" + (payload.note or ""), "utf-8")
        return EchoFacts(payload=payload.model_dump(mode="json"), attempt=job.attempt)


class CopyPayload(TestPayload):
    input_url: Annotated[InputFile, Positional()] = Field(
        description="File to copy; one that starts with BAD is refused"
    )
    seconds: float = Field(0.0, ge=0, description="How long to take")


class CopyFacts(TestFacts):
    bytes: int


class Copy(PlanningProcessor[CopyPayload, CopyFacts]):
    """Copies its input."""

    def process(self, payload: CopyPayload, job: JobContext) -> CopyFacts:
        leave_trace(payload, job)
        data = job.fetch(payload.input_url).read_bytes()
        if data.startswith(b"BAD"):
            raise InputError(f"{display(payload.input_url)} is bad", remedy="give a good one")
        _sleep(payload.seconds, job)
        job.artifact("copy.bin", "application/octet-stream").write_bytes(data)
        return CopyFacts(bytes=len(data), attempt=job.attempt)

    def plan(self, payload: CopyPayload, job: JobContext) -> Plan:
        size = job.fetch(payload.input_url).stat().st_size
        return Plan(
            summary=f"copy {size} bytes",
            steps=[PlanStep(subject="all of it", action="copy", detail="as it is", reason="that is the job")],
            wall_seconds=payload.seconds,
            cpu_seconds=0.0,
            output_bytes=size,
        )


class SleepPayload(TestPayload):
    seconds: Annotated[float, Positional()] = Field(1.0, ge=0, description="How long")
    output: bool = Field(False, description="Write an artifact first")
    counter: str | None = Field(None, description="Each tick adds a byte to this file")


class Sleep(Processor[SleepPayload, TestFacts]):
    """Sleeps; looks for cancellation and reports progress every 20 ms."""

    def process(self, payload: SleepPayload, job: JobContext) -> TestFacts:
        leave_trace(payload, job)
        if payload.output:
            job.artifact("slept.txt", "text/plain").write_text(f"{payload.seconds}\n")
        _sleep(payload.seconds, job, payload.counter)
        return TestFacts(attempt=job.attempt)


class AsyncSleep(Processor[SleepPayload, TestFacts]):
    """The same, as a coroutine."""

    async def process(self, payload: SleepPayload, job: AsyncJobContext) -> TestFacts:
        leave_trace(payload, job)  # type: ignore[arg-type]  # it hands every attribute on
        await anyio.sleep(payload.seconds)
        return TestFacts(attempt=job.attempt)


class BatchPayload(TestPayload):
    value: int = Field(0, description="Comes back in the facts")
    seconds: float = Field(0.0, ge=0, description="How long the call takes; the longest of the batch counts")
    fail: bool = Field(False, description="Fail this item")
    odd: bool = Field(False, description="Return facts for this item that do not fit the model")
    crash: bool = Field(False, description="Take the process down, if there is company in the batch")
    output: bool = Field(False, description="Write an artifact first, which must not be there")


class BatchFacts(TestFacts):
    value: int
    size: int


class _OddFacts(BatchFacts):
    odd: bool = True


class Batch(BatchProcessor[BatchPayload, BatchFacts]):
    """Takes several jobs in one call."""

    def process(self, payload: BatchPayload, job: JobContext) -> BatchFacts:
        (answer,) = self.process_batch([payload], [job])
        if isinstance(answer, PitcheyError):
            raise answer
        return answer

    def process_batch(
        self, payloads: Sequence[BatchPayload], jobs: Sequence[JobContext]
    ) -> Sequence[BatchFacts | PitcheyError]:
        for payload, job in zip(payloads, jobs, strict=True):
            leave_trace(payload, job)
            if payload.output:
                with job.artifact("batch.txt", "text/plain").open("x") as file:
                    file.write(f"{payload.value}\n")
            if payload.crash and len(payloads) > 1:
                os._exit(9)
        time.sleep(max(payload.seconds for payload in payloads))
        return [
            InputError(f"item {payload.value} was told to fail")
            if payload.fail
            else (_OddFacts if payload.odd else BatchFacts)(
                value=payload.value, size=len(payloads), attempt=job.attempt
            )
            for payload, job in zip(payloads, jobs, strict=True)
        ]


class Child(Processor[SleepPayload, TestFacts]):
    """Runs the program ``sleep``."""

    def process(self, payload: SleepPayload, job: JobContext) -> TestFacts:
        leave_trace(payload, job)
        job.run("sleep", [str(payload.seconds)])
        return TestFacts(attempt=job.attempt)


def _sleep(seconds: float, job: JobContext, counter: str | None = None) -> None:
    start = time.monotonic()
    while (passed := time.monotonic() - start) < seconds:
        job.progress(passed / seconds, "sleeping", eta_seconds=seconds - passed)
        if counter is not None:
            with Path(counter).open("ab") as file:
                file.write(b".")
        time.sleep(_TICK_SECONDS)
    job.check()
