"""What an attempt is, and how it is judged from the outside.

A program says of each way that it tries how it went, one line each: ``BREACH what`` or ``HELD what: reason``. What it
says in its own favour is believed; that it was held is believed only beside what the kernel and the host have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pitchey_core.isolation.policy import Layer
from pitchey_core.isolation.report import Verdict

__all__ = ["LIMITS", "Attempt", "Seen"]

LIMITS: Final[Mapping[str, Any]] = {
    "wall_seconds": 10.0,
    "cpu_seconds": 5.0,
    "memory_bytes": 96 * 1024**2,
    "address_space_bytes": 256 * 1024**2,
    "processes": 32,
    "stdout_bytes": 64 * 1024,
    "stderr_bytes": 64 * 1024,
    "file_bytes": 8 * 1024**2,
    "tmp_bytes": 16 * 1024**2,
    "tmp_inodes": 256,
}
"""Of the policy under which attempts run, so small that none can hurt the host, not even with its wall missing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the host has seen of one run, in a sandbox or without.

    Attributes:
        lines: Of standard output, as far as they were kept.
        kept_bytes: How much of standard output and standard error was kept.
        collected: Contents of the collected files, by name.
        refused: Files that were not collected, with the reason.
        seconds: Wall time until the caller had the answer.
        survivors: Processes that were still there then.
        token: What no program may get hold of.
        delivered: Whether something of the program reached a listener of the host.
    """

    verdict: Verdict
    lines: tuple[str, ...]
    kept_bytes: int
    collected: Mapping[str, bytes]
    refused: Mapping[str, str]
    seconds: float
    survivors: int
    token: str
    delivered: bool
    detail: str | None = None

    @property
    def held(self) -> tuple[str, ...]:
        return tuple(line.removeprefix("HELD ") for line in self.lines if line.startswith("HELD "))

    @property
    def breaches(self) -> tuple[str, ...]:
        """What got through, in words; empty if nothing did."""
        found = [line.removeprefix("BREACH ") for line in self.lines if line.startswith("BREACH ")]
        if any(self.token in line for line in self.lines):
            found.append("the secret stands in the output")
        found += [
            f"the secret was collected as {name!r}"
            for name, content in self.collected.items()
            if self.token.encode() in content
        ]
        if self.survivors:
            found.append(f"{self.survivors} processes survived")
        if self.delivered:
            found.append("a listener of the host was reached")
        return tuple(found)


Observation = Callable[[Seen], str | None]


def nothing_more(_: Seen) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to break out, or to hurt the host.

    Attributes:
        number: Of the row in the documentation's table.
        title: What is tried.
        layers: The walls that stop it, the first that does so first; empty: the supervisor's own work on the host
            side (timers, caps, collection).
        source: The untrusted program. It gets the targets as JSON in its first argument.
        passes: When it counts as stopped, in words.
        verdicts: Ends that show by themselves that it was stopped.
        observe: A further sign, seen from outside, that it got through; in words.
        limits: What differs from :data:`LIMITS`.
        outputs: Patterns of the files to collect.
        library: Whether it may read the folder ``library`` of the targets.
        alone: Layers each of which stops it with all others switched off.
    """

    number: int
    title: str
    layers: tuple[Layer, ...]
    source: str
    passes: str
    verdicts: frozenset[Verdict] = frozenset()
    observe: Observation = nothing_more
    limits: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    language: Literal["python", "javascript"] = "python"
    library: bool = False
    alone: tuple[Layer, ...] = ()

    def breach(self, seen: Seen) -> str | None:
        """What got through; ``None`` if nothing did."""
        found = [*seen.breaches, *filter(None, [self.observe(seen)])]
        return "; ".join(found) or None

    def evidence(self, seen: Seen) -> str | None:
        """Why it counts as stopped; ``None`` if the program did not even come to its attempt."""
        found = list(dict.fromkeys(seen.held))
        if seen.verdict in self.verdicts:
            found.insert(0, f"verdict {seen.verdict}")
        found += [f"{name}: {reason}" for name, reason in seen.refused.items()]
        return "; ".join(found) or None
