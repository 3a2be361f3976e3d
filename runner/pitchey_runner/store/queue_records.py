"""What a store keeps beside jobs: queues, schedules, budgets; and what it can tell about waiting and cost.

Times are UTC datetimes, money is in nano-dollars, durations in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pitchey_core.errors import UsageError
from pitchey_core.pricing import NANOS_PER_USD, format_usd
from pitchey_runner.store.new_job import MOST, NewJob, OnFailure, RateLimit

__all__ = [
    "ALL_QUEUES",
    "THRESHOLDS",
    "Budget",
    "BudgetAction",
    "BudgetEvent",
    "BudgetPeriod",
    "BudgetScope",
    "BudgetStatus",
    "Estimate",
    "Explanation",
    "Hold",
    "Missed",
    "NewSchedule",
    "QueueLimits",
    "QueueRecord",
    "Range",
    "Reason",
    "ReasonKind",
    "ScheduleRecord",
    "most_slots",
]

ALL_QUEUES = "*"
"""The name under which limits hold for all queues together."""

THRESHOLDS = (50, 80, 100)
"""Per cent of a budget at which an event is recorded, once in each period."""

_MOST_NANOS = 9_000_000_000 * NANOS_PER_USD


class Hold(StrEnum):
    """Why a ``pending`` job is kept out of the line of those that could be claimed."""

    CONCURRENCY = "concurrency"
    RATE = "rate"
    BUDGET = "budget"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """What a queue allows, on every host together; ``None`` is no limit.

    Attributes:
        max_running: Most jobs at a time.
        rate: How often jobs may start.
        max_slots: Most slots on one host; instead of the settings' figure.

    Raises:
        UsageError: One of them would let nothing run.
    """

    max_running: int | None = None
    rate: RateLimit | None = None
    max_slots: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("max_running", self.max_running), ("max_slots", self.max_slots)):
            if value is not None and not 1 <= value <= MOST:
                raise UsageError(f"{name}: {value} is not a number from 1 to {MOST}; a queue can be paused")


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """A queue that somebody has paused or limited; all others are open and unlimited."""

    name: str
    paused: bool
    limits: QueueLimits


def most_slots(queues: Iterable[QueueRecord], name: str, settings: int) -> int:
    """Most slots of a queue on one host.

    Args:
        queues: As the store has them.
        settings: What the settings say, which the store's figure stands in for.
    """
    limits = {each.name: each.limits.max_slots for each in queues}
    own, everywhere = limits.get(name), limits.get(ALL_QUEUES)
    own = settings if own is None else own
    return own if everywhere is None else min(own, everywhere)


class Missed(StrEnum):
    """What to do about fire times at which no supervisor was there: ``skip`` them, or run ``once`` for all."""

    SKIP = "skip"
    ONCE = "once"


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """Jobs that are enqueued by the clock.

    Attributes:
        cron: Five fields, or ``@daily`` and the like.
        timezone: IANA name; the fields are read in it, across changes to and from summer time.
        template: The job; each firing enqueues one like it, under a new id.

    Raises:
        UsageError: It has no name.
    """

    name: str
    cron: str
    template: NewJob
    timezone: str = "UTC"
    missed: Missed = Missed.SKIP
    enabled: bool = True

    def __post_init__(self) -> None:
        if not self.name:
            raise UsageError("a schedule needs a name")


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """A schedule, when it fires next, and when it did last."""

    schedule: NewSchedule
    next_fire_at: datetime
    last_fire_at: datetime | None
    last_job_id: str | None


class BudgetScope(StrEnum):
    """Whose costs count. Each type of jobs has its own queue, so a queue's budget is that of its type."""

    ALL = "all"
    TYPE = "type"
    ORGANIZATION = "organization"


class BudgetPeriod(StrEnum):
    """In UTC."""

    DAY = "day"
    MONTH = "month"
    TOTAL = "total"


