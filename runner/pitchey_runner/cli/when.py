"""Points in time on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from pitchey_runner.cli.value_type import ValueType

__all__ = ["SINCE"]

_AGO: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Since(ValueType):
    """``7d``, ``24h``, ``90m``: that long ago; or an ISO date or time, UTC unless it says otherwise."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            if ago := _AGO.fullmatch(value.strip()):
                return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: float(ago[1])})
            at = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither a time span such as 7d or 24h nor a date such as 2026-01-31",
                param,
                ctx,
            )
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


SINCE: Final = Since()
