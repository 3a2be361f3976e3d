"""What every benchmark here has in common: rounds, comparisons with a peer, goals, a table or JSON.

A benchmark never fails because something was slow, only because a result was wrong (:func:`expect`).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

__all__ = [
    "Bench",
    "Comparison",
    "Cost",
    "Goal",
    "WrongResultError",
    "at_least",
    "at_most",
    "expect",
    "in_turn",
    "run_benchmark",
    "timed",
]

T = TypeVar("T")

By = Literal["ratio", "saving", "difference", "ours"]
"""How two figures become one: ours/peer, peer/ours, ours - peer, or ours alone."""

Unit = Literal[
    "s", "ms", "CPU s", "jobs/s", "LU", "dBTP", "points", "MB", "pages/min", "pages/s", "texts/s", "%"
]

_DISTRIBUTIONS: Final = (
    "pitchey",
    "av",
    "pillow",
    "click",
    "pydantic",
    "sqlmodel",
    "imageio-ffmpeg",
    "onnxruntime",
)
_HEADINGS: Final = ("name", "ours", "peer", "ratio", "goal", "met?")


class WrongResultError(Exception):
    """Something that was measured did not do what it should; its speed means nothing."""


def expect(truth: object, words: str) -> None:
    """Raise :class:`WrongResultError` unless ``truth`` is true."""
    if not truth:
        raise WrongResultError(words)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call took, with everything that it started and waited for."""

    wall: float
    cpu: float


def timed(call: Callable[[], T]) -> tuple[T, Cost]:
    """Call, and say what it took."""
    wall, cpu = time.perf_counter(), _cpu_seconds()
    result = call()
    return result, Cost(time.perf_counter() - wall, _cpu_seconds() - cpu)


def _cpu_seconds() -> float:
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


def in_turn(number: int, *calls: Callable[[], T]) -> list[T]:
    """Call all, another one first in each round, and return their results in the order given.

    On a host that slows down or gets busy, going first is an advantage.
    """
    results: dict[int, T] = {}
    for step in range(len(calls)):
        place = (number + step) % len(calls)
        results[place] = calls[place]()
    return [results[place] for place in range(len(calls))]


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure to reach; ``most``: to stay at or below it."""

    figure: float
    most: bool

    def met_by(self, value: float) -> bool:
        return value <= self.figure if self.most else value >= self.figure


def at_most(figure: float) -> Goal:
    """A goal that smaller figures meet."""
    return Goal(figure, most=True)


def at_least(figure: float) -> Goal:
    """A goal that larger figures meet."""
    return Goal(figure, most=False)


@dataclass(slots=True)
class Comparison:
    """One line of the table: what was measured of ours and of a peer in the same rounds.

    Attributes:
        against: The peer.
        by: How the goal compares the two.
    """

    name: str
    against: str
    unit: Unit
    by: By
    goal: Goal | None = None
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)

    def add(self, ours: float, peer: float) -> None:
        """The figures of one round."""
        self.ours.append(ours)
        self.peer.append(peer)

    @property
    def value(self) -> float:
        """The compared figure: the median of the rounds' own, so that a slow minute of the host hits both sides."""
        pairs = zip(self.ours, self.peer, strict=True)
        match self.by:
            case "ratio":
                return statistics.median(ours / peer for ours, peer in pairs)
            case "saving":
                return statistics.median(peer / ours for ours, peer in pairs)
            case "difference":
                return statistics.median(ours - peer for ours, peer in pairs)
            case "ours":
                return statistics.median(self.ours)

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.goal.met_by(self.value)

    def as_record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "against": self.against,
            "unit": self.unit,
            "ours": statistics.median(self.ours),
            "peer": statistics.median(self.peer),
            "compared_by": self.by,
            "value": self.value,
            "goal": None if self.goal is None else self.goal.figure,
            "goal_is": None if self.goal is None else ("most" if self.goal.most else "least"),
            "met": self.met,
            "samples": {"ours": self.ours, "peer": self.peer},
        }

    def as_cells(self) -> tuple[str, ...]:
        """The line of the table."""
        goal = (
            "" if self.goal is None else f"{'<=' if self.goal.most else '>='} {self._shown(self.goal.figure)}"
        )
        met = {None: "", True: "yes", False: "NO"}[self.met]
        pairs = zip(self.ours, self.peer, strict=True)
        ratio = statistics.median(ours / peer if peer else math.inf for ours, peer in pairs)
        shown = f"{ratio:.3g}x" if self.by == "ours" else self._shown(self.value)
        return (
            f"{self.name} | {self.against}",
            _figure(statistics.median(self.ours), self.unit),
            _figure(statistics.median(self.peer), self.unit),
            shown,
            goal,
            met,
        )

    def _shown(self, value: float) -> str:
        match self.by:
            case "ratio":
                return f"{value:.3f}x" if value < 10 else f"{value:.3g}x"
            case "saving":
                return f"{value:.3g}x less"
            case "difference":
                return f"{value:+.3f} {self.unit}"
            case "ours":
                return _figure(value, self.unit)


