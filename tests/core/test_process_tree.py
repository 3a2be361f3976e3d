"""Walking, measuring and killing process trees."""

from __future__ import annotations

import os
import subprocess
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from pitchey_core.process import (
    boot_id,
    descendants,
    interpreter,
    kill_tree,
    pid_namespace,
    process_start_ticks,
    processes_with_tag,
    read_process,
    scan_processes,
    tree,
    tree_cpu_us,
    tree_memory,
)

FAMILY = """
    import os, sys, time
    for _ in range(3):
        if os.fork() == 0:
            if os.fork() == 0:
                os.setsid()
            break
    print("ready", flush=True)
    time.sleep(60)
"""


@contextmanager
def family(code: str = FAMILY, ready: int = 7) -> Iterator[subprocess.Popen[bytes]]:
    """A running program that prints one line for each of its processes, killed at the end."""
    with subprocess.Popen(
        [interpreter(), "-I", "-S", "-c", textwrap.dedent(code)], stdout=subprocess.PIPE
    ) as root:
        try:
            assert root.stdout is not None
            for _ in range(ready):
                assert root.stdout.readline()
            yield root
        finally:
            kill_tree(root.pid)


def test_descendants_agree_with_psutil_and_with_the_full_scan() -> None:
    with family() as root:
        expected = {child.pid for child in psutil.Process(root.pid).children(recursive=True)}
        assert len(expected) == 6
        assert set(descendants(root.pid)) == expected
        assert {entry.pid for entry in tree(root.pid)} == {root.pid, *expected}
        table = scan_processes()
        assert all(table[pid].ppid in {root.pid, *expected} for pid in expected)


def test_entries_agree_with_psutil() -> None:
    with family() as root:
        entry = read_process(root.pid)
        assert entry is not None
        peer = psutil.Process(root.pid)
        assert (entry.pid, entry.ppid, entry.alive) == (root.pid, os.getpid(), True)
        assert abs(entry.rss_bytes - peer.memory_info().rss) < 1 << 20
        assert process_start_ticks(root.pid) == entry.start_ticks
    assert process_start_ticks(root.pid) is None


def test_memory_and_cpu_of_a_tree() -> None:
    code = """
        import os, time
        shared = bytearray(os.urandom(1 << 20)) * 32
        for _ in range(3):
            if os.fork() == 0:
                break
        end = time.process_time() + 0.1
        while time.process_time() < end: pass
        print("ready", flush=True)
        time.sleep(60)
    """
    with family(code, ready=4) as root:
        memory = tree_memory(root.pid)
        assert memory.rss_bytes > 4 * 32 << 20
        assert 32 << 20 < memory.pss_bytes() < 64 << 20
        assert tree_cpu_us(root.pid) >= 4 * 80_000
    assert tree_memory(root.pid).rss_bytes == 0
    assert tree_cpu_us(root.pid) == 0


def test_kill_tree_reaches_all_sessions() -> None:
    with family() as root:
        members = [root.pid, *descendants(root.pid)]
        assert kill_tree(root.pid) == []
        assert all((entry := read_process(pid)) is None or not entry.alive for pid in members)


def test_kill_tree_may_keep_its_root() -> None:
    with family() as root:
        members = descendants(root.pid)
        assert kill_tree(root.pid, keep_root=True) == []
        assert all((entry := read_process(pid)) is None or not entry.alive for pid in members)
        assert root.poll() is None


def test_kill_tree_never_touches_the_caller_nor_a_reused_pid() -> None:
    with family() as root:
        ticks = process_start_ticks(root.pid)
        assert ticks is not None
        # As if that PID had belonged to an earlier process.
        assert kill_tree(root.pid, start_ticks=ticks - 1) == []
        assert kill_tree(999_999_999, also={root.pid: ticks - 1}) == []
        assert root.poll() is None
        assert kill_tree(os.getpid(), start_ticks=process_start_ticks(os.getpid())) == []
        root.wait(5)


def test_kill_tree_outruns_processes_that_run_away(slot_tag: str) -> None:
    """Three that fork and exit all the time: none has its PID for longer than a moment."""
    code = """
        import os, time
        for number in range(3):
            if os.fork() == 0:
                end = time.monotonic() + 20
                while time.monotonic() < end:
                    if os.fork(): os._exit(0)
                    if number % 2: os.setsid()
                    time.sleep(0.004)
                os._exit(0)
        print("ready", flush=True)
        time.sleep(20)
    """
    with family(code, ready=1) as root:
        time.sleep(0.2)
        assert kill_tree(root.pid, tag=slot_tag) == []
    assert processes_with_tag(slot_tag) == []


def test_tags_nest_and_do_not_match_longer_names(monkeypatch: pytest.MonkeyPatch) -> None:
    base = f"test-{os.urandom(4).hex()}"
    pids = {}
    for tag in (f"{base}/slot-1", f"{base}/slot-10", f"{base}/slot-1/run-7", f"outer/{base}/slot-2"):
        environment = {"A": "b", "PITCHEY_SLOT": tag, "Z": "y"}
        pids[tag] = subprocess.Popen(["sleep", "60"], env=environment)
    try:
        found = {
            tag: processes_with_tag(tag)
            for tag in (base, f"{base}/slot-1", f"{base}/slot", f"{base}/slot-10")
        }
        assert sorted(found[base]) == sorted(child.pid for child in pids.values())
        assert sorted(found[f"{base}/slot-1"]) == sorted(
            [pids[f"{base}/slot-1"].pid, pids[f"{base}/slot-1/run-7"].pid]
        )
        assert found[f"{base}/slot"] == []
        assert found[f"{base}/slot-10"] == [pids[f"{base}/slot-10"].pid]
        last = max(process_start_ticks(child.pid) or 0 for child in pids.values())
        assert processes_with_tag(base, since_ticks=last + 1) == []
    finally:
        for child in pids.values():
            child.kill()
            child.wait()


def test_a_tag_is_seen_from_the_moment_a_program_starts() -> None:
    """Popen returns while the kernel has not yet given the new program its environment."""
    for number in range(100):
        tag = f"test-{os.getpid()}-{number}"
        with subprocess.Popen(["sleep", "60"], env={"PITCHEY_SLOT": tag}) as child:
            try:
                assert processes_with_tag(tag) == [child.pid]
            finally:
                child.kill()


def test_identities() -> None:
    assert len(boot_id()) == 36
    assert pid_namespace() == os.stat("/proc/self/ns/pid").st_ino


def test_a_walk_is_cheap() -> None:
    with family() as root:
        best = min(_seconds(lambda: tree_memory(root.pid)) for _ in range(20))
        scan = min(_seconds(scan_processes) for _ in range(20))
        count = len(scan_processes())
    assert best < 0.005
    assert scan / count < 0.0001


def _seconds(function: object) -> float:
    started = time.perf_counter()
    function()  # type: ignore[operator]
    return time.perf_counter() - started
