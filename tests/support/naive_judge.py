"""Runs attempts as a judge without any wall would: the proof that each of them is one.

The program runs as a plain child with everything inherited, all its output is kept, what it leaves is copied by name.
Only a timer, and the removal of what is left, protect this host; the programs themselves are bounded.
"""

from __future__ import annotations

import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pitchey_core.isolation.attempts import Attempt, Seen, Targets
from pitchey_core.isolation.attempts.attempt import LIMITS
from pitchey_core.isolation.attempts.running import FILES, full_source
from pitchey_core.isolation.report import Verdict

__all__ = ["judge"]


def judge(attempt: Attempt, targets: Targets, *, deno: Path | None = None, wall_seconds: float = 30) -> Seen:
    """What the host sees of an attempt that nothing stops."""
    folder = Path(tempfile.mkdtemp(prefix="naive-"))
    controller, terminal = pty.openpty()
    began = time.monotonic()
    detail = None
    try:
        file = folder / FILES[attempt.language]
        file.write_text(full_source(attempt))
        start = [sys.executable] if attempt.language == "python" else [str(deno), "run", "-A", "--no-check"]
        child = subprocess.Popen(
            [*start, str(file), targets.as_argument(int(LIMITS["processes"]))],
            cwd=folder,
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            close_fds=False,
            start_new_session=True,
        )
        try:
            out, err = child.communicate(timeout=wall_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, err = child.communicate()
        # What shells and their users take a status for.
        verdict = {0: Verdict.OK, 124: Verdict.TIMEOUT_WALL, 137: Verdict.MEMORY}.get(
            child.returncode, Verdict.RUNTIME_ERROR if child.returncode > 0 else Verdict.SIGNAL
        )
        try:
            text = out.decode()
        except UnicodeDecodeError as error:
            text, detail = out.decode("latin-1"), f"the reader crashed: {error}"
        seconds = time.monotonic() - began
        survivors = targets.survivors()
        collected = _collected(folder) if attempt.outputs else {}
        try:
            shutil.rmtree(folder)
        except (OSError, RecursionError) as error:
            detail = f"the cleaner crashed: {type(error).__name__}"
        return Seen(
            verdict=verdict,
            lines=tuple(text.splitlines()),
            kept_bytes=len(out) + len(err),
            collected=collected,
            refused={},
            seconds=seconds,
            survivors=len(survivors),
            token=targets.token,
            delivered=targets.reached(),
            detail=detail or err.decode("utf-8", "replace")[-300:],
        )
    finally:
        for pid in targets.survivors():
            os.kill(pid, signal.SIGKILL)
        os.close(controller)
        os.close(terminal)
        subprocess.run(["rm", "-rf", str(folder)], check=False)


def _collected(folder: Path) -> dict[str, bytes]:
    """Copies by name, as long as a swap may still be going on."""
    found: dict[str, bytes] = {}
    for _ in range(200):
        for path in sorted(folder.iterdir()):
            try:
                if stat.S_ISREG(path.stat().st_mode) and path.stat().st_size < 2**20:
                    found.setdefault(path.name, b"")
                    found[path.name] += path.read_bytes()[:64]
            except OSError:
                continue
    return found
