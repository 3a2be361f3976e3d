"""What the attempts are aimed at: harmless things of the host, made for them and removed after them."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import socket
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["Targets"]

_ENVIRONMENT = "PITCHEY_ATTEMPT_SECRET"


class Targets:
    """A secret in a file, in the environment, in an open descriptor and in memory; listeners; a library.

    Make it before the sandbox is started, so that the sandbox could inherit what it must not pass on.

    Attributes:
        token: The secret. No program may get hold of it.
        library: A folder that programs may read.
    """

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        self._stack = contextlib.ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pitchey-attempts-")))
        self.library = self.folder / "library"
        self._secret = self.folder / "private" / "secret.txt"
        self._memory = ctypes.create_string_buffer(self.token.encode())
        self._reached = threading.Event()
        self._closing = False

    def __enter__(self) -> Self:
        try:
            self._prepare()
        except BaseException:
            self._closing = True
            self._stack.close()
            raise
        return self

    def _prepare(self) -> None:
        self.library.mkdir()
        (self.library / "module.py").write_text("value = 1\n")
        self._secret.parent.mkdir()
        self._secret.write_text(self.token)
        (self.folder / "shared.lock").touch()
        os.environ[_ENVIRONMENT] = self.token
        self._stack.callback(os.environ.pop, _ENVIRONMENT, None)
        descriptor = os.open(self._secret, os.O_RDONLY)
        self._stack.callback(os.close, descriptor)
        os.set_inheritable(descriptor, True)
        self._tcp = self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        self._udp = self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        self._listen(socket.AF_UNIX, socket.SOCK_STREAM, str(self.folder / "listener"))
        self._listen(socket.AF_UNIX, socket.SOCK_STREAM, f"\0pitchey-attempt-{self.token[:8]}")
        self._stack.callback(setattr, self, "_closing", True)

    def _listen(self, family: int, kind: int, address: Any) -> int:
        listener = self._stack.enter_context(socket.socket(family, kind))
        listener.bind(address)
        listener.settimeout(0.05)
        if kind == socket.SOCK_STREAM:
            listener.listen()
        thread = threading.Thread(target=self._watch, args=(listener, kind), daemon=True)
        self._stack.callback(thread.join)
        thread.start()
        return int(listener.getsockname()[1]) if family == socket.AF_INET else 0

    def _watch(self, listener: socket.socket, kind: int) -> None:
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                if kind == socket.SOCK_DGRAM:
                    # Only what an attempt sends: a port of the host may be hit by anybody.
                    if self.token[:8].encode() not in listener.recv(64):
                        continue
                else:
                    listener.accept()[0].close()
                self._reached.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def reached(self) -> bool:
        """Whether a listener was reached since this was last asked."""
        found = self._reached.is_set()
        self._reached.clear()
        return found

    @property
    def untouched(self) -> bool:
        """Whether the library is as it was."""
        files = sorted(path.name for path in self.library.iterdir())
        return files == ["module.py"] and (self.library / "module.py").read_text() == "value = 1\n"

    @property
    def process_name(self) -> str:
        """The name that programs give to themselves, by which what survives is found."""
        return f"pa{self.token[:12]}"

    def as_argument(self, processes: int) -> str:
        """What programs are told, as JSON."""
        return json.dumps(
            {
                "secret": str(self._secret),
                "jobs": str(self.folder),
                "library": str(self.library),
                "lock": str(self.folder / "shared.lock"),
                "tcp": self._tcp,
                "udp": self._udp,
                "unix": str(self.folder / "listener"),
                "abstract": f"pitchey-attempt-{self.token[:8]}",
                "mark": self.token[:8],
                "name": self.process_name,
                "owner": os.getpid(),
                "pid_namespace": str(Path("/proc/self/ns/pid").readlink()),
                "address": ctypes.addressof(self._memory),
                "secret_bytes": len(self.token),
                "processes": processes,
            }
        )

    def survivors(self) -> list[int]:
        """Processes that an attempt has left running."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if (entry / "comm").read_text().rstrip("\n") == self.process_name:
                    state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                    if state not in "ZX":
                        found.append(int(entry.name))
        return found
