"""What a processor sees of the world while it works on a job."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pitchey_core.errors import Cancelled, InputError, UsageError
from pitchey_core.order import JobOrder
from pitchey_core.process import Completed, ProcessLimits, run
from pitchey_core.resources import Limits
from pitchey_core.storage import FetchPolicy, Stage, fetch, to_path

if TYPE_CHECKING:
    from pitchey_core.hooks import CatalogEntry
    from pitchey_core.isolation import Program, SandboxPolicy, SandboxReport
    from pitchey_core.registry import Registry
    from pitchey_core.tools import ToolTable

__all__ = ["AsyncJobContext", "Execute", "JobContext", "Progress"]

Progress = Callable[[float | None, str | None, dict[str, Any]], None]
"""Takes the fraction done (0 to 1, or ``None``), a message and further figures (fps, speed, eta_seconds, …)."""

Execute = Callable[..., Completed]

_PROGRESS_INTERVAL: Final = 0.1
_UNSET: Final = object()
_logger = cache(logging.getLogger)
T = TypeVar("T")


class JobContext:
    """A job's access to its inputs, outputs, tools and limits.

    The runner, :func:`pitchey_core.run` and the test kit build it; processors receive it.

    Attributes:
        job_id: UUID of the job.
        attempt: Number of this attempt, from 1.
        claim: Fencing token. It rises with each attempt; hand it to external services that should ignore the
            writes of an attempt that was given up for dead.
        limits: What this attempt may use.
        log: Writes to the attempt's log (``pitchey-run logs ID``).
        options: The plugin's table in the settings (``plugins.NAME``).
    """

    def __init__(
        self,
        order: JobOrder,
        *,
        registry: Callable[[], Registry],
        report: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
        log: logging.Logger | None = None,
    ) -> None:
        self.job_id = order.job_id
        self.attempt = order.attempt
        self.claim = order.claim_seq
        self.limits: Limits = order.limits
        self.options: Mapping[str, Any] = order.options
        self.log = log or _logger(f"pitchey.job.{order.spec.name}")
        self.bytes_in = 0
        self.children_peak_bytes = 0
        self.sandbox_cpu_us = 0
        self._order = order
        self._registry = registry
        self._report = report
        self._cancelled = cancelled or (lambda: False)
        self._reported_at = 0.0
        self._stage: Stage | None = None
        self._fetched: dict[str, Path] = {}
        self._used_workdir = False

    # -- control ------------------------------------------------------------------------------------------------

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for the job to stop. A processor that ignores it is killed after a grace time."""
        return self._cancelled()

    def check(self) -> None:
        """Raise :class:`~pitchey_core.errors.Cancelled` if the job was cancelled; for long loops."""
        if self.cancelled:
            raise Cancelled(f"job {self.job_id} was cancelled")

    @property
    def threads(self) -> int:
        """Threads that the job should start: its vCPUs, at least one, at most those of the host."""
        return min(self.limits.threads, len(os.sched_getaffinity(0)))

    def progress(self, fraction: float | None, message: str | None = None, **figures: Any) -> None:
        """Report progress, and stop here if the job was cancelled.

        Args:
            fraction: Done so far, 0 to 1; ``None`` if that cannot be told.
            message: What is going on, in a few words.
            figures: Further numbers, for example ``fps``, ``speed`` and ``eta_seconds``; what is not finite is left
                out.

        Raises:
            Cancelled: The job was cancelled.
            TypeError, ValueError: The fraction or a figure is no number.
        """
        self.check()
        done = _finite(fraction)
        numbers = {name: each for name, value in figures.items() if (each := _finite(value)) is not None}
        now = time.monotonic()
        if self._report is None or (now - self._reported_at < _PROGRESS_INTERVAL and fraction not in {0, 1}):
            return
        self._reported_at = now
        words = None if message is None else str(message)
        self._report(None if done is None else min(max(done, 0.0), 1.0), words, numbers)

    # -- files --------------------------------------------------------------------------------------------------

    @cached_property
    def workdir(self) -> Path:
        """An empty folder for this attempt alone; it is removed after the attempt."""
        self._used_workdir = True
        self._order.workdir.mkdir(parents=True, exist_ok=True)
        return self._order.workdir

    @cached_property
    def scratch(self) -> Path:
        """A folder that a later attempt of the same job, by the same version of the plugin, finds as it was left."""
        self._order.scratch_dir.mkdir(parents=True, exist_ok=True)
        return self._order.scratch_dir

    def fetch(self, url: str) -> Path:
        """The local path of an input, downloaded if it has to be. What may be fetched is the host's policy.

        Raises:
            InputError: It is missing, unreadable, empty, not a file, or the policy forbids it.
            TransientError: The network failed.
        """
        if url not in self._fetched:
            self._used_workdir = True
            into = self._order.workdir / "inputs"
            fetched = fetch(url, into, policy=self.fetch_policy, cancelled=self._cancelled)
            self.bytes_in += fetched.bytes
            self._fetched[url] = fetched.path
        return self._fetched[url]

    @property
    def fetch_policy(self) -> FetchPolicy:
        """What this job may fetch, for processors that read from a service of their own."""
        return FetchPolicy.from_record(self._order.fetch_policy)

    def artifact(self, name: str, media_type: str) -> Path:
        """Where to write an output. It becomes visible under ``name`` after the job, together with all others.

        Args:
            name: Relative, ``/`` between parts, without ``..``.
            media_type: For example ``video/mp4``.

        Raises:
            OutputExists: It is there already and the job may not overwrite it.
            InputError: The name is not allowed, taken by another output of this job, or it is one of its inputs.
        """
        self._spare_inputs(name)
        return self.stage.path(name, media_type)

    def _spare_inputs(self, name: str) -> None:
        """Refuse to replace what was fetched, whatever may be overwritten."""
        folder = None if self._order.output is None else to_path(self._order.output)
        if folder is None:
            return
        for path in self._fetched.values():
            with contextlib.suppress(OSError):
                if path.samefile(folder / name):
                    raise InputError(
                        f"the output {name!r} would replace the input {str(path)!r}",
                        remedy="choose another output folder, or another name for the output",
                    )

    @property
    def stage(self) -> Stage:
        """The staging area behind :meth:`artifact`."""
        if self._stage is None:
            if self._order.output is None:
                raise UsageError(
                    f"processor {self._order.spec.name!r} writes files, but the job has no output folder",
                    remedy="give one: output='out/' or -o out/",
                )
            self._used_workdir = True
            self._stage = Stage(
                self._order.output,
                self._order.key,
                overwrite=self._order.overwrite,
                workdir=self._order.workdir,
            )
        return self._stage

    @property
    def has_artifacts(self) -> bool:
        return self._stage is not None

    def discard(self) -> None:
        """Remove the work folder and everything staged."""
        if self._stage is not None:
            self._stage.discard()
        if self._used_workdir:
            shutil.rmtree(self._order.workdir, ignore_errors=True)

    def checkpoint(self, key: str, value: Any = _UNSET) -> Any:
        """Keep (with ``value``) or read (without) JSON data that survives a killed attempt.

        ``None`` is returned for a key that was never written, or whose file is damaged.
        """
        if not key or not all(ch.isalnum() or ch in "-_." for ch in key):
            raise ValueError(f"checkpoint key {key!r}: only letters, digits, '-', '_' and '.'")
        path = self.scratch / f"{key}.checkpoint.json"
        if value is _UNSET:
            try:
                return json.loads(path.read_bytes())
            except (FileNotFoundError, ValueError):
                return None
        with tempfile.NamedTemporaryFile("w", dir=self.scratch, suffix=".tmp", delete=False) as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)
        return value

    # -- programs -----------------------------------------------------------------------------------------------

    def tool(self, name: str) -> Path:
        """Path of an external program.

        Raises:
            ToolMissing: It is not on this host; the remedy installs it.
        """
        return self._tools.path(name)

    @cached_property
    def _tools(self) -> ToolTable:
        from pitchey_core.tools import ToolTable

        return ToolTable(self._registry().tools, self._order.tools)

    def catalog(self, kind: str) -> Mapping[str, CatalogEntry]:
        """What the installed plugins offer of a kind, by name: presets, models. Load one with ``load_target``."""
        return {name: each.spec for name, each in self._registry().catalog(kind).items()}

    def run(
        self,
        tool: str,
        args: Sequence[str | bytes | os.PathLike[str]],
        *,
        wall_seconds: float | None = None,
        limits: ProcessLimits | None = None,
        **options: Any,
    ) -> Completed:
        """Run an external program of the tools table: no shell, clean environment, limits, whole tree killed.

        Args:
            tool: Name in the tools table.
            args: Arguments, without the program itself.
            wall_seconds: Limit for this program; the job's own limit holds in any case.
            limits: Further limits; the job's memory limit is filled in.
            options: As for :func:`pitchey_core.process.run`: ``cwd``, ``env``, ``stdin``, ``stdout``,
                ``on_stdout``, ``on_stderr``, ``check``.

        Raises:
            ToolMissing, ToolFailed, LimitExceeded, Cancelled, OutOfSpace: As their names say.
        """
        self.check()
        given = limits or ProcessLimits()
        given = replace(
            given,
            wall_seconds=wall_seconds or given.wall_seconds or self.limits.wall_seconds,
            memory_bytes=given.memory_bytes or self.limits.memory_bytes,
            file_bytes=given.file_bytes or self.limits.output_bytes,
        )
        completed = run(
            [self.tool(tool), *args],
            tool=tool,
            limits=given,
            cancelled=self._cancelled,
            **{"cwd": self.workdir, **options},
        )
        self._count(completed)
        return completed

    def isolate(
        self,
        function: Callable[..., Any],
        *args: Any,
        limits: ProcessLimits | None = None,
        on_item: Callable[[Any], None] | None = None,
    ) -> Any:
        """Call a function in a disposable process without network, for hostile input.

        Args:
            function: A module-level function; it is imported by name in the other process.
            args: JSON data; so is the return value.
            limits: Default: 60 s wall, the job's memory.
            on_item: The function is a generator, and this takes each item (JSON data of at most 60 KiB) as it comes,
                so that what was done before a crash is not lost. The return value is the generator's.

        Raises:
            LimitExceeded: It ran too long or grew too large.
            PitcheyError: What the function raised, or, where it crashed, :class:`SlotCrashed`.
        """
        from pitchey_core.isolation import call_isolated

        module = importlib.import_module(function.__module__)
        if getattr(module, function.__qualname__, None) is not function:
            raise ValueError(f"{function!r} is not a module-level function")
        self.check()
        return call_isolated(
            f"{function.__module__}:{function.__qualname__}",
            args,
            limits=limits or ProcessLimits(wall_seconds=60.0, memory_bytes=self.limits.memory_bytes),
            cancelled=self._cancelled,
            on_item=on_item,
            on_completed=self._count,
            temporary=self.workdir,
        )

    def sandbox(self, program: Program, policy: SandboxPolicy, **options: Any) -> SandboxReport:
        """Run untrusted code in the sandbox of this slot; see :meth:`pitchey_core.isolation.Sandbox.run`.

        Args:
            options: As there: ``stdin``, ``files``, ``outputs``, ``collect``.

        Raises:
            Cancelled, InputError: As there.
        """
        from pitchey_core.isolation.shared import shared_sandbox

        self.check()
        report = shared_sandbox().run(program, policy, cancelled=self._cancelled, **options)
        self.children_peak_bytes = max(self.children_peak_bytes, report.usage.peak_memory_bytes)
        self.sandbox_cpu_us += report.usage.cpu_us
        return report

    def _count(self, completed: Completed) -> None:
        """Note how much memory a child process had; its CPU time the kernel counts."""
        self.children_peak_bytes = max(self.children_peak_bytes, completed.peak_memory_bytes)


