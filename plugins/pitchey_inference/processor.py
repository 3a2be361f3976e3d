"""The ``inference`` processor: the items of all jobs of a batch, model by model."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pitchey_core.errors import Cancelled, InputError, LimitExceeded, PartialFailure, PitcheyError
from pitchey_core.processor import BatchProcessor
from pitchey_inference.answers import place
from pitchey_inference.bundles.opening import Access
from pitchey_inference.catalog import KIND, Catalog
from pitchey_inference.checks import ModelLimits
from pitchey_inference.facts import InferenceFacts, ModelFacts, RuntimeFacts
from pitchey_inference.faults import as_fault
from pitchey_inference.loaded import MODELS_IN_USE, Ready
from pitchey_inference.outputs import (
    Failure,
    ImageClassification,
    Output,
    Summary,
    TextClassification,
    ZeroShot,
)
from pitchey_inference.parameters import parse_parameters
from pitchey_inference.payload import InferencePayload
from pitchey_inference.reading import read_items
from pitchey_inference.tasks.base import Answer, Request, Stop

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["InferenceProcessor"]

_CHUNK: Final = 1024
"""Requests of one call of a task: between two calls progress is reported."""

_SETTINGS: Final = ("threads", "fetch_policy", "options")
"""Of a job: what decides, beside its name, which model is meant and how it is loaded."""

_WALL_SHARE: Final = 0.9
"""Of the wall limit of a batch's jobs, before one model among several is broken off."""


@dataclass(slots=True)
class _Work:
    """A job that can be run."""

    number: int
    payload: InferencePayload
    job: JobContext
    ready: Ready
    requests: list[Request[Any]]
    listed: bool
    began: float
    told: bool
    answers: list[Answer] = field(default_factory=list)


class InferenceProcessor(BatchProcessor[InferencePayload, InferenceFacts]):
    """Asks models; see :class:`~pitchey_inference.payload.InferencePayload`."""

    def process(self, payload: InferencePayload, job: JobContext) -> InferenceFacts:
        """Ask a model about the items of one job.

        Raises:
            UnknownName: There is no such model, parameter, field or tensor.
            UsageError: The model takes something else.
            InputError: A model or an input is damaged, or does not fit.
            LimitExceeded: A model or an input is larger than it may be.
            ExtraMissing: A model needs what is not installed.
            PartialFailure: Some items of a list failed; the answers to the others are in the facts.
        """
        (answer,) = self.process_batch([payload], [job])
        if isinstance(answer, PitcheyError):
            raise answer
        return answer

    def process_batch(
        self, payloads: Sequence[InferencePayload], jobs: Sequence[JobContext]
    ) -> list[InferenceFacts | PitcheyError]:
        """The same for several jobs; those of one model are computed together, and fail apart."""
        found: list[InferenceFacts | PitcheyError | None] = [None] * len(jobs)
        groups: dict[int, list[_Work]] = {}
        opened = _Opened()
        for number, (payload, job) in enumerate(zip(payloads, jobs, strict=True)):
            try:
                work = _prepared(number, payload, job, opened, alone=len(jobs) == 1)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this job's alone
                found[number] = as_fault(error, job)
                continue
            groups.setdefault(id(work.ready), []).append(work)
        # What comes with an installed package first: a stranger's model may take all the time there is.
        for group in sorted(groups.values(), key=lambda each: each[0].ready.found.origin == "path"):
            _answer_group(group, jobs, time.monotonic())
            runtime = _runtime(group)
            for work in group:
                found[work.number] = _concluded(work, runtime)
        return [each for each in found if each is not None]


class _Opened:
    """The models of one call. What a name means, and whether its files have changed, is looked up once for all jobs
    of a batch that ask for the same under the same settings."""

    def __init__(self) -> None:
        self._known: dict[str, list[tuple[JobContext, Ready]]] = {}

    def has_session(self, model: str) -> bool:
        """Whether somebody has asked for it already, and found it loaded."""
        return any(ready.model.sessions for _, ready in self._known.get(model, ()))

    def get(self, model: str, job: JobContext, limits: ModelLimits) -> Ready:
        same = self._known.setdefault(model, [])
        for other, ready in same:
            if all(getattr(job, name) == getattr(other, name) for name in _SETTINGS):
                return ready
        catalog = Catalog.of(job.catalog(KIND), job.options)
        access = Access(job.fetch_policy, job.fetch, lambda: job.cancelled)
        ready = MODELS_IN_USE.get(model, catalog, access, threads=job.threads, limits=limits)
        same.append((job, ready))
        return ready


def _prepared(
    number: int, payload: InferencePayload, job: JobContext, opened: _Opened, *, alone: bool
) -> _Work:
    began = time.monotonic()
    job.check()
    limits = ModelLimits.from_options(job.options)
    # Of the others of a batch whose model is there already nobody would see more than their end.
    told = alone or not opened.has_session(payload.model)
    if told:
        job.progress(0.0, f"opening model {payload.model}")
    ready = opened.get(payload.model, job, limits)
    parameters = parse_parameters(ready.task.parameters, payload.all_parameters, ready.model.manifest.task)
    items, listed = read_items(payload, job, ready.task.accepts, limits.max_items)
    requests = [Request(each, parameters) for each in items]
    return _Work(number, payload, job, ready, requests, listed, began, told)


