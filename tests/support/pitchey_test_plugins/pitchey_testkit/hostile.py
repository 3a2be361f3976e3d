"""Processors that behave as badly as they can."""

from __future__ import annotations

import os
import queue
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from pydantic import Field, computed_field

from pitchey_core.context import JobContext
from pitchey_core.errors import PartialFailure
from pitchey_core.isolation import SandboxPolicy
from pitchey_core.isolation.interpreter import python_program
from pitchey_core.payload import Positional
from pitchey_core.processor import Processor
from pitchey_testkit.traces import TestFacts, TestPayload, leave_trace

__all__ = ["Daemon", "Flood", "Hog", "Leftover", "Mischief", "Spin"]

_MIB = 1024 * 1024


class SpinPayload(TestPayload):
    deaf: bool = Field(False, description="Block every signal that can be blocked")


class Spin(Processor[SpinPayload, TestFacts]):
    """Never returns to the interpreter: one regular expression that takes longer than the sun will shine."""

    def process(self, payload: SpinPayload, job: JobContext) -> TestFacts:
        leave_trace(payload, job)
        if payload.deaf:
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        re.match(r"(a+)+$", "a" * 100 + "b")
        return TestFacts(attempt=job.attempt)


class HogPayload(TestPayload):
    mib: Annotated[int, Positional()] = Field(256, ge=1, description="Memory to take and touch, in MiB")
    seconds: float = Field(0.0, ge=0, description="How long to keep it")


class Hog(Processor[HogPayload, TestFacts]):
    """Takes memory, 16 MiB at a time."""

    def process(self, payload: HogPayload, job: JobContext) -> TestFacts:
        leave_trace(payload, job)
        kept = []
        for taken in range(0, payload.mib, 16):
            job.progress(taken / payload.mib, f"{taken} MiB")
            kept.append(os.urandom(4096) * (min(16, payload.mib - taken) * 256))
            time.sleep(0.005)
        time.sleep(payload.seconds)
        return TestFacts(attempt=job.attempt)


class DaemonPayload(TestPayload):
    pid_file: str = Field(description="Where the daemon writes its process id")
    seconds: float = Field(600.0, ge=0, description="How long the daemon lives")
    wait: float = Field(0.0, ge=0, description="How long the job itself goes on, in seconds")
    busy: float = Field(0.0, ge=0, description="CPU time that the daemon uses first, in seconds")
    mib: int = Field(0, ge=0, description="Memory that the daemon takes, in MiB")


class Daemon(Processor[DaemonPayload, TestFacts]):
    """Leaves a process behind that has its own session, no parent, and every descriptor of the slot."""

    def process(self, payload: DaemonPayload, job: JobContext) -> TestFacts:
        leave_trace(payload, job)
        child = os.fork()
        if child == 0:
            _become_daemon(payload)
        os.waitpid(child, 0)
        deadline = time.monotonic() + 10
        while not Path(payload.pid_file).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(payload.wait)
        return TestFacts(attempt=job.attempt)


def _become_daemon(payload: DaemonPayload) -> NoReturn:
    try:
        os.setsid()
        if os.fork() == 0:
            for ignored in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(ignored, signal.SIG_IGN)
            kept = os.urandom(4096) * (payload.mib * 256)
            while time.process_time() < payload.busy:
                pass
            target = Path(payload.pid_file)
            temporary = target.with_name(target.name + ".tmp")
            temporary.write_text(str(os.getpid()))
            temporary.replace(target)
            time.sleep(payload.seconds)
            del kept
    finally:
        os._exit(0)


class LeftoverPayload(TestPayload):
    by: Annotated[Literal["nobody", "before", "after", "orphan", "thread", "dead"], Positional()] = Field(
        description="Who leaves a process beside the launcher of sandboxes"
    )


class LeftoverFacts(TestFacts):
    left: int | None = None


