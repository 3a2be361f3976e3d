"""Processors that each break one promise, so that the conformance suite can show that it notices.

No entry point names this module: a test registers it by hand.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import ConfigDict, Field

from pitchey_core.context import JobContext
from pitchey_core.hooks import ProcessorSpec, hookimpl
from pitchey_core.payload import Alias, InputFile, Payload
from pitchey_core.processor import Facts, Processor

__all__ = ["pitchey_processors"]

_NAMES = (
    "Around", "Big", "Clashing", "Deaf", "Falling", "Forgetful", "Litter", "Loose", "NoNumber", "Picky", "Random",
    "Short", "Silent", "Unfetched",
)  # fmt: skip


@hookimpl
def pitchey_processors() -> Sequence[ProcessorSpec]:
    """All of them, and one whose specification is wrong."""
    specs = [
        ProcessorSpec(f"broken-{name.lower()}", f"{__name__}:{name}", "Break a promise", resources="lite")
        for name in _NAMES
    ]
    promising = ProcessorSpec(
        "broken-promising", f"{__name__}:Short", "Ask for the impossible", tools=("no-such-tool",)
    )
    return [*specs, promising]


class Plain(Payload):
    seconds: float = Field(0.0, ge=0, description="How long to take")


class _Writing(Processor[Plain, Facts]):
    def process(self, payload: Plain, job: JobContext) -> Facts:
        self.misbehave(job)
        job.artifact("out.txt", "text/plain").write_text("fine\n")
        end = time.monotonic() + payload.seconds
        while time.monotonic() < end:
            job.check()
            time.sleep(0.02)
        return Facts()

    def misbehave(self, job: JobContext) -> None:
        raise NotImplementedError


class Around(_Writing):
    """Writes past the stage, straight into the output folder."""

    def misbehave(self, job: JobContext) -> None:
        output = job.stage.folder.parents[1]
        output.mkdir(parents=True, exist_ok=True)
        (output / "preview.txt").write_text("half")


class Random(_Writing):
    """Gives its output another name each time."""

    def misbehave(self, job: JobContext) -> None:
        job.artifact(f"{uuid.uuid4()}.txt", "text/plain").write_text("where is it?")


class Litter(_Writing):
    """Leaves a temporary file behind."""

    def misbehave(self, job: JobContext) -> None:
        handle, _ = tempfile.mkstemp()
        os.close(handle)


class Falling(_Writing):
    """Reports progress that falls."""

    def misbehave(self, job: JobContext) -> None:
        for fraction in (0.8, 0.2, 1.0):
            job.progress(fraction)
            time.sleep(0.15)


class Short(_Writing):
    """Reports progress that never gets to its end."""

    def misbehave(self, job: JobContext) -> None:
        job.progress(0.5)


class Forgetful(_Writing):
    """Reserves an output and does not write it."""

    def misbehave(self, job: JobContext) -> None:
        job.artifact("never.txt", "text/plain")


class Deaf(Processor[Plain, Facts]):
    """Takes its time, whoever asks it to stop."""

    def process(self, payload: Plain, job: JobContext) -> Facts:
        job.progress(0.0)
        end = time.monotonic() + payload.seconds
        while time.monotonic() < end:
            time.sleep(0.02)
        return Facts()


class LoosePayload(Payload):
    model_config = ConfigDict(extra="ignore")

    seconds: float = Field(0.0, description="How long to take")


class Loose(Processor[LoosePayload, Facts]):
    """Takes fields that it does not know."""

    def process(self, payload: LoosePayload, job: JobContext) -> Facts:
        return Facts()


class ClashingPayload(Payload):
    fast: bool = Field(False, description="Be quick")
    slow: Annotated[bool, Alias("--no-fast")] = Field(False, description="Be slow")


class Clashing(Processor[ClashingPayload, Facts]):
    """Has two fields for one option."""

    def process(self, payload: ClashingPayload, job: JobContext) -> Facts:
        return Facts()


class SilentPayload(Payload):
    value: int = 0


class Silent(Processor[SilentPayload, Facts]):
    """Has a field that says nothing about itself."""

    def process(self, payload: SilentPayload, job: JobContext) -> Facts:
        return Facts()


class PickyPayload(Payload):
    number: str = Field("1", description="A number, as text")


class Picky(Processor[PickyPayload, Facts]):
    """Finds out late, and in the wrong words, that its payload is wrong."""

    def process(self, payload: PickyPayload, job: JobContext) -> Facts:
        int(payload.number)
        return Facts()


class UnfetchedPayload(Payload):
    input_url: InputFile = Field(description="What to read")


class Unfetched(Processor[UnfetchedPayload, Facts]):
    """Opens its input by itself."""

    def process(self, payload: UnfetchedPayload, job: JobContext) -> Facts:
        Path(unquote(urlsplit(payload.input_url).path)).read_bytes()
        return Facts()


class WideFacts(Facts):
    text: str = ""
    number: float = 0.0


class Big(Processor[Plain, WideFacts]):
    """Reports more than facts may hold."""

    def process(self, payload: Plain, job: JobContext) -> WideFacts:
        return WideFacts(text="x" * 300_000)


class NoNumber(Processor[Plain, WideFacts]):
    """Reports what JSON cannot hold."""

    def process(self, payload: Plain, job: JobContext) -> WideFacts:
        return WideFacts(number=float("nan"))
