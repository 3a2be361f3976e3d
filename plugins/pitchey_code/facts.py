"""What a ``code`` job reports."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from pitchey_core.processor import Facts

__all__ = ["CodeFacts", "Finding", "Refused", "Resources", "Stream", "TestResult"]

VerdictName = Literal[
    "ok", "runtime-error", "signal", "timeout-cpu", "timeout-wall", "memory", "output-limit"
]


class Resources(BaseModel):
    """What all processes of the program used together: seconds, seconds, bytes."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0


class Stream(BaseModel):
    """What became of standard output or standard error.

    Attributes:
        bytes: Written by the program, as far as they were read.
        truncated: Whether the program wrote more than was kept.
        shown_bytes: How many of them stand in the facts; undecodable ones are replaced there.
        artifact: Name of the artifact with all that was kept, where it is too long for the facts.
    """

    bytes: int = 0
    truncated: bool = False
    shown_bytes: int = 0
    artifact: str | None = None


class Refused(BaseModel):
    """A file that the outputs ask for and that was not collected."""

    name: str
    reason: str


class TestResult(BaseModel):
    """How one test ended.

    Attributes:
        number: From 1, in the order of the payload.
        stdout: What the program answered, if that was wrong; the beginning of it.
    """

    __test__ = False

    number: int
    passed: bool
    verdict: VerdictName
    stdout: str | None = None
    usage: Resources = Resources()


class Finding(BaseModel):
    """Where a source cannot be parsed. Line and column count from 1; 0 where the parser does not say."""

    line: int
    column: int
    message: str


class CodeFacts(Facts):
    """Facts of a ``code`` job.

    Attributes:
        verdict: How the program ended. With tests: the first that is not ``ok``. With ``checks``: that of the parser.
        exit_status, signal: Of its first process; one of them, or none where it was killed for a limit.
        detail: More about the verdict, for people.
        ran: Whether the program was run, or only checked.
        runtime: What ran it.
        stdout, stderr: What it wrote, or the beginning of it; see ``captured``.
        files: Names of the artifacts collected from its folder.
        refused: What the outputs ask for and what is not fit to be collected.
        usage: Resources of the program, apart from those of the job, which the caller pays.
        isolation: Each layer and limit, with what enforced it, ``off``, or ``not enforced`` and why.
        isolated: ``full``, or ``none``: the program ran as the owner of the runner with nothing around it.
        tests, passed: Results by test, and how many were right.
        syntax: What the parser found.
    """

    verdict: VerdictName
    exit_status: int | None = None
    signal: str | None = None
    detail: str | None = None
    ran: bool = True
    language: str
    runtime: str
    stdout: str = ""
    stderr: str = ""
    captured: dict[str, Stream] = Field(default_factory=dict)
    files: list[str] = Field(default_factory=list)
    refused: list[Refused] = Field(default_factory=list)
    usage: Resources = Resources()
    isolation: dict[str, str] = Field(default_factory=dict)
    isolated: Literal["full", "none"] = "full"
    tests: list[TestResult] = Field(default_factory=list)
    passed: int = 0
    syntax: list[Finding] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)

    def in_words(self) -> str:
        """What it wrote, and how it ended if that is not ``ok``; tests and findings one a line."""
        parts = [self._shown("stdout", self.stdout), self._shown("stderr", self.stderr)]
        parts += [f"line {each.line}, column {each.column}: {each.message}" for each in self.syntax]
        parts += [f"{each.name} was not collected: {each.reason}" for each in self.refused]
        if self.tests:
            wrong = ", ".join(str(each.number) for each in self.tests if not each.passed)
            parts.append(
                f"{self.passed} of {len(self.tests)} tests passed" + (f", not {wrong}" if wrong else "")
            )
        if self.verdict != "ok":
            parts.append(f"verdict: {self.verdict}" + (f" ({how})" if (how := self._how()) else ""))
        elif not self.ran:
            parts.append("it can be parsed")
        return "\n".join(part.rstrip("\n") for part in parts if part)

    def _how(self) -> str:
        status = None if self.exit_status is None else f"exit status {self.exit_status}"
        return self.detail or self.signal or status or ""

    def _shown(self, name: str, text: str) -> str:
        stream = self.captured.get(name, Stream())
        return f"{text}…" if stream.truncated or stream.shown_bytes < stream.bytes else text