class Leftover(Processor[LeftoverPayload, LeftoverFacts]):
    """Runs a program in a sandbox, and leaves a process of its own behind."""

    def process(self, payload: LeftoverPayload, job: JobContext) -> LeftoverFacts:
        leave_trace(payload, job)
        facts = LeftoverFacts()
        if payload.by == "before":
            facts.left = _sleeper()
        job.sandbox(python_program("main.py"), SandboxPolicy(), files={"main.py": b"pass"})
        match payload.by:
            case "after":
                facts.left = _sleeper()
            case "dead":
                facts.left = _sleeper(0)
            case "orphan":
                reading, writing = os.pipe()
                if (child := os.fork()) == 0:
                    os.write(writing, str(_sleeper()).encode())
                    os._exit(0)
                os.waitpid(child, 0)
                facts.left = int(os.read(reading, 64))
            case "thread":
                done: queue.Queue[int] = queue.Queue()
                threading.Thread(target=lambda: (done.put(_sleeper()), time.sleep(30)), daemon=True).start()
                facts.left = done.get()
            case _:
                pass
        return facts


def _sleeper(seconds: float = 1000) -> int:
    if (pid := os.fork()) == 0:
        time.sleep(seconds)
        os._exit(0)
    return pid


class FloodPayload(TestPayload):
    mib: Annotated[int, Positional()] = Field(16, ge=1, description="How much to print, in MiB")
    stream: Literal["stdout", "stderr", "both"] = Field("both", description="Where")


class Flood(Processor[FloodPayload, TestFacts]):
    """Prints a lot, past Python's own buffers too."""

    def process(self, payload: FloodPayload, job: JobContext) -> TestFacts:
        leave_trace(payload, job)
        numbers = {"stdout": [1], "stderr": [2], "both": [1, 2]}[payload.stream]
        line = b"x" * 1023 + b"\n"
        for number in numbers:
            for _ in range(payload.mib):
                for _ in range(_MIB // len(line)):
                    os.write(number, line)
        sys.stdout.write("the end\n")
        return TestFacts(attempt=job.attempt)


class MischiefPayload(TestPayload):
    what: Annotated[
        Literal[
            "garbage",
            "close-fds",
            "kill-parent",
            "fork-twice",
            "leave-heir",
            "nan-facts",
            "computed-facts",
            "unread-partial-facts",
            "no-json-partial-facts",
            "mute-error",
            "huge-error",
            "system-exit",
            "keyboard-interrupt",
            "block-signals",
            "chdir",
            "progress-threads",
            "odd-progress",
        ],
        Positional(),
    ] = Field(description="Which mischief")


class MischiefFacts(TestFacts):
    number: float = 0.0


class _ComputedFacts(MischiefFacts):
    """Writes a field that it does not read."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> float:
        return 2 * self.number


class _MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("I do not talk")


class Mischief(Processor[MischiefPayload, MischiefFacts]):
    """Misuses its process in one way."""

    def process(self, payload: MischiefPayload, job: JobContext) -> MischiefFacts:  # noqa: C901 - a table
        leave_trace(payload, job)
        match payload.what:
            case "garbage":
                for number in range(3, 64):
                    _write(number, b"\xff" * 4096)
                time.sleep(30)
            case "close-fds":
                os.closerange(3, 64)
            case "kill-parent":
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(30)
            case "fork-twice":
                os.fork()
            case "leave-heir":
                # Who inherits the channel keeps it open when its owner dies.
                if os.fork() == 0:
                    time.sleep(1000)
                os.kill(os.getpid(), signal.SIGKILL)
            case "nan-facts":
                return MischiefFacts(number=float("nan"))
            case "computed-facts":
                return _ComputedFacts()
            case "unread-partial-facts":
                raise PartialFailure("half of it", facts={"pages": 3})
            case "no-json-partial-facts":
                raise PartialFailure("half of it", facts={"number": object()})
            case "mute-error":
                raise _MuteError
            case "huge-error":
                raise RuntimeError("x" * 10_000_000 + "\ud800")
            case "system-exit":
                sys.exit("bye")
            case "keyboard-interrupt":
                raise KeyboardInterrupt
            case "block-signals":
                signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
            case "chdir":
                os.chdir("/proc")
            case "progress-threads":
                _report_from_threads(job)
            case "odd-progress":
                job.progress(0.5, 42, fps=25, speed=float("nan"))  # type: ignore[arg-type]
                time.sleep(1)
        return MischiefFacts()


def _write(number: int, data: bytes) -> None:
    try:
        os.write(number, data)
    except OSError:
        return


def _report_from_threads(job: JobContext) -> None:
    def report() -> None:
        for step in range(200):
            job.progress(step / 200, "y" * 20_000)
            time.sleep(0.001)

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
