"""Programs that look for what is not theirs: files, environment, descriptors, terminals."""

from __future__ import annotations

from typing import Final

from pitchey_core.isolation.attempts.attempt import Attempt
from pitchey_core.isolation.policy import Layer

__all__ = ["ATTEMPTS"]

_READ: Final = """
attempt("read a file of the host", lambda: open(T["secret"]).read())
attempt("list folders of other jobs", lambda: os.listdir(T["jobs"]))
def shadow():
    open("/etc/shadow").close()
attempt("open /etc/shadow", shadow)
"""
_WRITE: Final = """
def poison():
    with open(T["library"] + "/module.py", "a") as file:
        file.write("value = 2\\n")
attempt("change a library", poison)
attempt("add to a library", lambda: os.close(os.open(T["library"] + "/new.pyc", os.O_CREAT | os.O_WRONLY)))
attempt("open the standard library", lambda: os.close(os.open(os.__file__, os.O_WRONLY | os.O_APPEND)))
"""
_ENVIRONMENT: Final = """
import glob
seen = 0
for name in glob.glob("/proc/[0-9]*/environ") + ["/proc/self/environ", "/proc/thread-self/environ"]:
    try:
        with open(name, "rb") as file:
            found = file.read()
    except OSError:
        continue
    seen += 1
    if b"PITCHEY_ATTEMPT_SECRET" in found:
        say("BREACH", f"the secret stands in {name}")
if "PITCHEY_ATTEMPT_SECRET" in os.environ:
    say("BREACH", os.environ["PITCHEY_ATTEMPT_SECRET"])
say("HELD", "no secret in any environment")
"""
_DESCRIPTORS: Final = """
def opened():
    import stat
    found = []
    for fd in range(3, 1024):
        try:
            kind = os.fstat(fd).st_mode
        except OSError:
            continue
        found.append(fd)
        if stat.S_ISREG(kind):
            say("BREACH", f"fd {fd}: {os.pread(fd, 64, 0)!r}")
    if not found:
        raise OSError(errno.EBADF, "")
    return found
attempt("descriptors above 2", opened)
"""
_TERMINAL: Final = """
import fcntl
def terminal():
    fd = os.open("/dev/tty", os.O_RDWR)
    os.close(fd)
attempt("open the terminal", terminal)
if os.isatty(0):
    say("BREACH", "standard input is a terminal")
attempt("type into it", lambda: fcntl.ioctl(0, 0x5412, b"x"))
attempt("paste into it", lambda: fcntl.ioctl(0, 0x541C, b"\\x03"))
if os.getsid(0) not in (0, os.getpid()) and os.getpgid(os.getsid(0)) == os.getpgid(0) != os.getpid():
    say("HELD", "in a group of its own")
"""
ATTEMPTS: Final = (
    Attempt(
        23,
        "read files of the host",
        (Layer.ROOT, Layer.LANDLOCK, Layer.PRIVILEGES),
        _READ,
        "ENOENT or EACCES",
        alone=(Layer.ROOT, Layer.LANDLOCK),
    ),
    Attempt(
        24,
        "change the interpreter's libraries",
        (Layer.ROOT, Layer.LANDLOCK, Layer.PRIVILEGES),
        _WRITE,
        "EROFS or EACCES",
        library=True,
        alone=(Layer.ROOT, Layer.LANDLOCK),
    ),
    Attempt(25, "secrets in environments", (Layer.NAMESPACES, Layer.ROOT), _ENVIRONMENT, "not there"),
    Attempt(26, "inherited descriptors", (), _DESCRIPTORS, "only 0, 1 and 2 are open"),
    Attempt(
        27, "the owner's terminal", (Layer.ROOT, Layer.SECCOMP), _TERMINAL, "ENXIO, ENOENT, EPERM or ENOTTY"
    ),
)
