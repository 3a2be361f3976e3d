"""Settings about what operators' tools are told."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["TelemetrySettings"]


class TelemetrySettings(BaseModel):
    """``[telemetry]``: both are off unless they are set.

    Attributes:
        metrics: ``HOST:PORT`` where a worker answers Prometheus, or a port alone for this host only.
        traces: URL that a worker sends OpenTelemetry spans to, by OTLP over HTTP.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    metrics: str | None = None
    traces: str | None = None

    @field_validator("metrics")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"(.*:)?\d{1,5}", value):
            raise ValueError(f"{value!r} is not HOST:PORT, such as 127.0.0.1:9464")
        return value

    @field_validator("traces")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} is not a URL, such as http://127.0.0.1:4318/v1/traces")
        return value
