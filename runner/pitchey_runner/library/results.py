"""From a job's record to the typed Result that :func:`pitchey_core.run` returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, ValidationError

from pitchey_core.errors import PartialFailure, PitcheyError, error_from_record
from pitchey_core.pricing import Usage, parse_usd
from pitchey_core.processor import Facts, Result
from pitchey_core.registry import Registry
from pitchey_core.storage import Artifact
from pitchey_runner.store.interface import JobRecord
from pitchey_runner.submission import result_of

__all__ = ["UntypedFacts", "typed_result"]


class UntypedFacts(Facts):
    """Facts of a processor that is not installed here, or of another version: every field as it came."""

    model_config = ConfigDict(extra="allow")


def typed_result(registry: Registry, record: JobRecord) -> Result[Any]:
    """The Result of a finished job."""
    public = result_of(record)
    given: Mapping[str, Any] = public.get("facts") or {}
    error = error_from_record(public["error"]) if public.get("error") else None
    if isinstance(error, PartialFailure):
        error.facts = dict(given)
    return Result(
        job_id=record.id,
        status=str(public["status"]),
        artifacts=tuple(Artifact.from_record(each) for each in public.get("artifacts", ())),
        facts=_facts(registry, record.type, given) if given else None,
        usage=Usage.from_record(public.get("usage") or {}),
        cost_nanos=parse_usd(public["cost_usd"]),
        error=error,
    )


def _facts(registry: Registry, job_type: str, given: Mapping[str, Any]) -> Facts:
    try:
        return registry.processor(job_type).facts_model.model_validate(given)
    except (PitcheyError, ValidationError):
        return UntypedFacts.model_validate(given)