def _figure(value: float, unit: Unit) -> str:
    if unit == "jobs/s":
        return f"{value:,.0f} {unit}"
    return f"{value:.3f} {unit}" if abs(value) < 10 else f"{value:.2f} {unit}"


class Bench:
    """One run of one benchmark.

    Attributes:
        footage: Files to measure with besides its own.
    """

    def __init__(self, title: str, count: int, footage: Sequence[Path] = ()) -> None:
        self.title = title
        self.count = count
        self.footage = footage
        self.comparisons: list[Comparison] = []
        self.notes: list[str] = []
        self.facts = _host_facts()

    def compare(self, name: str, *, against: str, unit: Unit, by: By, goal: Goal | None = None) -> Comparison:
        """A new line of the table."""
        comparison = Comparison(name, against, unit, by, goal)
        self.comparisons.append(comparison)
        return comparison

    def rounds(self) -> Iterator[int]:
        """The numbers of the rounds, with word on stderr where somebody watches."""
        for number in range(self.count):
            if sys.stderr.isatty():
                print(f"{self.title}: round {number + 1} of {self.count}", file=sys.stderr)
            yield number

    def note(self, words: str) -> None:
        """A line below the table."""
        self.notes.append(words)

    def fact(self, name: str, value: object) -> None:
        """Something about the host or the set-up that the figures depend on."""
        self.facts[name] = value

    def as_record(self) -> dict[str, Any]:
        return {
            "benchmark": self.title,
            "rounds": self.count,
            "facts": self.facts,
            "rows": [each.as_record() for each in self.comparisons],
            "notes": self.notes,
        }

    def as_table(self) -> str:
        rows = [_HEADINGS, *(each.as_cells() for each in self.comparisons)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        lines = [
            "  ".join(
                cell.ljust(width) if column in {0, 4, 5} else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        facts = [f"{name}: {value}" for name, value in self.facts.items()]
        rounds = f"{self.count} round{'s' if self.count != 1 else ''}, medians"
        return "\n".join([f"{self.title} ({rounds})", *facts, "", *lines, "", *self.notes]).rstrip()


def _file(text: str) -> Path:
    path = Path(text).absolute()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return path


def run_benchmark(
    title: str, measure: Callable[[Bench], None], arguments: Sequence[str] | None = None
) -> None:
    """Parse the options, measure, print. Exits with 1 if a result was wrong, and with 0 also if a goal was missed."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="how often to measure  [default: 5]"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument(
        "--footage", type=_file, action="append", default=[], metavar="FILE",
        help="footage to measure with besides its own, where it measures with any; repeat the option",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    bench = Bench(title, options.rounds, options.footage)
    try:
        measure(bench)
    except WrongResultError as error:
        print(f"{title}: wrong result: {error}", file=sys.stderr)
        sys.exit(1)
    bench.fact("load after", _load())
    print(json.dumps(bench.as_record()) if options.json else bench.as_table())


def _host_facts() -> dict[str, Any]:
    return {
        "host": f"{len(os.sched_getaffinity(0))} CPUs ({_processor()}), {_memory_gib():.0f} GiB, "
        f"Linux {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "packages": ", ".join(f"{name} {version}" for name in _DISTRIBUTIONS if (version := _version(name))),
        "load before": _load(),
    }


def _load() -> str:
    return " ".join(f"{each:.2f}" for each in os.getloadavg())


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
