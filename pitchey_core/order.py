"""A job on its way to a slot: everything that the child process has to know, as JSON data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pitchey_core.hooks import ProcessorSpec, QueueDefaults
from pitchey_core.resources import Limits

__all__ = ["JobOrder"]


@dataclass(frozen=True, slots=True)
class JobOrder:
    """One attempt of one job.

    Attributes:
        claim_seq: The fencing token; with ``job_id`` it names this attempt.
        output: URL of the folder to publish in; ``None`` where the caller wants no files.
        base_dir: Local folder under which this attempt's work folder and log come into being on first use.
        scratch_dir: Local folder that survives attempts, keyed by job and plugin version.
        tools: Paths that the settings give for external programs, by tool name.
        fetch_policy: See :class:`pitchey_core.storage.FetchPolicy`; its fields as JSON data.
        options: The plugin's own table of the settings (``plugins.NAME``).
    """

    job_id: str
    claim_seq: int
    attempt: int
    spec: ProcessorSpec
    payload: dict[str, Any]
    limits: Limits
    base_dir: Path
    scratch_dir: Path
    output: str | None = None
    overwrite: bool = False
    tools: dict[str, str] = field(default_factory=dict)
    fetch_policy: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of this attempt's folders: unique per claim, so that two attempts can never share one."""
        return f"{self.job_id}.{self.claim_seq}"

    @property
    def workdir(self) -> Path:
        return self.base_dir / "work" / self.key

    @property
    def log_path(self) -> Path:
        return self.base_dir / "logs" / self.job_id[:2] / f"{self.key}.log"

    def as_record(self) -> dict[str, Any]:
        record = asdict(self)
        record["base_dir"] = str(self.base_dir)
        record["scratch_dir"] = str(self.scratch_dir)
        return record

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> JobOrder:
        spec = dict(record["spec"])
        spec["queue"] = QueueDefaults(**spec["queue"])
        spec["aliases"] = tuple(spec["aliases"])
        spec["tools"] = tuple(spec["tools"])
        return cls(
            **{
                **record,
                "spec": ProcessorSpec(**spec),
                "limits": Limits.from_record(record["limits"]),
                "base_dir": Path(record["base_dir"]),
                "scratch_dir": Path(record["scratch_dir"]),
            }
        )
