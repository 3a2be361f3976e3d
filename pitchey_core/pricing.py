"""What a job used, and what that costs, exactly.

Money is an integer number of nano-dollars (10⁻⁹ $) from the price book to the ledger; floats never touch it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from typing import Any

from pitchey_core.resources import GIB

__all__ = ["NANOS_PER_USD", "PriceBook", "Usage", "format_usd", "parse_usd"]

NANOS_PER_USD = 10**9
_MICROS = 10**6
_GB = 10**9


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt used, in integers so that a price is exact.

    Attributes:
        wall_us: Microseconds from start to return.
        cpu_us: Microseconds of user and system time of the whole process tree.
        peak_memory_bytes: Highest memory of the tree during this job alone.
        memory_method: How the peak was measured: ``cgroup``, ``sampled-pss`` or ``self``.
        bytes_in: Bytes fetched.
        bytes_out: Bytes published.
        gpu_us: Microseconds for which an accelerator was its own, summed over them.
        complete: False where a crash left only the figures of the last heartbeat.
    """

    wall_us: int = 0
    cpu_us: int = 0
    peak_memory_bytes: int = 0
    memory_method: str = "self"
    bytes_in: int = 0
    bytes_out: int = 0
    gpu_us: int = 0
    complete: bool = True

    @property
    def wall_seconds(self) -> float:
        return self.wall_us / _MICROS

    @property
    def cpu_seconds(self) -> float:
        return self.cpu_us / _MICROS

    def with_(self, **changes: Any) -> Usage:
        """A copy with some figures changed."""
        return replace(self, **changes)

    def split(self, parts: int) -> list[Usage]:
        """Equal shares whose times and bytes add up to the whole, to the microsecond."""
        sums = ("wall_us", "cpu_us", "bytes_in", "bytes_out", "gpu_us")
        return [
            replace(
                self,
                **{
                    name: getattr(self, name) // parts + (index < getattr(self, name) % parts)
                    for name in sums
                },
            )
            for index in range(parts)
        ]

    def plus(self, other: Usage) -> Usage:
        """The usage of two runs, one after the other."""
        return replace(
            self,
            wall_us=self.wall_us + other.wall_us,
            cpu_us=self.cpu_us + other.cpu_us,
            peak_memory_bytes=max(self.peak_memory_bytes, other.peak_memory_bytes),
            bytes_in=self.bytes_in + other.bytes_in,
            bytes_out=self.bytes_out + other.bytes_out,
            gpu_us=self.gpu_us + other.gpu_us,
            complete=self.complete and other.complete,
        )

    def as_record(self) -> dict[str, Any]:
        """As JSON data; made by hand, because ``asdict`` copies deeply and this is on the way of every job."""
        return dict(zip(_USAGE_FIELDS, _usage_values(self), strict=True))

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Usage:
        return cls(**record)


_USAGE_FIELDS = tuple(each.name for each in fields(Usage))
_usage_values = attrgetter(*_USAGE_FIELDS)


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Prices in nano-dollars. The defaults are the list prices of a public container platform.

    Attributes:
        vcpu_second: Per second of CPU time used (0.000020 $).
        gib_second: Per GiB of reserved memory and second of wall time (0.0000025 $).
        gb_disk_second: Per GB (10⁹ bytes) of outputs and second of wall time (0.00000007 $).
        gpu_second: Per second on an accelerator.
    """

    vcpu_second: int = 20_000
    gib_second: int = 2_500
    gb_disk_second: int = 70
    gpu_second: int = 0

    def cost(self, usage: Usage, *, reserved_memory_bytes: int) -> int:
        """Price of one attempt in nano-dollars, rounded once, half up."""
        denominator = _MICROS * GIB * _GB
        numerator = (
            (usage.cpu_us * self.vcpu_second + usage.gpu_us * self.gpu_second) * GIB * _GB
            + usage.wall_us * reserved_memory_bytes * self.gib_second * _GB
            + usage.wall_us * usage.bytes_out * self.gb_disk_second * GIB
        )
        return (2 * numerator + denominator) // (2 * denominator)


def format_usd(nanos: int) -> str:
    """Nano-dollars as a decimal string with nine places: ``"0.000123456"``."""
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    return f"{sign}{nanos // NANOS_PER_USD}.{nanos % NANOS_PER_USD:09d}"


def parse_usd(text: str) -> int:
    """The inverse of :func:`format_usd`; accepts any decimal number of at most nine places.

    Raises:
        ValueError: It is not a decimal number, or finer than a nano-dollar.
    """
    try:
        nanos = Decimal(text) * NANOS_PER_USD
    except InvalidOperation:
        nanos = Decimal("nan")
    if not nanos.is_finite():
        raise ValueError(f"{text!r} is not a decimal number")
    if nanos != nanos.to_integral_value():
        raise ValueError(f"{text!r} is finer than a nano-dollar")
    return int(nanos)
