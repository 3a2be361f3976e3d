"""Turns what a sandbox reports into the facts and artifacts of a job."""

from __future__ import annotations

import json
import mimetypes
import signal
from typing import TYPE_CHECKING, Final, cast

from pitchey_code.facts import CodeFacts, Refused, Resources, Stream, VerdictName
from pitchey_core.errors import InputError, OutputExists, PitcheyError, UsageError
from pitchey_core.isolation import Verdict

if TYPE_CHECKING:
    from pitchey_core.context import JobContext
    from pitchey_core.isolation import Captured, SandboxReport

__all__ = ["added", "fill", "refuse_unbuilt", "resources_of", "shown", "verdict_of"]

_SHOWN_JSON_BYTES: Final = 48 * 1024
"""Of each stream, in the facts, as JSON: both and the rest stay below their limit."""

_MAX_REFUSED: Final = 64
_MAX_NAME: Final = 200


def refuse_unbuilt(report: SandboxReport) -> None:
    """Fail the job if a wall could not be built.

    Raises:
        PitcheyError: With what is missing, and the remedy.
    """
    if report.verdict is not Verdict.SANDBOX_ERROR:
        return
    words, _, remedy = (report.detail or "a wall could not be built").partition("\n  → ")
    advice = (
        "pitchey-run doctor --sandbox shows what this host can do; --isolation none runs without any wall"
    )
    raise PitcheyError(
        f"the program was not run: {words.removeprefix('the program was not run: ')}",
        remedy=f"{remedy}; {advice}" if remedy else advice,
    )


def verdict_of(report: SandboxReport) -> VerdictName:
    """The verdict of a program that was run."""
    return cast("VerdictName", str(report.verdict))


def resources_of(report: SandboxReport) -> Resources:
    usage = report.usage
    return Resources(
        wall_seconds=round(usage.wall_us / 1e6, 6),
        cpu_seconds=round(usage.cpu_us / 1e6, 6),
        peak_memory_bytes=usage.peak_memory_bytes,
    )


def added(one: Resources, other: Resources) -> Resources:
    """What two runs, one after the other, used together."""
    return Resources(
        wall_seconds=round(one.wall_seconds + other.wall_seconds, 6),
        cpu_seconds=round(one.cpu_seconds + other.cpu_seconds, 6),
        peak_memory_bytes=max(one.peak_memory_bytes, other.peak_memory_bytes),
    )


def fill(facts: CodeFacts, report: SandboxReport, job: JobContext) -> None:
    """Fill the facts of one run, and move its streams and files to the artifacts."""
    facts.exit_status = report.exit_status
    facts.signal = None if report.signal is None else _signal_name(report.signal)
    facts.detail = report.detail
    facts.usage = resources_of(report)
    facts.stdout, facts.captured["stdout"] = _stream("stdout", report.stdout, facts, job)
    facts.stderr, facts.captured["stderr"] = _stream("stderr", report.stderr, facts, job)
    refused = list(report.refused)
    for file in sorted(report.files, key=lambda each: each.name):
        try:
            file.name.encode()
            target = job.artifact(file.name, mimetypes.guess_type(file.name)[0] or "application/octet-stream")
        except UnicodeEncodeError:
            refused.append((file.name, "its name is not UTF-8"))
            continue
        except OutputExists:
            raise
        except InputError as error:
            refused.append((file.name, error.message))
            continue
        target.write_bytes(file.path.read_bytes())
        facts.files.append(file.name)
    facts.refused = [
        Refused(name=_safe(name), reason=_safe(reason)) for name, reason in refused[:_MAX_REFUSED]
    ]
    if len(refused) > _MAX_REFUSED:
        facts.warnings.append(f"{len(refused)} files were refused; the first {_MAX_REFUSED} are listed")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _safe(text: str) -> str:
    """A hostile name, fit for JSON and for a table."""
    return text.encode("utf-8", "backslashreplace").decode()[:_MAX_NAME]


def shown(data: bytes, most: int = _SHOWN_JSON_BYTES) -> tuple[str, int]:
    """The beginning of an output as text, and how many bytes of it that is."""
    size = min(len(data), most)
    # Control characters and replacements take up to six bytes each in JSON.
    while len(json.dumps(text := data[:size].decode("utf-8", "replace"))) > most + 2:
        size = size * 3 // 4
    return text, size


def _stream(name: str, captured: Captured, facts: CodeFacts, job: JobContext) -> tuple[str, Stream]:
    text, size = shown(captured.data)
    stream = Stream(bytes=captured.total, truncated=captured.truncated, shown_bytes=size)
    if size < len(captured.data):
        try:
            target = job.artifact(f"streams/{name}.txt", "text/plain")
        except UsageError:
            facts.warnings.append(f"{name} is longer than the facts hold, and the job has no output folder")
        else:
            target.write_bytes(captured.data)
            stream.artifact = f"streams/{name}.txt"
    return text, stream
