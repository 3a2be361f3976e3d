"""What every test processor has in common: a payload field that tells a test when and where a job ran."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pydantic import Field

from pitchey_core.context import JobContext
from pitchey_core.payload import Payload
from pitchey_core.processor import Facts

__all__ = ["TestFacts", "TestPayload", "leave_trace"]


class TestPayload(Payload):
    """Base of the payloads."""

    __test__ = False

    trace: str | None = Field(
        None,
        description="Each attempt adds a JSON line (job_id, attempt, claim, pid, devices) to this file as it starts",
    )


class TestFacts(Facts):
    """Base of the facts: the process and the attempt that did it."""

    __test__ = False

    pid: int = Field(default_factory=os.getpid)
    attempt: int = 1


def leave_trace(payload: TestPayload, job: JobContext) -> None:
    """Tell the test that this attempt has begun."""
    if payload.trace is None:
        return
    line = json.dumps(
        {
            "job_id": job.job_id,
            "attempt": job.attempt,
            "claim": job.claim,
            "pid": os.getpid(),
            "devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        }
    )
    with Path(payload.trace).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
