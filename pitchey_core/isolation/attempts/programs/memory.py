"""Programs that take memory, of every kind that there is."""

from __future__ import annotations

from typing import Final

from pitchey_core.isolation.attempts.attempt import Attempt
from pitchey_core.isolation.policy import Layer
from pitchey_core.isolation.report import Verdict

__all__ = ["ATTEMPTS"]

_ONE: Final = """
kept = []
try:
    for _ in range(180):
        kept.append(b"x" * 1024**2)
        time.sleep(0.002)
except MemoryError:
    say("HELD", "MemoryError")
else:
    say("BREACH", "180 MiB in one process")
"""
_TEN: Final = """
ready_from, ready_to = os.pipe()
go_from, go_to = os.pipe()
children = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        os.close(go_to)
        kept = b"x" * (18 * 1024**2)
        os.write(ready_to, b".")
        os.read(go_from, 1)
        os._exit(0)
    children.append(child)
os.close(ready_to)
count = 0
while count < 10 and os.read(ready_from, 1):
    count += 1
time.sleep(0.4)
if count == 10:
    say("BREACH", "180 MiB in ten processes")
else:
    say("HELD", f"{count} of 10 processes got their memory")
"""
_FILES: Final = """
import mmap
block = b"x" * 1024**2
def write(fd, count):
    try:
        for _ in range(count):
            os.write(fd, block)
    finally:
        os.close(fd)
def many_files():
    for number in range(8):
        write(os.open(f"f{number}", os.O_WRONLY | os.O_CREAT, 0o600), 6)
attempt("48 MiB in files", many_files)
attempt("24 MiB in a memfd", lambda: write(os.memfd_create("m"), 24))
def shared_memory():
    for number in range(4):
        name = f"/dev/shm/{T['name']}-{number}"
        fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o600)
        os.unlink(name)
        write(fd, 6)
attempt("24 MiB in /dev/shm", shared_memory)
try:
    kept = mmap.mmap(-1, 180 * 1024**2)
except OSError as error:
    say("HELD", why(error))
    raise SystemExit
for at in range(0, len(kept), 4096):
    kept[at] = 1
    if at % 2**20 == 0:
        time.sleep(0.002)
say("BREACH", "180 MiB of shared memory")
"""
_KERNEL: Final = """
import resource
try:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
except (OSError, ValueError):
    pass
pipes = []
try:
    for _ in range(900):
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        pipes.append((reading, writing))
        try:
            while True:
                os.write(writing, b"x" * 4096)
        except BlockingIOError:
            pass
except OSError as error:
    say("HELD", f"pipe {len(pipes)}: {why(error)}")
else:
    say("BREACH", f"{len(pipes)} full pipes")
"""
_MEMORY: Final = frozenset({Verdict.MEMORY})
ATTEMPTS: Final = (
    Attempt(
        3,
        "memory bomb in one process",
        (Layer.CGROUP, Layer.RLIMITS),
        _ONE,
        "verdict memory",
        _MEMORY,
        alone=(Layer.CGROUP,),
    ),
    Attempt(
        4,
        "memory bomb across ten processes",
        (Layer.CGROUP,),
        _TEN,
        "verdict memory: the sum counts",
        _MEMORY,
        alone=(Layer.CGROUP,),
    ),
    Attempt(
        5,
        "memory in files, memfd and shared memory",
        (Layer.ROOT, Layer.RLIMITS, Layer.CGROUP),
        _FILES,
        "ENOSPC or EFBIG, then verdict memory or EPERM",
        _MEMORY,
    ),
    Attempt(
        6,
        "kernel memory: full pipes",
        (Layer.RLIMITS, Layer.CGROUP),
        _KERNEL,
        "EMFILE, or verdict memory",
        _MEMORY,
        alone=(Layer.RLIMITS,),
    ),
)
