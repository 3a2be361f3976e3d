"""Programs that fill a disk, or leave files that hurt whoever collects them."""

from __future__ import annotations

from typing import Final

from pitchey_core.isolation.attempts.attempt import Attempt, Seen
from pitchey_core.isolation.policy import Layer
from pitchey_core.isolation.report import Verdict

__all__ = ["ATTEMPTS"]

_HUGE: Final = """
def huge():
    with open("huge", "wb", buffering=0) as file:
        for _ in range(24):
            file.write(b"x" * 1024**2)
attempt("a file of 24 MiB", huge)
"""
_SPARSE: Final = """
def sparse():
    with open("sparse", "wb") as file:
        os.ftruncate(file.fileno(), 1 << 40)
attempt("a sparse file of 1 TiB", sparse)
def reserved():
    with open("reserved", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 24 * 1024**2)
attempt("24 MiB reserved", reserved)
"""
_INODES: Final = """
def many():
    for number in range(2000):
        open(f"{number}", "wb").close()
attempt("2,000 files", many)
"""
_DEEP: Final = """
for _ in range(1500):
    os.mkdir("d" * 100)
    os.chdir("d" * 100)
for name in (b"n" * 255, b"new\\nline", b"\\xff\\xfe", b"-rf", b" "):
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600))
say("HELD", "the tree was made")
"""
_LINKS: Final = """
os.symlink(T["secret"], "answer.txt")
os.symlink(os.path.dirname(T["secret"]), "folder")
os.symlink("/proc/self/root" + T["secret"], "magic.txt")
os.symlink("a", "b")
os.symlink("b", "a")
say("HELD", "links were made")
"""
_SPECIAL: Final = """
import socket, stat
def linked():
    os.link(T["secret"], "hard.txt")
    open("hard.txt").close()
attempt("hard link to a file of the host", linked)
open("mine.txt", "w").close()
os.link("mine.txt", "twice.txt")
os.mkfifo("fifo.txt")
def device():
    os.mknod("device.txt", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    with open("device.txt", "rb") as file:
        return file.read(2)
attempt("device", device)
"""
_SWAP: Final = """
name_myself()
open("answer.txt", "w").close()
if os.fork() == 0:
    os.setsid()
    os.close(1), os.close(2)
    end = time.monotonic() + 6
    while time.monotonic() < end:
        try:
            os.symlink(T["secret"], "link")
            os.rename("link", "answer.txt")
            open("plain", "w").close()
            os.rename("plain", "answer.txt")
        except OSError:
            pass
    os._exit(0)
time.sleep(0.3)
say("HELD", "a process swaps files for links")
"""


def _late(seen: Seen) -> str | None:
    return f"the caller waited {seen.seconds:.1f} s" if seen.seconds > 8 else None


_FULL: Final = (Layer.RLIMITS, Layer.ROOT)
ATTEMPTS: Final = (
    Attempt(16, "huge file", _FULL, _HUGE, "EFBIG or ENOSPC", alone=_FULL),
    Attempt(17, "sparse and reserved files", _FULL, _SPARSE, "EFBIG or ENOSPC", alone=(Layer.RLIMITS,)),
    Attempt(18, "thousands of files", (Layer.ROOT,), _INODES, "ENOSPC", alone=(Layer.ROOT,)),
    Attempt(
        19,
        "folders 1,500 deep and hostile names",
        (Layer.ROOT,),
        _DEEP,
        "collected without a crash, gone at once",
        limits={"tmp_inodes": 4096},
        outputs=("**",),
        observe=_late,
    ),
    Attempt(
        20,
        "symbolic links among the outputs",
        (Layer.ROOT,),
        _LINKS,
        "refused and reported",
        outputs=("**",),
        alone=(Layer.ROOT,),
    ),
    Attempt(
        21,
        "hard link, pipe and device among the outputs",
        (Layer.ROOT, Layer.SECCOMP, Layer.LANDLOCK),
        _SPECIAL,
        "refused and reported, no hang",
        outputs=("*",),
        alone=(Layer.ROOT,),
        observe=_late,
    ),
    Attempt(
        22,
        "swap a file for a link while it is collected",
        (Layer.NAMESPACES, Layer.ROOT),
        _SWAP,
        "collected after every process is dead",
        frozenset({Verdict.OK}),
        outputs=("answer.txt",),
    ),
)
