"""Run one job in this process, through the real context, staging and publication."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pitchey_video.plugin
from pitchey_core.context import JobContext
from pitchey_core.order import JobOrder
from pitchey_core.payload import parse_payload
from pitchey_core.processor import AnyProcessor, Facts, Plan, PlanningProcessor
from pitchey_core.registry import Registry
from pitchey_core.resources import GIB, Limits
from pitchey_core.storage import publish, to_url

__all__ = ["Finished", "JobBench"]


@dataclass(slots=True)
class Finished:
    """A completed job: its facts and its published files by artifact name."""

    facts: Any
    files: dict[str, Path]
    output: Path
    progress: list[tuple[float | None, str | None, dict[str, Any]]] = field(default_factory=list)

    @property
    def video(self) -> Path:
        return self.files[self.facts.output_name]


class JobBench:
    """Builds jobs of one processor whose outputs go to folders below ``root``."""

    def __init__(
        self,
        root: Path,
        processor: str = "video",
        plugin: object = pitchey_video.plugin,
        *,
        input_field: str = "input_url",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.root = root
        self.registry = Registry()
        self.registry.register(plugin)
        self.processor: AnyProcessor = self.registry.processor(processor)
        self.limits = Limits(wall_seconds=300.0, memory_bytes=4 * GIB, vcpus=2.0)
        self.tools: dict[str, str] = {}
        self.input_field = input_field
        self.options = dict(options or {})

    def context(
        self,
        payload: Mapping[str, Any],
        output: Path,
        *,
        overwrite: bool = False,
        cancelled: Callable[[], bool] | None = None,
        report: Callable[..., None] | None = None,
        job_id: str | None = None,
        attempt: int = 1,
    ) -> JobContext:
        """A job's context, as a slot would build it."""
        job_id = job_id or str(uuid.uuid4())
        order = JobOrder(
            job_id=job_id,
            claim_seq=attempt,
            attempt=attempt,
            spec=self.processor.spec,
            payload=dict(payload),
            limits=self.limits,
            base_dir=self.root / "base",
            output=to_url(output, Path.cwd()),
            overwrite=overwrite,
            tools=self.tools,
            options=self.options,
        )
        return JobContext(order, registry=lambda: self.registry, report=report, cancelled=cancelled)

    def run(
        self,
        source: Path | str,
        *,
        output: Path | None = None,
        overwrite: bool = False,
        cancelled: Callable[[], bool] | None = None,
        **fields: Any,
    ) -> Finished:
        """Run one job to its published end; what it raises is raised, after its files were discarded."""
        folder = output or self.root / f"out-{uuid.uuid4().hex[:8]}"
        payload = self.payload(source, fields)
        seen: list[tuple[float | None, str | None, dict[str, Any]]] = []

        def report(fraction: float | None, message: str | None, figures: dict[str, Any]) -> None:
            seen.append((fraction, message, figures))

        job = self.context(payload, folder, overwrite=overwrite, cancelled=cancelled, report=report)
        try:
            facts = self.processor.process(parse_payload(self.processor.payload_model, payload), job)
            assert isinstance(facts, Facts)
            facts.model_dump_json()
            artifacts = publish(job.stage.seal())
        except BaseException:
            job.discard()
            raise
        files = {artifact.name: folder / artifact.name for artifact in artifacts}
        return Finished(facts, files, folder, seen)

    def plan(self, source: Path | str, **fields: Any) -> Plan:
        """What a job would do."""
        assert isinstance(self.processor, PlanningProcessor)
        payload = self.payload(source, fields)
        job = self.context(payload, self.root / "planned")
        planned = self.processor.plan(parse_payload(self.processor.payload_model, payload), job)
        assert not (self.root / "planned").exists()
        return planned

    def payload(self, source: Path | str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Payload data as it looks after submission, with an absolute URL."""
        url = to_url(source, Path.cwd()) if isinstance(source, Path) else source
        return {self.input_field: url, **fields}
