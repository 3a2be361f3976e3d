"""Jobs without a runner or a slot, for unit tests of processors."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pitchey_core.context import JobContext
from pitchey_core.hooks import ProcessorSpec
from pitchey_core.order import JobOrder
from pitchey_core.registry import Registry
from pitchey_core.resources import GIB, Limits
from pitchey_core.storage import Artifact, FetchPolicy, publish, to_url

__all__ = ["ProgressLog", "make_job", "publish_job"]

DEFAULT_LIMITS = Limits(wall_seconds=300.0, memory_bytes=2 * GIB, vcpus=1.0)


@dataclass(slots=True)
class ProgressLog:
    """Collects what a processor reports; hand it to :func:`make_job` as ``report``.

    Attributes:
        entries: Fraction done (or ``None``), message and further figures of each report.
    """

    entries: list[tuple[float | None, str | None, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, fraction: float | None, message: str | None, figures: Mapping[str, Any]) -> None:
        self.entries.append((fraction, message, dict(figures)))

    @property
    def fractions(self) -> list[float]:
        """The fractions, in order."""
        return [fraction for fraction, _, _ in self.entries if fraction is not None]


def make_job(
    folder: Path,
    processor: str | ProcessorSpec = "processor-under-test",
    *,
    output: Path | str | None = None,
    overwrite: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    attempt: int = 1,
    job_id: str | None = None,
    report: Callable[[float | None, str | None, dict[str, Any]], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    tools: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    policy: FetchPolicy | None = None,
    registry: Registry | None = None,
) -> JobContext:
    """The context of a job that runs in this process, for calling ``process`` directly.

    ::

        def test_stamps(tmp_path, clip):
            job = make_job(tmp_path, "watermark")
            processor = Registry.load().processor("watermark")
            facts = processor.process(WatermarkPayload(input_url=clip.as_uri(), text="draft"), job)
            (stamped,) = publish_job(job)

    No limit but those of ``job.run`` is enforced, and nothing is cleaned up but by ``job.discard()``: give it a
    temporary folder.

    Args:
        folder: Where its work folder, scratch folder and (by default) outputs are.
        processor: A name, of an installed processor or made up, or a specification.
        output: Folder of the outputs; default: ``output`` in ``folder``.
        overwrite: Whether outputs may be replaced.
        limits: What ``job.limits`` says.
        attempt: Number of the attempt; the fencing token is the same.
        job_id: Give the same one to a later attempt that shall find ``job.scratch`` and checkpoints.
        report: Takes progress; see :class:`ProgressLog`.
        cancelled: Asked by ``job.cancelled``.
        tools: Paths of programs, before any others.
        options: What ``job.options`` says.
        policy: What ``job.fetch`` may read.
        registry: Where tools come from; default: the installed plugins.
    """
    if registry is None:
        registry = Registry.load()
    spec = processor if isinstance(processor, ProcessorSpec) else _specification(registry, processor)
    base = folder.absolute()
    number = job_id or str(uuid.uuid4())
    order = JobOrder(
        job_id=number,
        claim_seq=attempt,
        attempt=attempt,
        spec=spec,
        payload={},
        limits=limits,
        base_dir=base,
        output=to_url(output if output is not None else base / "output", base),
        overwrite=overwrite,
        tools=dict(tools or {}),
        fetch_policy=(policy or FetchPolicy()).as_record(),
        options=dict(options or {}),
    )
    installed = registry
    return JobContext(order, registry=lambda: installed, report=report, cancelled=cancelled)


def _specification(registry: Registry, name: str) -> ProcessorSpec:
    registered = registry.processors.get(name)
    return registered.spec if registered else ProcessorSpec(name, "nowhere:Nothing", "Made up by a test")


def publish_job(job: JobContext) -> list[Artifact]:
    """Publish what a job has staged, as its runner would after ``process`` has returned.

    Raises:
        ProcessorError: An output was reserved but not written.
        OutputExists: An output is there already.
    """
    return publish(job.stage.seal())
