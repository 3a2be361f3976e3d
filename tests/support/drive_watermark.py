"""Drive the installed example plugin as its users would: CLI, batch, ``run()``, cancel and ``kill -9``.

Runs in an environment that holds only the built wheel and the example. Prints one line a check; any failure is an
uncaught exception.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pitchey_core
from pitchey_core.process import descendants, read_process
from pitchey_core.tools import ToolTable

PROGRAM = Path(sys.executable).parent / "pitchey-run"


def say(text: str) -> None:
    print(f"ok: {text}", flush=True)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds} s")


class Driver:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PITCHEY_")},
            "PITCHEY_DATA_DIR": str(root / "data"),
        }
        os.environ["PITCHEY_DATA_DIR"] = str(root / "data")
        self.ffmpeg = ToolTable(pitchey_core.Registry.load().tools).path("ffmpeg")
        self.clip = self.make_clip("clip.mp4", 2, "320x180")

    def make_clip(self, name: str, seconds: int, size: str) -> Path:
        path = self.root / name
        source = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}"]
        subprocess.run(
            [self.ffmpeg, "-v", "error", *source, "-c:v", "libx264", "-preset", "ultrafast", path], check=True
        )
        return path

    def cli(self, *args: str, code: int = 0) -> list[Any]:
        done = subprocess.run(
            [PROGRAM, *args, "--json"],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, f"{args}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    def started(self, *args: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [PROGRAM, *args, "--json"],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def status(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cli("status", job_id)[0]
        return found


def by_command(driver: Driver) -> None:
    (result,) = driver.cli("watermark", "clip.mp4", "--text", "DRAFT", "-o", "out")
    assert result["status"] == "completed"
    assert (driver.root / "out" / result["artifacts"][0]["name"]).stat().st_size > 1000
    driver.cli("watermark", "clip.mp4", "--text", "DRAFT", "-o", "out", code=1)
    driver.cli("stamp", "clip.mp4", "--text", "DRAFT", "-o", "out", "--overwrite")
    driver.cli("watermark", "clip.mp4", "--text", "x", "--position", "botom-right", "-o", "o2", code=2)
    (schema,) = driver.cli("schema", "watermark")
    assert "text" in json.dumps(schema)
    say("pitchey-run watermark, its alias, its schema, its refusals")


def by_batch(driver: Driver) -> None:
    jobs = [
        {"type": "watermark", "payload": {"input_url": "clip.mp4", "text": f"take {n}"}} for n in range(2)
    ]
    jobs.append({"type": "watermark", "payload": {"input_url": "missing.mp4", "text": "x"}})
    file = driver.root / "jobs.jsonl"
    file.write_text("".join(json.dumps(job) + "\n" for job in jobs))
    summary = driver.cli("batch", "jobs.jsonl", "-o", "batch", code=1)[-1]
    assert (summary["completed"], summary["failed"]) == (2, 1), summary
    summary = driver.cli("batch", "jobs.jsonl", "-o", "batch", code=1)[-1]
    assert (summary["completed"], summary["skipped"], summary["failed"]) == (0, 2, 1), summary
    say("a batch, and the same batch resumed")


def by_library(driver: Driver) -> None:
    result = pitchey_core.run(
        "watermark", input_url=driver.clip, text="draft", output=driver.root / "library"
    )
    assert result.facts.width == 320
    say("pitchey_core.run")


def cancelled(driver: Driver, long: Path) -> None:
    job_id = driver.cli("submit", "watermark", str(long), "--text", "x", "-o", "cancelled")[0]["job_id"]
    worker = driver.started("work", "--drain")
    wait_for(lambda: driver.status(job_id)["status"] == "processing", "the start of the job")
    wait_for(lambda: len(descendants(worker.pid)) >= 3, "its ffmpeg")
    below = descendants(worker.pid)
    driver.cli("cancel", job_id)
    wait_for(lambda: driver.status(job_id)["status"] == "cancelled", "the cancellation")
    worker.wait(30)
    wait_for(lambda: not any(alive(pid) for pid in below), "the end of its processes", 3)
    assert (
        not list((driver.root / "cancelled").rglob("*.mp4")) if (driver.root / "cancelled").exists() else True
    )
    say("cancel of a running job")


def killed(driver: Driver) -> None:
    long = driver.make_clip("medium.mp4", 60, "640x360")
    job_id = driver.cli("submit", "watermark", str(long), "--text", "x", "-o", "killed")[0]["job_id"]
    worker = driver.started("work", "--drain")
    wait_for(lambda: len(descendants(worker.pid)) >= 3, "its ffmpeg")
    below = descendants(worker.pid)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    wait_for(lambda: not any(alive(pid) for pid in below), "the end of its processes", 2)
    assert not list((driver.root / "killed").glob("*.mp4"))
    driver.cli("work", "--drain")
    record = driver.status(job_id)
    assert record["status"] == "completed", record
    assert record["lost_count"] == 1, record
    assert list((driver.root / "killed").glob("*.mp4"))
    say("kill -9 of the runner, and completion after a restart")


def alive(pid: int) -> bool:
    entry = read_process(pid)
    return entry is not None and entry.alive


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="pitchey-drive-") as folder:
        driver = Driver(Path(folder))
        by_command(driver)
        by_batch(driver)
        by_library(driver)
        cancelled(driver, driver.make_clip("long.mp4", 300, "640x360"))
        killed(driver)


if __name__ == "__main__":
    main()