class AsyncJobContext:
    """The same job for an ``async def process``: the same names, and what can block is awaited."""

    def __init__(self, job: JobContext) -> None:
        self._job = job

    def __getattr__(self, name: str) -> Any:
        return getattr(self._job, name)

    async def fetch(self, url: str) -> Path:
        """See :meth:`JobContext.fetch`."""
        return await _in_thread(partial(self._job.fetch, url))

    async def run(
        self, tool: str, args: Sequence[str | bytes | os.PathLike[str]], **options: Any
    ) -> Completed:
        """See :meth:`JobContext.run`."""
        return await _in_thread(partial(self._job.run, tool, args, **options))

    async def isolate(
        self,
        function: Callable[..., Any],
        *args: Any,
        limits: ProcessLimits | None = None,
        on_item: Callable[[Any], None] | None = None,
    ) -> Any:
        """See :meth:`JobContext.isolate`; ``on_item`` is called in another thread."""
        return await _in_thread(partial(self._job.isolate, function, *args, limits=limits, on_item=on_item))

    async def sandbox(self, program: Program, policy: SandboxPolicy, **options: Any) -> SandboxReport:
        """See :meth:`JobContext.sandbox`."""
        return await _in_thread(partial(self._job.sandbox, program, policy, **options))


def _finite(value: float | None) -> float | None:
    number = None if value is None else float(value)
    return number if number is not None and math.isfinite(number) else None


async def _in_thread(call: Callable[[], T]) -> T:
    import anyio.to_thread

    # Not abandoned on cancellation: the call itself polls the flag and takes its process tree down with it.
    return await anyio.to_thread.run_sync(call)
