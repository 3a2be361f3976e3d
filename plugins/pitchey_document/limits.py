"""What a document may be and cost; each figure can be changed in the settings, under ``plugins.document``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pitchey_core.errors import ConfigError, UnknownName
from pitchey_core.process import ProcessLimits
from pitchey_core.resources import MIB, Limits

__all__ = ["DocumentLimits", "reader_limits"]

_SLOT_BYTES: Final = 256 * MIB
"""Left to the job's own process, so that a reader meets its limit before the job meets its."""
_RESERVED_BYTES: Final = 512 * MIB
"""Addresses that a reader may reserve beyond the memory it may use. A limit on both stops what grows between two
samples; Python, numpy and PDFium together reserve 200 MiB."""


def reader_limits(limits: Limits, *, readers: int = 1, wall_seconds: float | None) -> ProcessLimits:
    """Limits of each of some processes that read a document at the same time.

    Args:
        limits: Of the job.
        wall_seconds: Of the process.
    """
    if limits.memory_bytes is None:
        return ProcessLimits(wall_seconds=wall_seconds)
    memory = (limits.memory_bytes - min(_SLOT_BYTES, limits.memory_bytes // 4)) // readers
    return ProcessLimits(
        wall_seconds=wall_seconds, memory_bytes=memory, address_space_bytes=memory + _RESERVED_BYTES
    )


class DocumentLimits(BaseModel):
    """Limits of one document.

    Attributes:
        max_bytes: Of the input.
        max_pages: Read of one document; the others are left out, with a warning.
        max_pixels: Of any picture that is decoded, width times height.
        max_characters: Of the text of a document without pages (text, CSV); what is behind is left out, with a warning.
        page_seconds: Wall time of one page.
        parse_seconds: Wall time of opening a document and reading what is not of a single page.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_bytes: int = Field(2 * 1024**3, gt=0)
    max_pages: int = Field(5000, gt=0)
    max_pixels: int = Field(128_000_000, gt=0)
    max_characters: int = Field(20_000_000, gt=0)
    page_seconds: float = Field(60.0, gt=0, allow_inf_nan=False)
    parse_seconds: float = Field(60.0, gt=0, allow_inf_nan=False)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From the plugin's table of the settings.

        Raises:
            ConfigError: A key is unknown or a value is wrong.
        """
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            if first["type"] == "extra_forbidden":
                unknown = UnknownName("setting", f"plugins.document.{key}", cls.model_fields)
                raise ConfigError(unknown.message, remedy=unknown.remedy) from None
            raise ConfigError(f"plugins.document.{key}: {first['msg']}") from None
