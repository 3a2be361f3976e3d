"""Connections to a port of this host whose packets the kernel drops from now on, in both directions."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_ESTABLISHED = "01"


@dataclass
class DroppedPackets:
    """Rules of the kernel's packet filter for one server port; all are gone with :meth:`restore`.

    Connections that are made later are left alone, as when a router has forgotten those that there were.
    """

    port: int
    _rules: list[list[str]] = field(default_factory=list)

    @staticmethod
    def why_not() -> str | None:
        """Why this host cannot do it, if it cannot."""
        if os.geteuid() != 0:
            return "only root may drop packets"
        try:
            done = subprocess.run(["iptables", "-w", "-S", "INPUT"], capture_output=True, text=True)
        except FileNotFoundError:
            return "there is no iptables"
        return done.stderr.strip() or None

    def drop(self) -> int:
        """Drop what is sent on the connections that there are now; says how many."""
        clients = self._clients()
        for client in clients:
            for source, target in ((client, self.port), (self.port, client)):
                rule = ["-p", "tcp", "--sport", str(source), "--dport", str(target), "-j", "DROP"]
                subprocess.run(["iptables", "-w", "-A", "INPUT", "-i", "lo", *rule], check=True)
                self._rules.append(rule)
        return len(clients)

    def restore(self) -> None:
        """Let everything through again."""
        while self._rules:
            with suppress(subprocess.CalledProcessError):
                command = ["iptables", "-w", "-D", "INPUT", "-i", "lo", *self._rules.pop()]
                subprocess.run(command, check=True, capture_output=True)

    def _clients(self) -> list[int]:
        """The ports from which connections to the server are open."""
        found = []
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, here, there, state, *_ = line.split()
            if state == _ESTABLISHED and int(there.rpartition(":")[2], 16) == self.port:
                found.append(int(here.rpartition(":")[2], 16))
        return found


@contextmanager
def dropped_packets(port: int) -> Iterator[DroppedPackets]:
    """Rules for a port that end with the block."""
    dropped = DroppedPackets(port)
    try:
        yield dropped
    finally:
        dropped.restore()
