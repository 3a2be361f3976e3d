"""Programs that say too much, or what hurts to read."""

from __future__ import annotations

from typing import Final

from pitchey_core.isolation.attempts.attempt import LIMITS, Attempt, Seen
from pitchey_core.isolation.report import Verdict

__all__ = ["ATTEMPTS"]

_FLOOD: Final = """
block = b"x" * 65535 + b"\\n"
for _ in range(512):
    os.write(1, block)
"""
_BOTH: Final = """
import threading
def flood(fd):
    for _ in range(256):
        os.write(fd, b"y" * 65536)
threads = [threading.Thread(target=flood, args=(fd,)) for fd in (2, 1)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
_JUNK: Final = r"""
os.write(1, b"HELD the line was written\n")
for _ in range(64):
    os.write(1, (b"\x00\xff\xfe\xc3\x28\x1b[2J\x1b]0;owned\x07" + b"A" * 80) * 64)
"""


def _kept(seen: Seen) -> str | None:
    most = int(LIMITS["stdout_bytes"] + LIMITS["stderr_bytes"])
    return f"{seen.kept_bytes} bytes were kept" if seen.kept_bytes > most else None


_CAPPED: Final = frozenset({Verdict.OUTPUT_LIMIT})
ATTEMPTS: Final = (
    Attempt(13, "flood of output", (), _FLOOD, "verdict output-limit, little kept", _CAPPED, observe=_kept),
    Attempt(14, "floods of output and errors at once", (), _BOTH, "no hang", _CAPPED, observe=_kept),
    Attempt(
        15,
        "one endless line of NULs, broken UTF-8 and terminal codes",
        (),
        _JUNK,
        "read as bytes, capped",
        _CAPPED,
        observe=_kept,
    ),
)