def _answer_group(group: Sequence[_Work], jobs: Sequence[JobContext], began: float) -> None:
    """Fill the answers of jobs that ask the same model.

    In a batch, a model that takes too long is broken off shortly before the batch would be killed for it, so that
    the answers of the others are not lost.
    """
    limit = max(work.job.limits.wall_seconds or 0.0 for work in group)
    deadline = began + _WALL_SHARE * limit if limit and len(jobs) > 1 else None

    def stop() -> bool:
        # A call serves many: it is broken off when nobody wants its answer any more.
        return (deadline is not None and time.monotonic() > deadline) or all(job.cancelled for job in jobs)

    requests = [request for work in group for request in work.requests]
    answers: list[Answer]
    try:
        answers = _all_answers(group, requests, stop)
    except Cancelled:
        if all(job.cancelled for job in jobs):
            raise
        error = LimitExceeded(
            f"the model ran longer than {_WALL_SHARE * limit:g} s of the job's {limit:g} s",
            limit="wall",
            remedy="raise the processor's wall_limit",
        )
        answers = [error] * len(requests)
    except Exception as defect:  # noqa: BLE001 - of this model; the jobs of the others go on
        answers = [as_fault(defect, group[0].job)] * len(requests)
    at = 0
    for work in group:
        work.answers = answers[at : at + len(work.requests)]
        at += len(work.requests)


def _all_answers(group: Sequence[_Work], requests: Sequence[Request[Any]], stop: Stop) -> list[Answer]:
    answers: list[Answer] = []
    for at in range(0, len(requests), _CHUNK):
        answers += _answers(group[0].ready.task, requests[at : at + _CHUNK], stop)
        for work in group if len(requests) > _CHUNK else ():
            done = 0.95 * len(answers) / len(requests)
            # The others still want their answers.
            work.told = True
            with contextlib.suppress(Cancelled):
                work.job.progress(done, f"{len(answers)} of {len(requests)} items")
    return answers


def _answers(task: Any, requests: Sequence[Request[Any]], stop: Stop) -> list[Answer]:
    """Ask all at once; where that fails, in halves, so that one bad item does not take the others with it."""
    try:
        found: list[Answer] = task.run(requests, stop)
        return found
    except Cancelled:
        raise
    except InputError as error:
        if len(requests) == 1 or _is_of_model(task, error):
            return [error] * len(requests)
        middle = len(requests) // 2
        return [*_answers(task, requests[:middle], stop), *_answers(task, requests[middle:], stop)]
    except PitcheyError as error:
        return [error] * len(requests)


def _is_of_model(task: Any, error: InputError) -> bool:
    """Whether a model cannot be used at all: then every half would load it, and fail, again."""
    sessions = task.model.sessions
    return not sessions or not str(error.message).startswith("the model failed")


def _runtime(group: Sequence[_Work]) -> RuntimeFacts:
    model = group[0].ready.model
    sessions = model.sessions
    began = min(work.began for work in group)
    fresh = sum(each.load_seconds for each in sessions if each.loaded_at >= began)
    providers = sessions[-1].providers if sessions else ()
    return RuntimeFacts(
        providers=list(providers),
        threads=model.threads,
        load_seconds=round(fresh, 4),
        jobs=len(group),
        items=sum(len(work.requests) for work in group),
    )


def _concluded(work: _Work, runtime: RuntimeFacts) -> InferenceFacts | PitcheyError:
    errors = [answer for answer in work.answers if isinstance(answer, PitcheyError)]
    if errors and len(errors) == len(work.answers):
        return errors[0]
    try:
        facts = _facts(work, runtime, len(errors))
        work.job.check()
        if work.told:
            work.job.progress(1.0, "done")
    except Exception as error:  # noqa: BLE001 - as above
        return as_fault(error, work.job)
    if errors:
        return PartialFailure(
            f"{len(errors)} of {len(work.answers)} items failed; the first: {errors[0].message}",
            facts=facts.model_dump(mode="json"),
            remedy=errors[0].remedy,
        )
    return facts


def _facts(work: _Work, runtime: RuntimeFacts, failed: int) -> InferenceFacts:
    ready = work.ready
    manifest = ready.model.manifest
    placed = place(work.answers, work.payload, work.job, manifest.name)
    facts = InferenceFacts(
        model=ModelFacts(
            name=manifest.name,
            version=manifest.version,
            task=manifest.task,
            licence=manifest.licence,
            origin=ready.found.origin,
            source=ready.found.bundle.origin,
            sha256=ready.model.sha256,
        ),
        results=placed.outputs if work.listed else [],
        results_artifact=placed.artifact,
        count=len(work.answers),
        failed=failed,
        truncated=sum(_is_truncated(answer) for answer in work.answers),
        runtime=runtime,
        timings={"total": round(time.monotonic() - work.began, 4)},
    )
    if not work.listed and placed.outputs:
        (single,) = placed.outputs
        facts.result = single
        if isinstance(single, TextClassification | ImageClassification | ZeroShot):
            facts.label, facts.score = single.label, single.score
        elif isinstance(single, Summary):
            facts.summary = single.summary
    if facts.truncated:
        facts.warnings.append(
            f"{facts.truncated} of {facts.count} texts were longer than the model's input and cut off"
        )
    return facts


def _is_truncated(answer: Answer) -> bool:
    return (
        isinstance(answer, Output)
        and not isinstance(answer, Failure)
        and bool(answer.input and answer.input.truncated)
    )
