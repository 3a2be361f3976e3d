"""The job that a processor's verb asks for."""

from __future__ import annotations

from typing import Any

import click

from pitchey_core.errors import UnknownName, UsageError
from pitchey_runner.cli.invocation import resolve_id
from pitchey_runner.cli.payload_options import given_payload
from pitchey_runner.store.interface import Dependency, JobStore, OnFailure, Priority, RateLimit, Unique
from pitchey_runner.submission import JobRequest

__all__ = ["dependencies_from", "rate_from", "request_from"]


def request_from(ctx: click.Context, processor: str, *, store: JobStore | None = None) -> JobRequest:
    """Read the parsed options of ``pitchey-run PROCESSOR`` or ``pitchey-run submit PROCESSOR``.

    Args:
        store: Where the jobs are that this one depends on.
    """
    options = ctx.params
    return JobRequest(
        type=processor,
        payload=given_payload(ctx),
        output=options["output"],
        overwrite=options["overwrite"],
        priority=Priority(options["priority"]),
        delay_seconds=options.get("delay", 0.0),
        wall_limit=options["wall_limit"],
        instance_type=options["instance_type"],
        organization_id=options.get("organization", "default"),
        retries=options.get("retries"),
        unique=_unique(options),
        depends_on=() if store is None else dependencies_from(store, options.get("depends_on", ())),
        **_line(options),
    )


def dependencies_from(store: JobStore, texts: tuple[str, ...]) -> tuple[Dependency, ...]:
    """``ID`` or ``ID:POLICY``, where ``ID`` may be the beginning of one."""
    found = []
    for text in texts:
        job_id, _, policy = text.partition(":")
        if policy not in ("", *OnFailure):
            raise UnknownName("policy of a dependency:", policy, [each.value for each in OnFailure])
        found.append(Dependency(resolve_id(store, job_id), OnFailure(policy or "cancel")))
    return tuple(found)


def rate_from(text: str | None) -> RateLimit | None:
    """``10/60``: ten in sixty seconds."""
    if text is None:
        return None
    count, _, seconds = text.partition("/")
    try:
        return RateLimit(int(count), float(seconds or 1))
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is no rate", remedy="write N/SECONDS, such as 10/60 for ten in a minute"
        ) from None


def _unique(options: dict[str, Any]) -> Unique | None:
    key, seconds = options.get("unique"), options.get("unique_for")
    if key is None and seconds is not None:
        raise UsageError("--unique-for says for how long a KEY is taken: name it with --unique")
    return None if key is None else Unique(key, seconds)


def _line(options: dict[str, Any]) -> dict[str, Any]:
    key, limit, rate = options.get("concurrency_key"), options.get("key_limit"), options.get("key_rate")
    if (key is None) != (limit is None and rate is None):
        raise UsageError(
            "a key without a limit does nothing, and a limit needs a key",
            remedy="give --key together with --key-limit or --key-rate",
        )
    return {"concurrency_key": key, "concurrency_limit": limit, "rate": rate_from(rate)}
