"""What happens to jobs, line by line."""

from __future__ import annotations

import sys

import click

from pitchey_runner.cli.render.output import write_json
from pitchey_runner.cli.render.units import local_time
from pitchey_runner.cli.text import printable
from pitchey_runner.store.interface import JobEvent, JobRecord

__all__ = ["HappeningLines"]


class HappeningLines:
    """Writes each at once: JSON or words on stdout."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def found(self, job: JobRecord) -> None:
        if self._as_json:
            self._json(
                {"kind": "state", "job_id": job.id, "type": job.type, "state": job.status, "error": job.error}
            )
        else:
            words = f": {job.error['message']}" if job.error and job.status.finished else ""
            self._line(f"{'':19}  {job.id[:8]} {job.type} is {job.status.value}{words}")

    def happened(self, event: JobEvent, job_type: str) -> None:
        if self._as_json:
            self._json(
                {
                    "kind": event.kind,
                    "seq": event.seq,
                    "job_id": event.job_id,
                    "type": job_type,
                    "state": event.state,
                    "at": event.at.isoformat(),
                    "data": event.data,
                }
            )
            return
        data = event.data or {}
        words = [local_time(event.at), "", event.job_id[:8], job_type, event.kind.replace("_", " ")]
        if (attempt := data.get("attempt", 1)) > 1:
            words.append(f"(attempt {attempt})")
        if error := data.get("error"):
            words.append(f": {error.get('message')}")
        self._line(" ".join(words).replace(" : ", ": "))

    def progressed(self, job: JobRecord) -> None:
        # People see bars, or the few lines that matter.
        if self._as_json:
            self._json(
                {
                    "kind": "progress",
                    "job_id": job.id,
                    "type": job.type,
                    "progress": job.progress,
                    "message": job.message,
                }
            )

    def _json(self, data: dict[str, object]) -> None:
        write_json(data)
        sys.stdout.flush()

    def _line(self, text: str) -> None:
        click.echo(printable(text))
        sys.stdout.flush()
