"""Process trees on Linux: walk, measure, find by tag, kill until nothing is left.

Everything here reads ``/proc`` directly. A warden calls :func:`tree_memory` twenty times a second, so the
usual walk follows ``/proc/PID/task/TID/children`` (microseconds) and falls back to one scan of every
``/proc/PID/stat`` where the kernel lacks that file. Kills always use the full scan: the ``children`` file may
miss a process while the tree forks.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

__all__ = [
    "TAG_VARIABLE",
    "ProcessEntry",
    "TreeMemory",
    "boot_id",
    "descendants",
    "kill_tree",
    "pid_namespace",
    "process_start_ticks",
    "processes_with_tag",
    "read_process",
    "scan_processes",
    "tree",
    "tree_cpu_us",
    "tree_memory",
]

TAG_VARIABLE = "PITCHEY_SLOT"

_PAGE = os.sysconf("SC_PAGE_SIZE")
_US_PER_TICK = 1_000_000 // os.sysconf("SC_CLK_TCK")
_GONE = (ProcessLookupError, FileNotFoundError)
_MAX_ENVIRON = 2 * 1024**2
_EXEC_SECONDS = 0.5


class ProcessEntry(NamedTuple):
    """One line of ``/proc/PID/stat``. ``(pid, start_ticks)`` names a process for good within one boot."""

    pid: int
    ppid: int
    pgrp: int
    session: int
    state: str
    cpu_us: int
    """User and system time of the process itself, microseconds."""
    reaped_cpu_us: int
    """The same for its descendants that were waited for."""
    start_ticks: int
    rss_bytes: int

    @property
    def alive(self) -> bool:
        """False for a zombie: it holds a PID and an exit status, nothing else."""
        return self.state not in "ZX"


def _read(path: str, size: int = 1024) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, size)
    finally:
        os.close(fd)


def _parse_stat(pid: int, data: bytes) -> ProcessEntry:
    # The command may hold blanks and brackets; the fields start after the last bracket.
    field = data[data.rindex(b")") + 2 :].split()
    return ProcessEntry(
        pid,
        int(field[1]),
        int(field[2]),
        int(field[3]),
        field[0].decode("ascii"),
        (int(field[11]) + int(field[12])) * _US_PER_TICK,
        (int(field[13]) + int(field[14])) * _US_PER_TICK,
        int(field[19]),
        int(field[21]) * _PAGE,
    )


def read_process(pid: int) -> ProcessEntry | None:
    """The entry of one process, zombies included; ``None`` when there is none."""
    try:
        return _parse_stat(pid, _read(f"/proc/{pid}/stat"))
    except (OSError, ValueError):
        return None


def scan_processes() -> dict[int, ProcessEntry]:
    """Every process of this PID namespace: one pass, about 10 µs a process."""
    table: dict[int, ProcessEntry] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - Path.iterdir costs three times as much
        if name[0] in "123456789" and (entry := read_process(int(name))) is not None:
            table[entry.pid] = entry
    return table


@functools.cache
def _kernel_lists_children() -> bool:
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # noqa: PTH110


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(*_GONE, PermissionError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - see scan_processes
            with contextlib.suppress(*_GONE):
                found += map(int, _read(f"/proc/{pid}/task/{task}/children", 1 << 20).split())
    return found


def _close_over(table: Mapping[int, ProcessEntry], seeds: Iterable[int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in table.values():
        children.setdefault(entry.ppid, []).append(entry.pid)
    found = dict.fromkeys(seeds)
    queue = list(found)
    while queue:
        for child in children.get(queue.pop(), ()):
            if child not in found:
                found[child] = None
                queue.append(child)
    return list(found)


def descendants(pid: int) -> list[int]:
    """PIDs of the children of ``pid`` and theirs, zombies included, without ``pid`` itself.

    Orphans were given to another parent and are not among them; see :func:`processes_with_tag`.
    """
    if not _kernel_lists_children():
        return [each for each in _close_over(scan_processes(), [pid]) if each != pid]
    found: list[int] = []
    queue = [pid]
    while queue:
        children = _children(queue.pop())
        found += children
        queue += children
    return found


def tree(pid: int) -> list[ProcessEntry]:
    """Entries of ``pid`` and its descendants; those that end meanwhile are left out."""
    if not _kernel_lists_children():
        table = scan_processes()
        return [table[each] for each in _close_over(table, [pid]) if each in table]
    return [entry for each in (pid, *descendants(pid)) if (entry := read_process(each)) is not None]


class TreeMemory(NamedTuple):
    """Memory of a process tree.

    Attributes:
        rss_bytes: Sum of resident sizes: cheap, and an upper bound because shared pages count once per
            process.
        members: What was summed.
    """

    rss_bytes: int
    members: list[ProcessEntry]

    def pss_bytes(self) -> int:
        """Sum of proportional sizes, where a page shared by N processes counts 1/N in each.

        Walks page tables (about 1 ms per GiB), so ask only when :attr:`rss_bytes` gives reason to. A process
        that may not be read counts with its resident size.
        """
        return sum(_pss_bytes(entry) for entry in self.members)


def _pss_bytes(entry: ProcessEntry) -> int:
    try:
        for line in _read(f"/proc/{entry.pid}/smaps_rollup", 4096).splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except _GONE:
        return 0
    except OSError:
        pass
    return entry.rss_bytes


def tree_memory(pid: int) -> TreeMemory:
    """Memory of ``pid`` and its descendants now; zero when it is gone."""
    members = tree(pid)
    return TreeMemory(sum(entry.rss_bytes for entry in members), members)


def tree_cpu_us(pid: int) -> int:
    """User and system time of ``pid``, its descendants and those of them already waited for, in microseconds.

    The kernel counts ticks, so the resolution is 10 ms on most hosts.
    """
    return sum(entry.cpu_us + entry.reaped_cpu_us for entry in tree(pid))


def process_start_ticks(pid: int) -> int | None:
    """Start time in clock ticks since boot, which tells a process from a later one with the same PID."""
    entry = read_process(pid)
    return None if entry is None else entry.start_ticks


@functools.cache
def boot_id() -> str:
    """Identity of this boot of the kernel; PIDs and start ticks mean something only within one."""
    return _read("/proc/sys/kernel/random/boot_id").decode("ascii").strip()


def pid_namespace() -> int:
    """Inode of the PID namespace: PIDs may be compared only between processes that give the same number."""
    return os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 - no pathlib at import time


def processes_with_tag(tag: str, *, since_ticks: int = 0) -> list[int]:
    """Live processes whose environment has :data:`TAG_VARIABLE` with ``tag`` in its path (``…/tag/…``).

    Each run nests its own tag below its parent's, so a slot's tag finds everything that was started for the
    slot, also what called ``setsid`` and lost its parent; and a worker's finds its slots, also where the worker
    was itself started by a job. Processes of other users are not seen.

    Args:
        tag: The tag.
        since_ticks: Skip processes that started earlier; saves most of the reading.
    """
    newest_first = sorted(
        (entry for entry in scan_processes().values() if entry.start_ticks >= since_ticks),
        key=lambda entry: entry.start_ticks,
        reverse=True,
    )
    return list(_with_tag((entry.pid for entry in newest_first), tag))


def _with_tag(pids: Iterable[int], tag: str) -> Iterator[int]:
    """Yields each one as soon as it is found, so that the caller can stop it before it is gone again."""
    name, wanted = os.fsencode(f"\0{TAG_VARIABLE}="), os.fsencode(f"/{tag}/")
    end = time.monotonic() + _EXEC_SECONDS
    while True:
        between_programs: list[int] = []
        for pid in pids:
            environment = _environment(pid)
            if environment is None:
                between_programs.append(pid)
                continue
            _, found, rest = (b"\0" + environment).partition(name)
            if found and wanted in b"/" + rest.partition(b"\0")[0] + b"/":
                yield pid
        if not between_programs or time.monotonic() > end:
            return
        pids = between_programs
        time.sleep(0.0005)


def _environment(pid: int) -> bytes | None:
    """The environment of a process; ``None`` if it is between two programs and will soon have another one."""
    try:
        fd = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    chunks: list[bytes] = []
    try:
        while sum(map(len, chunks)) < _MAX_ENVIRON and (chunk := os.read(fd, 65536)):
            chunks.append(chunk)
    except OSError:
        return b""
    finally:
        os.close(fd)
    return b"".join(chunks) or (None if _in_exec(pid) else b"")


def _in_exec(pid: int) -> bool:
    """Whether a process without environment has just got its address space (kernel threads have none)."""
    try:
        data = _read(f"/proc/{pid}/stat")
    except OSError:
        return False
    field = data[data.rindex(b")") + 2 :].split()
    address_space, environment_start, environment_end = int(field[20]), int(field[47]), int(field[48])
    # Zero: not yet. Equal: it was started with an empty environment. Different: it has got one by now.
    return address_space > 0 and (environment_end == 0 or environment_start != environment_end)


def kill_tree(
    pid: int,
    *,
    tag: str | None = None,
    also: Mapping[int, int] | None = None,
    start_ticks: int | None = None,
    keep_root: bool = False,
    deadline_seconds: float = 5.0,
) -> list[int]:
    """Kill ``pid`` and all that belongs to it, and verify that nothing is left.

    To it belong its descendants, the members of the session and process group that it leads, processes with
    ``tag``, and those in ``also`` with their descendants. They are stopped first, until a scan finds no new
    one, so that none can fork its way out, and then killed; this repeats until a scan finds nothing alive.
    Zombies count as dead. The calling process is never touched.

    Args:
        pid: Root of the tree; it may be gone already.
        tag: See :func:`processes_with_tag`.
        also: Further processes by PID with their start ticks; a PID that now names another process is left
            alone.
        start_ticks: Start of the root, so that a later process with its PID is left alone, and so that no
            older process is searched for the tag. Give it whenever the root may have been waited for.
        keep_root: Kill everything but ``pid``.
        deadline_seconds: Give up after this long; a process in uninterruptible sleep cannot be killed.

    Returns:
        PIDs still alive at the deadline; empty in all ordinary cases.
    """
    spare = {os.getpid(), pid} if keep_root else {os.getpid()}
    end = time.monotonic() + deadline_seconds
    known = dict(also or {})
    pause = 0.0005
    while True:
        stopped: set[int] = set()
        while time.monotonic() < end:
            table = scan_processes()
            fresh = set(_belonging(table, pid, known, start_ticks, spare)) - stopped
            _signal(fresh, signal.SIGSTOP)
            if not fresh and tag is not None:
                # The search by tag is the slower one, so it comes when the ancestors are all stopped.
                older = {each.pid for each in table.values() if each.start_ticks < (start_ticks or 0)}
                fresh = _stop_tagged(tag, known, older | stopped | spare)
            if not fresh:
                break
            stopped |= fresh
        if not stopped and time.monotonic() < end:
            return []
        if not stopped:
            return sorted(_belonging(scan_processes(), pid, known, start_ticks, spare))
        _signal(stopped, signal.SIGKILL)
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def _belonging(
    table: Mapping[int, ProcessEntry],
    root: int,
    known: dict[int, int],
    start_ticks: int | None,
    spare: Collection[int],
) -> list[int]:
    """Live processes of a tree; each one is added to ``known``, for when it loses its parent."""
    seeds: list[int] = []
    if start_ticks is None or root not in table or table[root].start_ticks == start_ticks:
        seeds = [root, *(each.pid for each in table.values() if root in (each.pgrp, each.session))]
    seeds += [each for each, ticks in known.items() if each in table and table[each].start_ticks == ticks]
    members = [each for each in _close_over(table, seeds) if each in table and each not in spare]
    known.update((each, table[each].start_ticks) for each in members)
    return [each for each in members if table[each].alive]


def _stop_tagged(tag: str, known: dict[int, int], spare: Collection[int]) -> set[int]:
    """Stop the live processes with a tag, each at the moment when it is found, and add them to ``known``.

    A process that forks and exits in turn has another PID after a few milliseconds; a scan of the whole host
    takes longer than that. So the newest PIDs come first, and nothing is between the finding and the signal.
    """
    pids = [int(name) for name in os.listdir("/proc") if name[0] in "123456789"]  # noqa: PTH208 - as above
    found = set()
    for pid in _with_tag((each for each in sorted(pids, reverse=True) if each not in spare), tag):
        _signal([pid], signal.SIGSTOP)
        entry = read_process(pid)
        if entry is not None and entry.alive:
            known[pid] = entry.start_ticks
            found.add(pid)
    return found


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(*_GONE, PermissionError):
            os.kill(pid, number)
