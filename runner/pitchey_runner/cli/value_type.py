"""The base of our option types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import click

__all__ = ["ValueType"]

if TYPE_CHECKING:
    ValueType: TypeAlias = click.ParamType[Any]
else:
    # Generic in recent versions of click only; earlier ones cannot be subscripted.
    ValueType = click.ParamType
