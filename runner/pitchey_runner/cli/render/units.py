"""Numbers with their units."""

from __future__ import annotations

from datetime import datetime

__all__ = ["amount", "dollars", "local_time", "seconds"]


def amount(count: int | None) -> str:
    """Bytes, in decimal units: ``1.2 MB``."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def seconds(value: float | None) -> str:
    """A duration: ``0.42 s``, ``12.3 s``, ``3:05``, ``1:02:03``."""
    if value is None:
        return ""
    if value < 60:
        return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def dollars(text: str | None) -> str:
    """A decimal amount as ``$0.000123456``."""
    return "" if text is None else f"${text}"


def local_time(at: datetime | None) -> str:
    """A time in this host's zone."""
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
