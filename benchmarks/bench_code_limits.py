"""How late is a program stopped, and what does a flood of output cost whoever reads it?"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from harness import Bench, at_most, expect, run_benchmark

from pitchey_core.isolation import Sandbox, SandboxPolicy, Verdict
from pitchey_core.isolation.interpreter import python_program

WALL_SECONDS = 0.5
CALLS_PER_ROUND = 5
FLOOD_BYTES = 10 * 10**9
SMALL_FLOOD_BYTES = 2 * 10**8
"""Where there is one round only, to see that it works."""

_SLEEPING = b"import time\ntime.sleep(60)"
_SPINNING = b"import os\nfor _ in range(3): os.fork()\nwhile True: pass"
_FLOODING = (
    b"import os, sys\nblock = b'x' * 65536\nfor _ in range(int(sys.argv[1]) // 65536): os.write(1, block)"
)


def measure(bench: Bench) -> None:
    with Sandbox() as sandbox:
        late = {
            "asleep": (_SLEEPING, bench.compare(
                "end after a wall limit, asleep", against="the limit", unit="s", by="difference", goal=at_most(0.1)
            )),
            "spinning": (_SPINNING, bench.compare(
                "the same, 8 processes spinning", against="the limit", unit="s", by="difference", goal=at_most(0.1)
            )),
        }  # fmt: skip
        growth = bench.compare(
            "memory of the reader, after a flood",
            against="before",
            unit="MB",
            by="difference",
            goal=at_most(5 * 1.048576),
        )
        _flood(sandbox, SMALL_FLOOD_BYTES // 10)
        for number in bench.rounds():
            for source, row in late.values():
                for _ in range(CALLS_PER_ROUND):
                    row.add(_wall(sandbox, source), WALL_SECONDS)
            size = SMALL_FLOOD_BYTES if number == 0 else FLOOD_BYTES
            before, most = _flood(sandbox, size)
            growth.add(most / 1e6, before / 1e6)
        bench.fact("floods", f"{SMALL_FLOOD_BYTES:,} bytes in the first round, {FLOOD_BYTES:,} in all others")


def _wall(sandbox: Sandbox, source: bytes) -> float:
    began = time.perf_counter()
    report = sandbox.run(
        python_program("main.py"), SandboxPolicy(wall_seconds=WALL_SECONDS), files={"main.py": source}
    )
    took = time.perf_counter() - began
    expect(report.verdict is Verdict.TIMEOUT_WALL, f"the verdict is {report.verdict}")
    return took


def _flood(sandbox: Sandbox, size: int) -> tuple[int, int]:
    """Resident memory of this process before, and the most of it during, a flood that is thrown away."""
    policy = SandboxPolicy(wall_seconds=300, stdout_bytes=65536, discard_output=True)
    before = most = _resident()
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, _resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        report = sandbox.run(python_program("main.py", [str(size)]), policy, files={"main.py": _FLOODING})
    finally:
        done.set()
        watcher.join()
    expect(report.verdict is Verdict.OK, f"the verdict is {report.verdict}: {report.detail}")
    expect(report.stdout.total == size // 65536 * 65536, f"{report.stdout.total} bytes were counted")
    expect(len(report.stdout.data) == 65536, "it kept more than it should")
    return before, max(most, _resident())


def _resident() -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


if __name__ == "__main__":
    run_benchmark("limits of sandboxed programs", measure)
