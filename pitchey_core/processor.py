"""What a processor is.

::

    class Watermark(Processor[WatermarkPayload, WatermarkFacts]):
        def process(self, payload, job):
            source = job.fetch(payload.input_url)
            target = job.artifact("stamped.mp4", "video/mp4")
            job.run("ffmpeg", ["-i", source, …, target])
            return WatermarkFacts(…)

``process`` is ``def`` (it runs in the slot's main thread and gets a :class:`~pitchey_core.context.JobContext`) or
``async def`` (it gets an :class:`~pitchey_core.context.AsyncJobContext` with the same names).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from pitchey_core.errors import PitcheyError, RegistryError
from pitchey_core.hooks import ProcessorSpec
from pitchey_core.payload import Payload
from pitchey_core.pricing import Usage, format_usd
from pitchey_core.storage.artifacts import Artifact

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = [
    "MAX_FACTS_BYTES",
    "AnyProcessor",
    "BatchProcessor",
    "Facts",
    "Plan",
    "PlanStep",
    "PlanningProcessor",
    "Processor",
    "Result",
]

MAX_FACTS_BYTES = 256 * 1024
"""Facts larger than this, as JSON, fail the job: what is that large belongs into an artifact."""


class Facts(BaseModel):
    """Base of what a processor reports beside its outputs: what it found, and what it did to its input.

    Attributes:
        partial: Some outputs are missing; set through :class:`~pitchey_core.errors.PartialFailure`.
    """

    model_config = ConfigDict(extra="forbid")

    partial: bool = False

    def in_words(self) -> str:
        """What a person at a terminal reads of them. Nothing, where the outputs are the answer."""
        return ""


P = TypeVar("P", bound=Payload)
F = TypeVar("F", bound=Facts)


class PlanStep(BaseModel):
    """One thing that would be done.

    Attributes:
        subject: What it is done to: ``video stream 0``, ``page 3``.
        action: One word: ``copy``, ``encode``, ``drop``, ``ocr``, …
        detail: To what, in the words of the field.
        reason: Why.
    """

    subject: str
    action: str
    detail: str = ""
    reason: str = ""


class Plan(BaseModel):
    """What a processor would do, without doing it.

    The predictions are estimates: ``wall_seconds`` and ``cpu_seconds`` in seconds, ``output_bytes`` in bytes;
    ``None`` where the processor cannot tell. ``cost_usd`` is filled in by the caller's price book.
    """

    summary: str
    steps: list[PlanStep] = []
    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    output_bytes: int | None = None
    cost_usd: str | None = None


class Processor(ABC, Generic[P, F]):
    """Base of all processors. One instance per process serves many jobs, one after another.

    An instance may keep heavy state (models, sessions) between jobs; whatever belongs to one job lives in ``job``.

    Attributes:
        payload_model, facts_model: The models given as ``Processor[payload_model, facts_model]``.
        spec: The specification under which the plugin registered it.
    """

    payload_model: ClassVar[type[Payload]]
    facts_model: ClassVar[type[Facts]]

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, Processor):
                models = [arg for arg in get_args(base) if isinstance(arg, type)]
                if len(models) == 2:
                    cls.payload_model, cls.facts_model = models

    def __init__(self, spec: ProcessorSpec) -> None:
        if not hasattr(type(self), "payload_model"):
            raise RegistryError(
                f"processor {spec.name!r}: declare its models as {type(self).__name__}(Processor[Payload, Facts])"
            )
        self.spec = spec

    @abstractmethod
    def process(self, payload: P, job: Any) -> F | Awaitable[F]:
        """Do the work of one job.

        Outputs are written to paths from ``job.artifact``; they are published after the return, all or none.

        Raises:
            InputError: The input can never work.
            LimitExceeded, ToolFailed, TransientError: As their names say.
            PartialFailure: Publish what is there, and count the job as failed.
        """


class PlanningProcessor(Processor[P, F]):
    """A processor that can say beforehand what it would do (``--dry-run``)."""

    @abstractmethod
    def plan(self, payload: P, job: JobContext) -> Plan:
        """What would be done. Reads the input, writes nothing."""


class BatchProcessor(Processor[P, F]):
    """A processor that gains from doing several jobs in one call (inference)."""

    @abstractmethod
    def process_batch(self, payloads: Sequence[P], jobs: Sequence[JobContext]) -> Sequence[F | PitcheyError]:
        """Do the work of several jobs; the answer has one item per job, in order."""


AnyProcessor: TypeAlias = Processor[Any, Any]


@dataclass(frozen=True, slots=True)
class Result(Generic[F]):
    """The outcome of a job: what :func:`pitchey_core.run` returns and ``pitchey-run … --json`` prints.

    Attributes:
        status: ``completed``, ``failed`` or ``cancelled``.
        artifacts: Published outputs.
        facts: The processor's typed facts; ``None`` if it failed.
        cost_nanos: In nano-dollars.
    """

    job_id: str
    status: str
    artifacts: tuple[Artifact, ...] = ()
    facts: F | None = None
    usage: Usage = field(default_factory=Usage)
    cost_nanos: int = 0
    error: PitcheyError | None = None

    @property
    def cost_usd(self) -> str:
        return format_usd(self.cost_nanos)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from pitchey_core.notebook import result_html

        return result_html(self)

    def as_record(self) -> dict[str, Any]:
        """The public Result object, as JSON data."""
        return {
            "job_id": self.job_id,
            "status": self.status,
            "artifacts": [artifact.as_record() for artifact in self.artifacts],
            "facts": self.facts.model_dump(mode="json") if self.facts is not None else {},
            "usage": self.usage.as_record(),
            "cost_usd": self.cost_usd,
            "error": self.error.as_record() if self.error else None,
        }