class BudgetAction(StrEnum):
    """What a budget that is used up does: record the events only; also let waiting jobs wait; also refuse new
    ones. What runs is never stopped, so a budget may be overdrawn by what ran when it was used up."""

    WARN = "warn"
    HOLD = "hold"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Budget:
    """How much attempts may cost in a period: failed and lost ones, too.

    Attributes:
        target: The type or organization; ``*`` for :attr:`BudgetScope.ALL`.
    """

    scope: BudgetScope
    target: str
    period: BudgetPeriod
    limit_nanos: int
    action: BudgetAction = BudgetAction.WARN

    def __post_init__(self) -> None:
        if not 1 <= self.limit_nanos <= _MOST_NANOS:
            raise ValueError("a budget is more than nothing, and at most nine billion dollars")
        if (self.scope is BudgetScope.ALL) != (self.target == ALL_QUEUES):
            raise ValueError(f"the scope {self.scope.value!r} does not go with the target {self.target!r}")

    @property
    def name(self) -> str:
        """What it is called: ``type:video/day``. There is one of a name."""
        return f"{self.scope.value}:{self.target}/{self.period.value}"

    def covers(self, job_type: str, organization_id: str) -> bool:
        """Whether a job's costs count."""
        match self.scope:
            case BudgetScope.ALL:
                return True
            case BudgetScope.TYPE:
                return self.target == job_type
            case BudgetScope.ORGANIZATION:
                return self.target == organization_id


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """A budget and what was spent of it in the period that runs.

    Attributes:
        ends_at: When the next period begins; ``None``: never.
    """

    budget: Budget
    spent_nanos: int
    starts_at: datetime
    ends_at: datetime | None

    @property
    def used_up(self) -> bool:
        return self.spent_nanos >= self.budget.limit_nanos

    @property
    def stops(self) -> bool:
        """Whether jobs that it covers may not start now."""
        return self.used_up and self.budget.action is not BudgetAction.WARN


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """A budget has reached a threshold, written with the ledger entry of the attempt that did it.

    Attributes:
        job_id: The job of that attempt; ``None``: it was reached when the budget was set.
    """

    seq: int
    budget: str
    period_start: datetime
    threshold: int
    at: datetime
    spent_nanos: int
    limit_nanos: int
    job_id: str | None


class ReasonKind(StrEnum):
    """Why a job does not run now."""

    POSITION = "position"
    DELAY = "delay"
    RETRY = "retry"
    DEPENDENCY = "dependency"
    QUEUE_PAUSED = "queue_paused"
    JOB_PAUSED = "job_paused"
    CONCURRENCY = "concurrency"
    QUEUE_LIMIT = "queue_limit"
    RATE = "rate"
    BUDGET = "budget"
    NO_WORKER = "no_worker"
    RESOURCES = "resources"
    SLOTS = "slots"
    WORKER_LOST = "worker_lost"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that a job waits for; each kind fills what it has.

    Attributes:
        kind: ``position``: ``count`` jobs stand before it in its line. ``delay``, ``retry``: until ``until``.
            ``dependency``: on job ``name``, in state ``state``, with ``on_failure``. ``queue_paused``: queue
            ``name``. ``concurrency``: key ``name``, of which ``count`` run and ``limit`` may. ``queue_limit``:
            queue ``name``, the same. ``rate``: queue or key ``name``, whose next start is at ``until``.
            ``budget``: ``name``, with ``count`` of ``limit`` nano-dollars spent, ``until`` the next period.
            ``no_worker``: no live worker takes jobs of type ``name``. ``resources``: it wants ``wanted`` of the
            ``memory`` (bytes), ``vcpus`` or ``gpus`` of a worker on ``host``, of which ``free`` are, until ``until``;
            or what is free is ``kept`` for another. ``slots``: all ``limit`` slots of queue ``name``, or of all queues
            (``*``), work there. ``worker_lost``: it runs by the store, and its worker ``name`` is silent.
        held_by: With ``resources`` and ``slots``: the jobs that have it now; with ``kept`` those for which it is kept,
            or their type.
    """

    kind: ReasonKind
    name: str | None = None
    count: int | None = None
    limit: int | None = None
    until: datetime | None = None
    state: str | None = None
    on_failure: OnFailure | None = None
    wanted: float | None = None
    free: float | None = None
    held_by: tuple[str, ...] | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job waits, and what an expected time can be reckoned from.

    Attributes:
        reasons: What it waits for; empty for one that runs, or is finished.
        running: Jobs of its queue that run now.
        workers: Live workers that take jobs of its type.
        slots: How many jobs of its type these can run at a time; ``None``: not all of them have said so far.
        typical: What such jobs have taken before.
    """

    job_id: str
    state: str
    reasons: tuple[Reason, ...]
    running: int
    workers: int
    typical: Estimate | None
    slots: int | None = None

    def as_record(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "job_id": self.job_id,
            "status": self.state,
            "reasons": [
                {
                    key: value.isoformat() if isinstance(value, datetime) else value
                    for key, value in asdict(each).items()
                    if value is not None
                }
                for each in self.reasons
            ],
            "running": self.running,
            "workers": self.workers,
            "slots": self.slots,
            "typical": None if self.typical is None else self.typical.as_record(),
        }


@dataclass(frozen=True, slots=True)
class Range:
    """The middle of what was seen, and what nineteen of twenty stayed within."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job will probably take, after those of its type with inputs nearest in size.

    Attributes:
        samples: How many attempts it stands on.
        least_bytes, most_bytes: Sizes of their inputs; ``None``: sizes were not known, or did not count.
    """

    type: str
    samples: int
    least_bytes: int | None
    most_bytes: int | None
    wall_seconds: Range
    cpu_seconds: Range
    peak_memory_bytes: Range
    cost_nanos: Range

    def as_record(self) -> dict[str, Any]:
        """As JSON data, money in dollars."""
        record = asdict(self)
        cost = record.pop("cost_nanos")
        record["cost_usd"] = {key: format_usd(round(value)) for key, value in cost.items()}
        return record
