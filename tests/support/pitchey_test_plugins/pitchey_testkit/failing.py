"""Processors that fail or crash, always or a number of times."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Annotated, Literal

from pydantic import Field

from pitchey_core import errors
from pitchey_core.context import JobContext
from pitchey_core.payload import Positional
from pitchey_core.processor import Processor
from pitchey_testkit.traces import TestFacts, TestPayload, leave_trace

__all__ = ["Crash", "Fail"]


class FailPayload(TestPayload):
    error: Annotated[
        Literal[
            "InputError",
            "LimitExceeded",
            "ToolMissing",
            "ExtraMissing",
            "ToolFailed",
            "PartialFailure",
            "TransientError",
            "OutOfSpace",
            "ENOSPC",
            "RuntimeError",
            "MemoryError",
            "SystemExit",
        ],
        Positional(),
    ] = Field("RuntimeError", description="What to raise")
    message: str = Field("told to fail", description="What it says")
    times: int | None = Field(None, ge=0, description="Attempts that fail before one succeeds; default: all")


class Fail(Processor[FailPayload, TestFacts]):
    """Raises an error."""

    def process(self, payload: FailPayload, job: JobContext) -> TestFacts:
        leave_trace(payload, job)
        if payload.error == "PartialFailure":
            job.artifact("part.txt", "text/plain").write_text("what there is\n")
        if not _once_more(job, payload.times):
            return TestFacts(attempt=job.attempt)
        raise _error(payload)


def _error(payload: FailPayload) -> BaseException:
    message = payload.message
    match payload.error:
        case "LimitExceeded":
            return errors.LimitExceeded(message, limit="pixels", remedy="use fewer")
        case "ToolFailed":
            return errors.ToolFailed(message, tool="sleep", returncode=1, stderr_tail="no")
        case "PartialFailure":
            return errors.PartialFailure(message, facts={"attempt": 1})
        case "ENOSPC":
            return OSError(28, message, "/full")
        case "RuntimeError":
            return RuntimeError(message)
        case "MemoryError":
            return MemoryError(message)
        case "SystemExit":
            return SystemExit(message)
        case name:
            cls: type[errors.PitcheyError] = getattr(errors, name)
            return cls(message, remedy="do not ask for it")


class CrashPayload(TestPayload):
    how: Annotated[Literal["abort", "segfault", "exit", "kill", "real-time"], Positional()] = Field(
        "exit", description="How the process ends"
    )
    times: int | None = Field(None, ge=0, description="Attempts that crash before one succeeds; default: all")


class Crash(Processor[CrashPayload, TestFacts]):
    """Takes its process down."""

    def process(self, payload: CrashPayload, job: JobContext) -> TestFacts:
        leave_trace(payload, job)
        if _once_more(job, payload.times):
            match payload.how:
                case "abort":
                    os.abort()
                case "segfault":
                    ctypes.string_at(0)
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "real-time":
                    os.kill(os.getpid(), signal.SIGRTMIN + 6)
                case "exit":
                    os._exit(7)
        return TestFacts(attempt=job.attempt)


def _once_more(job: JobContext, times: int | None) -> bool:
    if times is None:
        return True
    done = int(job.checkpoint("failures") or 0)
    if done < times:
        job.checkpoint("failures", done + 1)
        return True
    return False
