"""From the outcome of an attempt to a settled job: commit the manifest, publish, settle. Each step is fenced.

The order is what makes completion exact: once a manifest is committed the outputs *will* become visible, by this
worker or by whoever rescues its jobs, and only then is the job ``completed``.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from pitchey_core.errors import OutOfSpace, PitcheyError, UnknownName, error_from_record
from pitchey_core.host import Host
from pitchey_core.pricing import Usage
from pitchey_core.slots import Outcome
from pitchey_core.storage import Manifest, Stage, discard_stale, publish
from pitchey_runner.store.interface import (
    AttemptOutcome,
    Claim,
    ClaimedJob,
    JobState,
    JobStore,
    ManifestCommit,
    Settlement,
)
from pitchey_runner.supervisor.events import JobSettled
from pitchey_runner.supervisor.orders import discard_work
from pitchey_runner.supervisor.policy import BACKOFF_BASE_SECONDS, Verdict, judge

__all__ = ["Settler"]

_log = logging.getLogger(__name__)
_PUBLISH_TRIES: Final = 4


@dataclass(slots=True)
class _End:
    """An attempt on its way to being settled.

    Attributes:
        committed: What it publishes is committed.
        postponed: There is no space to publish it now.
    """

    job: ClaimedJob
    outcome: Outcome
    settlement: Settlement
    committed: bool = False
    postponed: bool = False

    @property
    def publishes(self) -> bool:
        return self.outcome.manifest is not None and self.settlement.state in {
            JobState.COMPLETED,
            JobState.FAILED,
        }


class Settler:
    """Settles attempts in a store. Blocking; call it in a thread.

    Args:
        backoff_base: Seconds that the first retry waits at most.
    """

    def __init__(self, store: JobStore, host: Host, *, backoff_base: float = BACKOFF_BASE_SECONDS) -> None:
        self.store = store
        self.host = host
        self.backoff_base = backoff_base

    def settle(self, ended: Sequence[tuple[ClaimedJob, Outcome]]) -> list[JobSettled | None]:
        """Settle attempts, in one transaction.

        Returns:
            For each what became of it; ``None`` where the claim was lost, and nothing was published, and where what is
            committed cannot be published yet: that one stays as it is, and is rolled forward when its lease has ended.
        """
        ends = [_End(job, outcome, self._settlement(job, outcome)) for job, outcome in ended]
        self._commit([each for each in ends if each.publishes])
        answers = iter(self.store.settle([each.settlement for each in ends if not each.postponed]))
        # Few jobs keep anything between attempts; where none ever did there is not even a folder to look in.
        scratches = {each.outcome.order.base_dir for each in ends}
        scratches = {base for base in scratches if (base / "scratch").is_dir()}
        return [None if each.postponed else self._after(each, next(answers), scratches) for each in ends]

    def _commit(self, ends: Sequence[_End]) -> None:
        """Commit what will be published, and publish it. Who may not publish was cancelled, or has lost the job."""
        if not ends:
            return
        commits = [
            ManifestCommit(each.job.claim, each.outcome.manifest or {}, _as_record(each.settlement))
            for each in ends
        ]
        tries = _PUBLISH_TRIES
        for each, committed in zip(ends, self.store.commit_manifests(commits), strict=True):
            each.committed = committed
            if committed:
                try:
                    each.settlement = self._publish(each.outcome.manifest or {}, each.settlement, tries)
                except OutOfSpace as error:
                    each.postponed, tries = True, 1
                    _log.warning("outputs of job %s wait for space: %s", each.job.claim.job_id, error)
            else:
                each.settlement = self._cancelled(each.settlement)

    def _after(self, end: _End, settled: bool, scratches: Collection[Path]) -> JobSettled | None:
        job, outcome = end.job, end.outcome
        if settled or not end.committed:
            # Else whoever took it over publishes what we have staged, and removes it then.
            self._clean_up(job, outcome)
        if not settled:
            return None
        ended_well = end.settlement.state in {JobState.COMPLETED, JobState.CANCELLED}
        if ended_well and outcome.order.base_dir in scratches:
            shutil.rmtree(outcome.order.scratch_dir, ignore_errors=True)
        return self._finish(job, end.settlement)

    def roll_forward(self, job: ClaimedJob) -> JobSettled | None:
        """Publish and settle what a dead worker had committed to."""
        assert job.manifest is not None
        assert job.settlement is not None
        settlement = self._publish(job.manifest, _from_record(job.claim, job.settlement))
        if not self.store.settle([settlement])[0]:
            return None
        discard_work(self.host, job.claim)
        return self._finish(job, settlement)

    def fail(self, job: ClaimedJob, error: PitcheyError) -> JobSettled | None:
        """Settle an attempt that could not even start."""
        verdict = self._judge(job, error)
        settlement = Settlement(
            job.claim,
            verdict.outcome,
            verdict.state,
            result=self._bare_result(job, verdict.state, error),
            error=error.as_record(),
            retry_in=verdict.retry_in,
        )
        return self._finish(job, settlement) if self.store.settle([settlement])[0] else None

    def drop(self, job: ClaimedJob, outcome: Outcome) -> None:
        """Remove what an attempt has staged whose claim was lost; another worker's staging is not touched."""
        if job.output is not None:
            Stage(
                job.output, outcome.order.key, overwrite=job.overwrite, workdir=outcome.order.workdir
            ).discard()
        discard_work(self.host, job.claim)

    def _settlement(self, job: ClaimedJob, outcome: Outcome) -> Settlement:
        verdict = self._judge(job, outcome.error)
        result = self.host.result(outcome, typed=False)
        status = JobState.FAILED if verdict.state is JobState.SCHEDULED else verdict.state
        record = result.as_record()
        record.update(status=status._value_, facts=outcome.facts or {})
        return Settlement(
            job.claim,
            verdict.outcome,
            verdict.state,
            result=record,
            error=record["error"],
            usage=result.usage,
            cost_nanos=result.cost_nanos,
            retry_in=verdict.retry_in,
            log_path=outcome.log_path,
            more_memory=verdict.more_memory,
            reserved_memory_bytes=outcome.order.limits.memory_bytes,
            enforced_by=outcome.enforced_by,
        )

    def _judge(self, job: ClaimedJob, error: PitcheyError | None) -> Verdict:
        if error is None:
            return judge(job, None)
        try:
            rules = self.host.queue(job.type).retry_rules
        except UnknownName:
            # Its processor is gone since it was claimed.
            rules = ()
        return judge(job, error, rules=rules, backoff_base=self.backoff_base)

    def _publish(
        self, manifest: dict[str, Any], settlement: Settlement, tries: int = _PUBLISH_TRIES
    ) -> Settlement:
        """Publish, patiently; a failure that stays turns the settlement into a failed one.

        Raises:
            OutOfSpace: That passes, and a part may be published: the rest will be, by whoever has the job then.
        """
        for attempt in range(1, tries + 1):
            try:
                publish(Manifest.from_record(manifest))
            except PitcheyError as error:
                if error.retryable and attempt < tries:
                    time.sleep(0.2 * 2**attempt)
                    continue
                if isinstance(error, OutOfSpace):
                    raise
                _log.warning("outputs of job %s could not be published: %s", settlement.claim.job_id, error)
                return _unpublished(settlement, error)
            else:
                break
        return settlement

    def _cancelled(self, settlement: Settlement) -> Settlement:
        result = {
            **(settlement.result or {}),
            "status": str(JobState.CANCELLED),
            "artifacts": [],
            "facts": {},
        }
        return replace(settlement, outcome=AttemptOutcome.CANCELLED, state=JobState.CANCELLED, result=result)

    def _clean_up(self, job: ClaimedJob, outcome: Outcome) -> None:
        if not outcome.died and outcome.manifest is None:
            return  # A process that lives to tell its result has removed what it need not keep.
        if job.output is not None:
            discard_stale(job.output, outcome.order.key, own=True)
        discard_work(self.host, job.claim)

    def _bare_result(self, job: ClaimedJob, state: JobState, error: PitcheyError) -> dict[str, Any]:
        return {
            "job_id": job.claim.job_id,
            "status": str(JobState.FAILED if state is JobState.SCHEDULED else state),
            "artifacts": [],
            "facts": {},
            "usage": Usage().as_record(),
            "cost_usd": "0.000000000",
            "error": error.as_record(),
        }

    def _finish(self, job: ClaimedJob, settlement: Settlement) -> JobSettled:
        final = settlement.state is not JobState.SCHEDULED
        return JobSettled(
            job.claim.job_id,
            job.type,
            settlement.state,
            error=error_from_record(settlement.error) if settlement.error else None,
            retry_in=None if final else settlement.retry_in,
            result=settlement.result if final else None,
            outcome=settlement.outcome,
            usage=settlement.usage,
            cost_nanos=settlement.cost_nanos,
        )


def _unpublished(settlement: Settlement, error: PitcheyError) -> Settlement:
    record = error.as_record()
    result = {
        **(settlement.result or {}),
        "status": str(JobState.FAILED),
        "artifacts": [],
        "facts": {},
        "error": record,
    }
    return replace(
        settlement,
        outcome=AttemptOutcome.FAILED,
        state=JobState.FAILED,
        result=result,
        error=record,
        retry_in=0.0,
    )


def _as_record(settlement: Settlement) -> dict[str, Any]:
    record = asdict(settlement)
    del record["claim"]
    return record


def _from_record(claim: Claim, record: dict[str, Any]) -> Settlement:
    return Settlement(
        **{
            **record,
            "claim": claim,
            "outcome": AttemptOutcome(record["outcome"]),
            "state": JobState(record["state"]),
            "usage": Usage.from_record(record["usage"]),
        }
    )
