"""Runs ``pitchey-run`` as users do: as a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Cli", "Ran"]


@dataclass
class Ran:
    """How a call ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        """The only object on stdout."""
        (line,) = self.lines
        return line

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Cli:
    """The command line in a folder of its own, with its own store."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def command(self, *args: str | bytes | Path) -> list[str | bytes | Path]:
        return [sys.executable, "-m", "pitchey_runner", *args]

    @property
    def env(self) -> dict[str, str]:
        own = {"PITCHEY_STORE": str(self.folder / "jobs.db"), "PITCHEY_DATA_DIR": str(self.folder / "data")}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PITCHEY_")}
        return kept | own | self.environment

    def __call__(self, *args: str | bytes | Path, stdin: bytes = b"", timeout: float = 90) -> Ran:
        done = subprocess.run(
            self.command(*args),
            cwd=self.folder,
            env=self.env,
            input=stdin,
            capture_output=True,
            timeout=timeout,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *args: str | bytes | Path, **options: Any) -> subprocess.Popen[bytes]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(self.command(*args), cwd=self.folder, env=self.env, **pipes)
        self.started.append(process)
        return process

    def close(self) -> None:
        """Kill what a failed test has left running."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()
