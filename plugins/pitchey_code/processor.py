"""The ``code`` processor: one program, in a sandbox of its own for each run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pitchey_code.facts import CodeFacts, TestResult
from pitchey_code.names import check_name, language_of
from pitchey_code.payload import MAX_SOURCE_BYTES, CodePayload
from pitchey_code.reporting import added, fill, refuse_unbuilt, resources_of, shown, verdict_of
from pitchey_code.runtimes import Runtime, runtime_for
from pitchey_core.errors import InputError, LimitExceeded, UsageError
from pitchey_core.isolation import SandboxPolicy, Verdict
from pitchey_core.process.standstill import Standstill
from pitchey_core.processor import Processor

if TYPE_CHECKING:
    from pitchey_core.context import JobContext
    from pitchey_core.isolation import Program, SandboxReport

__all__ = ["CodeProcessor"]

_MIB: Final = 1024**2
_MARGIN: Final = 2.0
"""Seconds of the job's wall limit that are not the program's: its own timer has to come first."""
_SLOT_BYTES: Final = 128 * _MIB
"""Of the job's memory that the process around the sandbox takes."""
_MAX_INPUT_BYTES: Final = 64 * _MIB
_SHOWN_ANSWER_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A program with all that it is given."""

    runtime: Runtime
    file: str
    files: Mapping[str, bytes]
    stdin: bytes
    policy: SandboxPolicy


class CodeProcessor(Processor[CodePayload, CodeFacts]):
    """Runs programs; see :class:`~pitchey_code.payload.CodePayload`."""

    def process(self, payload: CodePayload, job: JobContext) -> CodeFacts:
        """Run a program, or test it, or only parse it. How it ends is data: the job is completed.

        Raises:
            UsageError: It asks for more than the job may use, or two of its files have one name.
            LimitExceeded: An input is too large, or the tests took all the time of the job.
            InputError: The source or a file cannot be read, or is not fit to be run.
            ToolMissing: This host has nothing that runs the language.
            PitcheyError: A wall that has to stand cannot be built here; the program was not run.
        """
        prepared = _prepare(payload, job)
        facts = CodeFacts(
            verdict="ok",
            language=payload.language or language_of(prepared.file) or "",
            runtime=prepared.runtime.name,
            isolated=payload.isolation,
        )
        if payload.isolation == "none":
            facts.warnings.append(
                "the program ran with nothing around it, with all rights of the runner's owner"
            )
        job.progress(0.0, f"{'checking' if payload.checks else 'running'} {prepared.file}")
        if payload.checks:
            _check(prepared, facts, job)
        elif payload.tests:
            _test(payload, prepared, facts, job)
        else:
            _run(payload, prepared, facts, job)
        job.progress(1.0, f"verdict {facts.verdict}")
        return facts


def _run(payload: CodePayload, prepared: _Prepared, facts: CodeFacts, job: JobContext) -> None:
    collect = None
    if payload.outputs:
        collect = job.workdir / "collected"
        collect.mkdir()
    report = job.sandbox(
        prepared.runtime.program(prepared.file, payload.args, prepared.policy.memory_bytes),
        prepared.policy,
        stdin=prepared.stdin,
        files=prepared.files,
        outputs=payload.outputs,
        collect=collect,
    )
    _take(facts, report)
    facts.verdict = verdict_of(report)
    fill(facts, report, job)


def _take(facts: CodeFacts, report: SandboxReport) -> None:
    refuse_unbuilt(report)
    facts.isolation = dict(report.isolation)


def _test(payload: CodePayload, prepared: _Prepared, facts: CodeFacts, job: JobContext) -> None:
    program = prepared.runtime.program(prepared.file, payload.args, prepared.policy.memory_bytes)
    limit = job.limits.wall_seconds
    deadline = None if limit is None else time.monotonic() + limit - _MARGIN
    standstill = Standstill()
    for number, case in enumerate(payload.tests, 1):
        left = prepared.policy.wall_seconds if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise _late(number - 1, payload, job)
        policy = replace(prepared.policy, wall_seconds=min(prepared.policy.wall_seconds, left))
        report = job.sandbox(program, policy, stdin=_bytes(case.stdin), files=prepared.files)
        _take(facts, report)
        verdict = verdict_of(report)
        if verdict == "timeout-wall" and policy.wall_seconds < prepared.policy.wall_seconds:
            raise _late(number - 1, payload, job)
        right = verdict == "ok" and _same(report.stdout.data, _bytes(case.expected_stdout))
        usage = resources_of(report)
        if deadline is not None:
            # Its own limit does not run either while the job is paused.
            deadline += standstill.lasted(usage.wall_seconds)
        answer = None if right else shown(report.stdout.data, _share(len(payload.tests)))[0]
        facts.tests.append(
            TestResult(number=number, passed=right, verdict=verdict, stdout=answer, usage=usage)
        )
        facts.usage = added(facts.usage, usage)
        facts.passed += right
        if verdict != "ok" and facts.verdict == "ok":
            # What went wrong first is shown whole.
            facts.verdict = verdict
            facts.exit_status = report.exit_status
            facts.stderr = shown(report.stderr.data, 8 * _SHOWN_ANSWER_BYTES)[0]
            facts.detail = report.detail
        job.progress(number / (len(payload.tests) + 1), f"{facts.passed} of {number} tests passed")


def _late(done: int, payload: CodePayload, job: JobContext) -> LimitExceeded:
    """That the job is at its end is no fault of the program."""
    return LimitExceeded(
        f"{done} of {len(payload.tests)} tests took the {job.limits.wall_seconds:g} s of the job",
        limit="wall",
        remedy="raise the job's limit (--wall-limit), or lower timeout",
    )


def _bytes(text: str) -> bytes:
    """As JSON may hold halves of surrogate pairs."""
    return text.encode("utf-8", "surrogatepass")


def _share(tests: int) -> int:
    """Most bytes of each wrong answer, so that those of all tests fit the facts."""
    return min(_SHOWN_ANSWER_BYTES, 64 * 1024 // tests)


def _same(answer: bytes, expected: bytes) -> bool:
    def plain(text: bytes) -> list[bytes]:
        return [line.rstrip() for line in text.rstrip().splitlines()]

    return plain(answer) == plain(expected)


def _check(prepared: _Prepared, facts: CodeFacts, job: JobContext) -> None:
    facts.ran = False
    for parser in prepared.runtime.parsers(prepared.file):
        _parse(parser, prepared, facts, job)
        if facts.verdict != "ok":
            return


def _parse(parser: Program, prepared: _Prepared, facts: CodeFacts, job: JobContext) -> None:
    runtime = prepared.runtime
    report = job.sandbox(parser, prepared.policy, files={**prepared.files, **runtime.parser_files})
    _take(facts, report)
    facts.usage = added(facts.usage, resources_of(report))
    facts.verdict = verdict_of(report)
    if report.verdict not in {Verdict.OK, Verdict.RUNTIME_ERROR}:
        facts.detail = report.detail
        return
    try:
        facts.syntax = runtime.findings(report)
    except (ValueError, KeyError, TypeError):
        facts.detail = "the parser gave no answer"
        facts.stderr = shown(report.stderr.data, 8 * _SHOWN_ANSWER_BYTES)[0]
        facts.verdict = "runtime-error"
    else:
        facts.verdict = "runtime-error" if facts.syntax else "ok"


def _prepare(payload: CodePayload, job: JobContext) -> _Prepared:
    files = {name: _bytes(content) for name, content in payload.files.items()}
    for url in payload.inputs:
        path = job.fetch(url)
        _add(files, path.name, _content(path, "input"))
    name, source = _source(payload, job)
    language = payload.language or language_of(name) or ""
    runtime = runtime_for(language, job, isolated=payload.isolation == "full")
    if language_of(name) != language:
        name = f"main{runtime.suffix}"
    _add(files, name, source)
    stdin = _bytes(payload.stdin)
    if payload.stdin_file is not None:
        stdin = _content(job.fetch(payload.stdin_file), "stdin_file")
    return _Prepared(runtime, name, files, stdin, _policy(payload, job, runtime))


def _add(files: dict[str, bytes], name: str, content: bytes) -> None:
    try:
        check_name(name)
    except ValueError as error:
        raise InputError(str(error), remedy="rename it") from None
    if name in files:
        raise UsageError(f"two files of the program are named {name!r}", remedy="rename one of them")
    files[name] = content


def _content(path: Path, what: str) -> bytes:
    size = path.stat().st_size
    if size > _MAX_INPUT_BYTES:
        raise LimitExceeded(
            f"{what} {path.name!r} has {size} bytes; the most is {_MAX_INPUT_BYTES}",
            limit="input",
            remedy="give the program a smaller file",
        )
    return path.read_bytes()


def _source(payload: CodePayload, job: JobContext) -> tuple[str, bytes]:
    if payload.code_url is None:
        assert payload.code is not None
        return "main", payload.code.encode()
    path = job.fetch(payload.code_url)
    if path.stat().st_size > MAX_SOURCE_BYTES:
        raise InputError(
            f"source {path.name!r} has {path.stat().st_size} bytes; the most is {MAX_SOURCE_BYTES}",
            remedy="give data as inputs",
        )
    source = path.read_bytes()
    if b"\0" in source:
        what = " (it looks like UTF-16)" if source[:2] in {b"\xff\xfe", b"\xfe\xff"} else ""
        raise InputError(
            f"source {path.name!r} has a NUL at byte {source.index(0)}{what}", remedy="save it as UTF-8"
        )
    return path.name, source.removeprefix(b"\xef\xbb\xbf")


def _timeout(payload: CodePayload, job: JobContext) -> float:
    """Seconds of the program, shorter than those of the job."""
    wall = job.limits.wall_seconds
    if wall is None or payload.timeout <= wall - _MARGIN:
        return payload.timeout
    words = f"but the job may run for {wall:g} s, {_MARGIN:g} s of which are not the program's"
    if "timeout" in payload.model_fields_set:
        raise UsageError(
            f"timeout is {payload.timeout:g} s, {words}",
            remedy=f"lower timeout, or give the job more: --wall-limit {payload.timeout + _MARGIN:g}",
        )
    if wall <= _MARGIN:
        raise LimitExceeded(f"a program needs time, {words}", limit="wall", remedy="raise --wall-limit")
    return wall - _MARGIN


def _policy(payload: CodePayload, job: JobContext, runtime: Runtime) -> SandboxPolicy:
    memory = job.limits.memory_bytes
    memory_bytes = payload.memory_limit * _MIB
    timeout = _timeout(payload, job)
    if memory is not None and memory_bytes > memory - _SLOT_BYTES:
        raise UsageError(
            f"memory_limit is {payload.memory_limit} MiB, but the job may use {memory // _MIB} MiB, "
            f"{_SLOT_BYTES // _MIB} MiB of which are not the program's",
            remedy="lower memory_limit, or take a larger instance type (--instance-type standard-1)",
        )
    limits = SandboxPolicy(
        wall_seconds=timeout,
        cpu_seconds=payload.cpu_time,
        memory_bytes=memory_bytes,
        address_space_bytes=runtime.address_space(memory_bytes),
        processes=payload.max_processes,
        stdout_bytes=payload.max_output_bytes,
        stderr_bytes=payload.max_output_bytes,
    )
    if payload.isolation == "none":
        return replace(limits, layers=frozenset(), required=frozenset())
    return limits
