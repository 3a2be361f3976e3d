"""From what a user asks for to a job in the store."""

from __future__ import annotations

import functools
import getpass
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pitchey_core.errors import StoreError, UsageError
from pitchey_core.host import Host, digest
from pitchey_core.payload import map_input_files
from pitchey_core.storage import to_path, to_url
from pitchey_runner.store.interface import (
    Dependency,
    JobRecord,
    JobStore,
    NewJob,
    Priority,
    RateLimit,
    Unique,
)
from pitchey_runner.store.new_job import LONGEST_SECONDS, MOST
from pitchey_runner.telemetry import trace_context

__all__ = ["JobRequest", "input_fingerprints", "inputs_of", "known_bytes", "new_job", "result_of", "submit"]

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job as a user describes it.

    Attributes:
        type: Name or alias of a processor.
        payload: As the user wrote it; paths may be relative.
        output: Folder (path or URL) for the outputs.
        delay_seconds: How long the job waits before it may run.
        wall_limit: Seconds that one run may take; ``None``: the processor's own limit.
        instance_type: What the job reserves; ``None``: the processor's own.
        unique, depends_on, concurrency_key, concurrency_limit, rate: See
            :class:`~pitchey_runner.store.interface.NewJob`.
        organization_id: Who pays for it.
        retries: Attempts after the first; ``None``: as the queue has it.
    """

    type: str
    payload: Mapping[str, Any]
    output: str | None = None
    overwrite: bool = False
    priority: Priority = Priority.MEDIUM
    delay_seconds: float = 0.0
    wall_limit: float | None = None
    instance_type: str | None = None
    unique: Unique | None = None
    depends_on: tuple[Dependency, ...] = ()
    concurrency_key: str | None = None
    concurrency_limit: int | None = None
    rate: RateLimit | None = None
    organization_id: str = "default"
    retries: int | None = None


def new_job(
    host: Host,
    request: JobRequest,
    *,
    base: Path,
    batch_id: str | None = None,
    item_key: str | None = None,
) -> NewJob:
    """Validate a request and make it what the store keeps.

    Args:
        base: The absolute folder that relative paths start from.

    Raises:
        UnknownName, UsageError: The processor does not exist or the payload is wrong.
        InputError: A path is none.
        ExtraMissing: The processor needs packages that are not installed.
    """
    spec = host.spec(request.type)
    payload = host.normalise(spec.name, request.payload, base=base)
    if request.wall_limit is not None and not 0 < request.wall_limit <= LONGEST_SECONDS:
        raise UsageError(
            f"wall_limit: {request.wall_limit} is not a number of seconds above 0, up to 10 years"
        )
    if not 0 <= request.delay_seconds <= LONGEST_SECONDS:
        raise UsageError(f"delay: {request.delay_seconds} is not a number of seconds from 0 to 10 years")
    for name, text in (
        ("organization", request.organization_id),
        ("batch", batch_id),
        ("unique", None if request.unique is None else request.unique.key),
        ("concurrency_key", request.concurrency_key),
    ):
        if text is not None and not _storable(text):
            raise UsageError(f"{name}: {text!r} is empty, or has characters that not every database takes")
    instance = host.instance(request.instance_type or spec.resources)
    retries = host.queue(spec.name).retries if request.retries is None else request.retries
    if not 0 <= retries < MOST:
        raise UsageError(f"retries: {retries} is not a number from 0 to {MOST - 1}")
    return NewJob(
        type=spec.name,
        payload=payload,
        priority=request.priority,
        output=None if request.output is None else to_url(request.output, base),
        overwrite=request.overwrite,
        delay_seconds=request.delay_seconds,
        max_attempts=retries + 1,
        instance_type=instance.name,
        wall_limit=request.wall_limit,
        batch_id=batch_id,
        item_key=item_key,
        **inputs_of(host, spec.name, payload),
        organization_id=request.organization_id,
        unique=request.unique,
        depends_on=request.depends_on,
        concurrency_key=request.concurrency_key,
        concurrency_limit=request.concurrency_limit,
        rate=request.rate,
        plugin_version=host.registry.registered(spec.name).plugin.version,
        submitted_by=_user(),
        trace_parent=trace_context.current(),
    )


def submit(store: JobStore, jobs: Sequence[NewJob]) -> list[str]:
    """Enqueue jobs, all or none, and return their ids; where a job of the same unique key is there, that one's.

    Raises:
        StoreError: One of them is in its batch already.
        UnknownName: One depends on a job that is not there.
        BudgetExceeded: A budget takes no new jobs.
    """
    ids = [job_id for job_id in store.enqueue(jobs) if job_id is not None]
    if len(ids) < len(jobs):
        raise StoreError("a job of this batch is in the store already")
    return ids


def inputs_of(host: Host, name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """What a store keeps of a payload's inputs: their digest with the payload, and their size as far as it is known."""
    fingerprints = input_fingerprints(host, name, payload)
    return {"input_digest": digest(name, payload, fingerprints), "input_bytes": known_bytes(fingerprints)}


def known_bytes(fingerprints: Sequence[tuple[str, int, int] | tuple[str]]) -> int | None:
    """The size of all inputs together; ``None`` where there are none, or that of one is not known."""
    sizes = [each[1] if len(each) == 3 else None for each in fingerprints]
    known = [size for size in sizes if size is not None]
    return sum(known) if known and len(known) == len(sizes) else None


def input_fingerprints(
    host: Host, name: str, payload: Mapping[str, Any]
) -> list[tuple[str, int, int] | tuple[str]]:
    """URL, size and modification time (ns) of each input; of remote and missing ones the URL alone."""
    found: list[tuple[str, int, int] | tuple[str]] = []

    def look(url: str) -> str:
        path = to_path(url)
        try:
            status = path.stat() if path is not None else None
        except OSError:
            status = None
        found.append((url, status.st_size, status.st_mtime_ns) if status else (url,))
        return url

    map_input_files(host.registry.processor(name).payload_model, payload, look)
    return found


def result_of(record: JobRecord) -> dict[str, Any]:
    """The public Result object of a job, also of one that never ran."""
    if record.result is not None:
        return record.result
    public = record.as_record()
    return {
        "job_id": record.id,
        "status": public["status"],
        "artifacts": [],
        "facts": {},
        "usage": {},
        "cost_usd": public["estimated_cost_usd"],
        "error": record.error,
    }


def _storable(text: str) -> bool:
    """Whether a name or key is there, and text: surrogates have no encoding, and Postgres keeps no NUL."""
    return bool(text) and "\0" not in text and (text.isascii() or not _SURROGATE.search(text))


@functools.cache
def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run under a number that has no name.
        return None
