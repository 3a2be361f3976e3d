"""A way to a server that can be cut, frozen, or cut at the very moment when something is asked."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Passes connections on to a port of this host.

    Attributes:
        port: Where it listens.
        watch: Called with what a client sends, before it is passed on; ``"ask"``: pass it on, then cut the connection
            before the answer; ``"drop"``: cut it before.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._frozen = 0
        self.watch: Callable[[bytes], str | None] = lambda _: None
        self._over = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def freeze(self) -> None:
        """From now on nothing passes on the connections that there are; new ones work."""
        self._frozen = len(self._pairs)

    def cut(self) -> None:
        """Cut all connections."""
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                client.close()
                continue
            place = len(self._pairs)
            self._pairs.append((client, server))
            thread = threading.Thread(target=self._pass, args=(place, client, server), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pass(self, place: int, client: socket.socket, server: socket.socket) -> None:
        with client, server, contextlib.suppress(OSError):
            while True:
                ready, _, _ = select.select([client, server], [], [], 0.2)
                if place < self._frozen:
                    self._over.wait()
                    return
                for end in ready:
                    data = end.recv(1 << 16)
                    if not data:
                        return
                    verdict = self.watch(data) if end is client else None
                    if verdict == "drop":
                        return
                    (server if end is client else client).sendall(data)
                    if verdict == "ask":
                        server.recv(1)
                        return
