"""The tables of the settings; see :mod:`pitchey_core.settings`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, model_validator

from pitchey_core.pricing import PriceBook, format_usd, parse_usd
from pitchey_core.storage.policy import DEFAULT_SCHEMES, FetchPolicy

__all__ = [
    "FetchSettings",
    "HostSettings",
    "InstanceTypeSettings",
    "PriceSettings",
    "ProcessorSettings",
    "SlotSettings",
    "Table",
    "TimingSettings",
    "split",
]


def split(value: Any) -> Any:
    """Lists come from the environment as JSON or with commas."""
    if not isinstance(value, str):
        return value
    return (
        json.loads(value) if value.lstrip().startswith("[") else [part for part in value.split(",") if part]
    )


def _usd(value: str) -> str:
    try:
        nanos = parse_usd(value)
    except ArithmeticError:
        raise ValueError(f"{value!r} is not a decimal number") from None
    if nanos < 0:
        raise ValueError("a price cannot be negative")
    return value


Usd = Annotated[str, AfterValidator(_usd)]
_DEFAULT_PRICES: Final = PriceBook()


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProcessorSettings(Table):
    """``[processors.TYPE]``.

    Attributes:
        wall_limit: Seconds that one run may take.
        instance_type: Name of what each job reserves.
    """

    wall_limit: float | None = Field(None, gt=0)
    instance_type: str | None = None


class InstanceTypeSettings(Table):
    """``[instance_types.NAME]``: a new instance type, or a change to one.

    Attributes:
        vcpus: Logical CPUs.
        memory_bytes: Bytes, or text such as ``"2GiB"``.
        gpus: Accelerators.
    """

    vcpus: float | None = Field(None, gt=0)
    memory_bytes: ByteSize | None = Field(None, gt=0)
    gpus: int = Field(0, ge=0)


class FetchSettings(Table):
    """``[fetch]``: see :class:`~pitchey_core.storage.FetchPolicy`."""

    schemes: Annotated[tuple[str, ...], BeforeValidator(split)] = tuple(sorted(DEFAULT_SCHEMES))
    roots: Annotated[tuple[Path, ...] | None, BeforeValidator(split)] = None
    allow_private_addresses: bool = False

    def as_policy(self) -> FetchPolicy:
        return FetchPolicy(frozenset(self.schemes), self.roots, self.allow_private_addresses)


class PriceSettings(Table):
    """``[prices]``: US dollars as decimal text; see :class:`~pitchey_core.pricing.PriceBook`."""

    vcpu_second: Usd = format_usd(_DEFAULT_PRICES.vcpu_second)
    gib_second: Usd = format_usd(_DEFAULT_PRICES.gib_second)
    gb_disk_second: Usd = format_usd(_DEFAULT_PRICES.gb_disk_second)
    gpu_second: Usd = format_usd(_DEFAULT_PRICES.gpu_second)

    def as_price_book(self) -> PriceBook:
        return PriceBook(**{name: parse_usd(getattr(self, name)) for name in type(self).model_fields})


class TimingSettings(Table):
    """``[timing]``, in seconds.

    Attributes:
        beat: Between two heartbeats of a worker.
        lease: After which a worker without heartbeat has lost its jobs.
        cancel_poll: Between two looks for cancelled jobs.
        kill_grace: From the polite signal to the other one.
        store_wait: How long a worker that starts waits for a store whose server is away.
    """

    beat: float = Field(5.0, gt=0)
    lease: float = Field(30.0, gt=0)
    cancel_poll: float = Field(0.25, gt=0)
    kill_grace: float = Field(5.0, ge=0)
    store_wait: float = Field(60.0, ge=0)

    @model_validator(mode="after")
    def _several_beats_per_lease(self) -> TimingSettings:
        if self.lease < 3 * self.beat:
            raise ValueError(f"lease ({self.lease:g}) must be three times beat ({self.beat:g}) or more")
        return self


class HostSettings(Table):
    """``[host]``: what jobs may use of this host, by default all that it has.

    Attributes:
        vcpus: Logical CPUs; default: those that this process may run on, within the quota of its container.
        cpu_overcommit: How often each of them may be reserved. Jobs that share CPUs are slower and no worse, and
            few use all of theirs all of the time. Memory is never reserved twice.
        memory_bytes: Bytes; default: those of the host or of its container, less ``memory_reserve``.
        memory_reserve: Bytes that are left to everything else; default: a twentieth, at most 1 GiB.
        gpus: Accelerators; default: those that this process sees.
        cgroups: Enforce limits by groups of the kernel, where they can be made; else by supervision alone.
        backfill_wait: Seconds that small jobs may go before a large one that waits for room; then room is kept for it.
    """

    vcpus: float | None = Field(None, gt=0)
    cpu_overcommit: float = Field(2.0, ge=1, le=64)
    memory_bytes: ByteSize | None = Field(None, gt=0)
    memory_reserve: ByteSize | None = Field(None, ge=0)
    gpus: int | None = Field(None, ge=0)
    cgroups: bool = True
    backfill_wait: float = Field(5.0, ge=0)


class SlotSettings(Table):
    """``[slots]``: the processes in which jobs run.

    Attributes:
        idle_seconds: After which an idle one is closed, down to its queue's ``min_slots``.
        recycle_jobs: After so many jobs one is replaced by a fresh process.
        recycle_bytes: So it is when it is larger than that after a job, in resident bytes.
        prewarm: Start the ``min_slots`` of every queue with the worker, rather than when its first job comes.
    """

    idle_seconds: float = Field(60.0, ge=0)
    recycle_jobs: int = Field(1000, ge=1)
    recycle_bytes: ByteSize = Field(ByteSize(1024**3), gt=0)
    prewarm: bool = False
