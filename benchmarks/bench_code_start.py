"""From the start of a program to its result: ``print(1)`` bare, behind ``bwrap``, in our sandbox cold and warm.

``firejail`` and ``sandlock`` (not among our dependencies: ``pip install sandlock``) stand beside them where they
are installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from harness import Bench, at_most, expect, in_turn, run_benchmark
from workbench import workbench

from pitchey_core.isolation import Program, Sandbox, SandboxPolicy
from pitchey_core.isolation.interpreter import python_program
from pitchey_core.process import interpreter
from pitchey_core.registry import Registry
from pitchey_core.tools import ToolTable

CALLS_PER_ROUND = 15
POLICY = SandboxPolicy()
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
SOURCES = {
    "python": "print(1)",
    "javascript": "console.log(1)",
    "typescript": "const x: number = 1; console.log(x)",
}
FILES = {"python": "main.py", "javascript": "main.js", "typescript": "main.ts"}


def measure(bench: Bench) -> None:
    # One for each way: a sandbox prepares ahead what it was asked for last.
    with workbench() as place, Sandbox() as cold, Sandbox() as warm:
        languages = {"python": [interpreter(), "-I", "-S", "-B"], **_deno()}
        for language, start in languages.items():
            file = place.root / FILES[language]
            file.write_text(SOURCES[language])
            _compare(bench, language, start, file, cold, warm)
        for name in ("bwrap", "firejail"):
            if _found(name) is None:
                bench.note(f"{name} is not installed: it is left out")
        if not _sandlock_installed():
            bench.note("sandlock is not installed: it is left out")
        if "javascript" not in languages:
            bench.note("Deno is not installed: JavaScript and TypeScript are left out")
        bench.fact("calls", f"{CALLS_PER_ROUND} of each in every round, in turn; {os.cpu_count()} CPUs")


def _found(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


def _deno() -> dict[str, list[str]]:
    status = ToolTable(Registry.load().tools).probe("deno")
    if status.path is None:
        return {}
    start = [os.path.realpath(status.path), "run", "--no-check", "--quiet", "--no-remote", "--no-prompt"]
    return {"javascript": start, "typescript": start}


def _compare(
    bench: Bench, language: str, start: list[str], file: Path, of_cold: Sandbox, of_warm: Sandbox
) -> None:
    content = {file.name: file.read_bytes()}
    binary = Path(start[0])
    if language == "python":
        cold, warm = python_program(file.name, warm=False), python_program(file.name)
    else:
        cold, warm = Program((*start, file.name), ENVIRONMENT, (binary,)), None
    calls: dict[str, Callable[[], float]] = {
        "bare": partial(_bare, [*start, str(file)]),
        "cold": partial(_ours, of_cold, cold, content),
    }
    if warm is not None:
        calls["warm"] = partial(_ours, of_warm, warm, content)
    for name, words in _others([*start, str(file)]).items():
        calls[name] = partial(_bare, words)
    if _sandlock_installed():
        calls["sandlock"] = partial(_sandlock, [*start, str(file)])
    rows = []
    if "bwrap" in calls:
        goal = at_most(0.003)
        rows.append(
            (
                "cold",
                "bwrap",
                bench.compare(f"{language}, cold", against="bwrap", unit="s", by="difference", goal=goal),
            )
        )
    if warm is not None:
        goal = at_most(0.6)
        rows.append(
            (
                "warm",
                "bare",
                bench.compare("python, warm", against="python -I -S", unit="s", by="ratio", goal=goal),
            )
        )
    rows.append(("cold", "bare", bench.compare(f"{language}, cold", against="bare", unit="s", by="ratio")))
    rows += [
        ("cold", name, bench.compare(f"{language}, cold", against=name, unit="s", by="ratio"))
        for name in ("firejail", "sandlock")
        if name in calls
    ]
    # The first calls fill caches, and start what is warm.
    for call in calls.values():
        call()
    for first in bench.rounds():
        for number in range(first, first + CALLS_PER_ROUND):
            took = dict(zip(calls, in_turn(number, *calls.values()), strict=True))
            for ours, peer, row in rows:
                row.add(took[ours], took[peer])


def _others(command: list[str]) -> dict[str, list[str]]:
    found = {}
    if (bwrap := _found("bwrap")) is not None:
        # All of the host, read-only: cheaper than the list of folders that would be needed.
        walls = [
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
        ]
        found["bwrap"] = [bwrap, *walls, "--dev", "/dev", "--tmpfs", "/dev/shm", *command]
    if (firejail := _found("firejail")) is not None:
        walls = ["--quiet", "--noprofile", "--net=none", "--caps.drop=all", "--seccomp", "--nonewprivs"]
        found["firejail"] = [firejail, *walls, *command]
    return found


def _sandlock_installed() -> bool:
    return importlib.util.find_spec("sandlock") is not None


def _sandlock(command: list[str]) -> float:
    """A library, so its own process does not count, as ours does not: it is called from this one."""
    sandlock = importlib.import_module("sandlock")
    began = time.perf_counter()
    done = sandlock.Sandbox(fs_readable=["/"], env=ENVIRONMENT).run(command)
    took = time.perf_counter() - began
    expect(done.stdout == b"1\n", f"sandlock answers {done}")
    return took


def _bare(command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=ENVIRONMENT)
    took = time.perf_counter() - began
    expect(done.stdout == b"1\n", f"{command[0]} answers {done.stdout!r}: {done.stderr.decode()[-300:]}")
    return took


def _ours(sandbox: Sandbox, program: Program, files: dict[str, bytes]) -> float:
    began = time.perf_counter()
    report = sandbox.run(program, POLICY, files=files)
    took = time.perf_counter() - began
    expect(report.stdout.data == b"1\n", f"the sandbox answers {report}")
    # What it prepares ahead belongs to the pause between two programs, not to the next measurement.
    time.sleep(0.02)
    return took


if __name__ == "__main__":
    run_benchmark("start of a sandboxed program", measure)
