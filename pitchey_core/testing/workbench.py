"""Runs jobs of one processor and looks at what they leave: outputs, processes, temporary files."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest

from pitchey_core.host import Host
from pitchey_core.library import arun, run
from pitchey_core.process import TAG_VARIABLE, descendants, processes_with_tag, read_process
from pitchey_core.processor import Result
from pitchey_core.registry import Registry
from pitchey_core.slots import LocalExecutor, Outcome, new_tag
from pitchey_core.storage import STAGING_NAME, discard_stale
from pitchey_core.testing.jobs import ProgressLog

__all__ = ["Interrupted", "Ran", "Workbench"]

_POLL_SECONDS = 0.01
_GONE_SECONDS = 3.0
_SIGN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Ran:
    """A job that has ended.

    Attributes:
        output: The folder that was given for its outputs.
        left: Processes and temporary files that it left behind, in words.
    """

    result: Result[Any]
    output: Path
    progress: ProgressLog
    wall_seconds: float
    left: list[str]


@dataclass(slots=True)
class Interrupted:
    """How a job ended that something was done to.

    Attributes:
        in_time: It was still running when it was done.
        result: What the library call returned; ``None`` where that call was cancelled itself.
        outcome: What the slot told, where the job was run through a slot directly.
    """

    in_time: bool = False
    result: Result[Any] | None = None
    outcome: Outcome | None = None
    wall_seconds: float = 0.0
    left: list[str] = field(default_factory=list)


class Workbench:
    """A place for one test: a folder, a folder for temporary files, and a tag on every process that is started.

    Attributes:
        folder: Of this test alone.
        output: Where jobs write, unless told otherwise.
    """

    def __init__(
        self, folder: Path, processor: str, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.folder = folder
        self.processor = processor
        self.registry = registry
        self.output = folder / "output"
        self._monkeypatch = monkeypatch
        self._temp = folder / "temp"
        self._temp.mkdir()
        outer = os.environ.get(TAG_VARIABLE)
        tag = f"suite-{uuid.uuid4().hex[:12]}"
        self._tag = f"{outer}/{tag}" if outer else tag
        monkeypatch.setenv(TAG_VARIABLE, self._tag)
        monkeypatch.setenv("TMPDIR", os.fspath(self._temp))
        monkeypatch.setenv("PITCHEY_DATA_DIR", os.fspath(folder / "data"))
        monkeypatch.setattr(tempfile, "tempdir", None)

    def set_wall_limit(self, seconds: float) -> None:
        """Change the processor's wall limit as a user would: by a setting."""
        key = self.registry.spec(self.processor).name.upper().replace("-", "_")
        self._monkeypatch.setenv(f"PITCHEY_PROCESSORS__{key}__WALL_LIMIT", str(seconds))

    # -- running ------------------------------------------------------------------------------------------------

    def run(
        self,
        payload: Mapping[str, Any],
        *,
        output: Path | None = None,
        overwrite: bool = False,
        isolation: Literal["process", "none"] = "process",
    ) -> Ran:
        """Run a job to its end. Its error is in ``result.error``; only a wrong call raises."""
        folder = output or self.output
        log = ProgressLog()
        started = time.monotonic()
        result = run(
            self.processor,
            payload,
            output=folder,
            overwrite=overwrite,
            on_progress=log,
            isolation=isolation,
            check=False,
            registry=self.registry,
        )
        return Ran(result, folder, log, time.monotonic() - started, self.left_behind())

    def interrupt(
        self, payload: Mapping[str, Any], act: Callable[[anyio.CancelScope], None], *, after: float
    ) -> Interrupted:
        """Run a job through the library and do something to it once it is underway.

        Args:
            act: Gets the cancel scope that the call runs in.
            after: Seconds from the first sign of work.
        """
        ended = Interrupted()
        log = ProgressLog()
        over = False

        async def job() -> None:
            nonlocal over
            ended.result = await arun(
                self.processor,
                payload,
                output=self.output,
                on_progress=log,
                check=False,
                registry=self.registry,
            )
            over = True

        async def main() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(job)
                await self._underway(log, lambda: over)
                await anyio.sleep(after)
                ended.in_time = not over
                if not over:
                    act(group.cancel_scope)

        self._timed(ended, main)
        return ended

    def cancel(self, payload: Mapping[str, Any], *, after: float, grace_seconds: float) -> Interrupted:
        """Run a job in a slot and cancel it there once it is underway, as the runner does."""
        ended = Interrupted()
        base = self._temp / f"slot-{uuid.uuid4().hex[:8]}"
        host = Host.from_settings(self.registry)
        order = host.order(
            self.processor, payload, job_id=str(uuid.uuid4()), base_dir=base, output=self.output
        )
        log = ProgressLog()

        async def main() -> None:
            slot = await LocalExecutor().open_slot(new_tag("suite"))

            async def job() -> None:
                (ended.outcome,) = await slot.run([order], lambda report: log(report.fraction, None, {}))

            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(job)
                    await self._underway(log, lambda: ended.outcome is not None)
                    await anyio.sleep(after)
                    ended.in_time = ended.outcome is None
                    await slot.cancel(order.key, grace_seconds=grace_seconds)
            finally:
                await slot.close()
            assert ended.outcome is not None
            if ended.outcome.died and order.output is not None:
                discard_stale(order.output, order.key, own=True)
            ended.result = host.conclude(ended.outcome)

        try:
            self._timed(ended, main)
        finally:
            shutil.rmtree(base, ignore_errors=True)
        ended.left = self.left_behind()
        return ended

    def _timed(self, ended: Interrupted, main: Callable[[], Awaitable[None]]) -> None:
        started = time.monotonic()
        anyio.run(main)
        ended.wall_seconds = time.monotonic() - started
        ended.left = self.left_behind()

    async def _underway(self, log: ProgressLog, over: Callable[[], bool]) -> None:
        """Wait for a sign that the processor itself is at work: progress, an output begun, or a program run."""
        staging = self.output / STAGING_NAME
        end = time.monotonic() + _SIGN_SECONDS
        while not over() and time.monotonic() < end:
            worker = self.worker()
            if log.entries or staging.exists() or (worker is not None and descendants(worker)):
                return
            await anyio.sleep(_POLL_SECONDS)

    def worker(self) -> int | None:
        """Process id of the process in which the job runs: the child of our child, the warden."""
        for pid in processes_with_tag(self._tag):
            entry = read_process(pid)
            if entry is not None and entry.ppid == os.getpid():
                below = [read for each in descendants(pid) if (read := read_process(each)) is not None]
                own = [each.pid for each in below if each.ppid == pid and each.alive]
                return min(own, default=None)
        return None

    # -- looking ------------------------------------------------------------------------------------------------

    def left_behind(self) -> list[str]:
        """Processes that are still alive after a moment, and files in the folder for temporary files."""
        end = time.monotonic() + _GONE_SECONDS
        while (alive := processes_with_tag(self._tag)) and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
        processes = [f"process {pid} ({_command(pid)})" for pid in alive]
        files = [
            f"temporary file {path.relative_to(self._temp)}"
            for path in self._temp.rglob("*")
            if path.is_file()
        ]
        return processes + files

    def files(self, output: Path | None = None) -> dict[str, tuple[int, int, bytes]]:
        """Every file below an output folder, staged ones too: inode, modification time (ns) and content."""
        root = output or self.output
        found = {}
        for path in sorted(root.rglob("*")) if root.is_dir() else []:
            if path.is_file():
                status = path.stat()
                found[path.relative_to(root).as_posix()] = (
                    status.st_ino,
                    status.st_mtime_ns,
                    path.read_bytes(),
                )
        return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "gone by now"
