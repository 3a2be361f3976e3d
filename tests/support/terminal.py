"""A terminal for programs that draw: a pseudo-terminal and what a screen would show of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyte


class Terminal:
    """Runs a program on a screen of ``columns`` x ``lines``."""

    def __init__(
        self,
        command: Sequence[Any],
        *,
        cwd: Path,
        env: Mapping[str, str],
        columns: int = 80,
        lines: int = 24,
    ) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        clean = {name: value for name, value in env.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**clean, "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    @property
    def text(self) -> str:
        """The screen as it is, without blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def marked(self) -> str:
        """The line that is shown in reverse, if one is."""
        for number, line in enumerate(self._screen.display):
            if self._screen.buffer[number][0].reverse:
                return line.rstrip()
        return ""

    @property
    def echoes(self) -> bool:
        """Whether it shows what is typed, as it does to begin with."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def shows(self, what: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until the screen is as expected."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, f"not on the screen:\n{self.text}"
            self._read(0.05)

    def ended(self, seconds: float = 30.0) -> int:
        """Wait for the end of the program; its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end:\n{self.text}"
            self._read(0.05)
        self._read(0.05)
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def _read(self, seconds: float) -> None:
        ready, _, _ = select.select([self._master], [], [], seconds)
        # A terminal whose program has ended answers with an error.
        with contextlib.suppress(OSError):
            if ready:
                self._stream.feed(os.read(self._master, 65536))
