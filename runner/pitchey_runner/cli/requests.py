"""The job that a processor's verb asks for."""

from __future__ import annotations

import click

from pitchey_runner.cli.payload_options import given_payload
from pitchey_runner.store.interface import Priority
from pitchey_runner.submission import JobRequest

__all__ = ["request_from"]


def request_from(ctx: click.Context, processor: str) -> JobRequest:
    """Read the parsed options of ``pitchey-run PROCESSOR`` or ``pitchey-run submit PROCESSOR``."""
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
    )
