"""The settings of queues: ``[queues.TYPE]``, ``[[queues.TYPE.retry_rules]]``; and ``[retention]``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pitchey_core.retrying import RetryRule, signal_number

__all__ = ["QueueSettings", "RetentionSettings", "RetrySettings", "Table"]


class Table(BaseModel):
    """A table of settings: no unknown keys, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RetrySettings(Table):
    """``[[queues.TYPE.retry_rules]]``: see :class:`~pitchey_core.retrying.RetryRule`."""

    error: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    retries: int | None = Field(None, ge=0)
    backoff: float | None = Field(None, ge=0)
    backoff_cap: float | None = Field(None, ge=0)

    @field_validator("signal")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            signal_number(value)
        return value

    @model_validator(mode="after")
    def _about_something(self) -> RetrySettings:
        if self.error is None and self.exit_code is None and self.signal is None:
            raise ValueError("a rule names an error, an exit_code or a signal")
        return self

    def as_rule(self) -> RetryRule:
        return RetryRule(**self.model_dump())


class QueueSettings(Table):
    """``[queues.TYPE]``: replaces single defaults of a processor's queue.

    Attributes:
        batch_size: Most jobs in one claim.
        batch_wait: Seconds that a job waits for its batch to fill.
        linger: Seconds that an idle slot waits for a fuller batch.
        retries: Further attempts after the first.
        min_slots: Slots kept once the queue was used.
        max_slots: Most slots at one time.
        retry_rules: Rules about errors, ``[[queues.TYPE.retry_rules]]``; the first that matches counts.
    """

    batch_size: int | None = Field(None, ge=1)
    batch_wait: float | None = Field(None, ge=0)
    linger: float | None = Field(None, ge=0)
    retries: int | None = Field(None, ge=0)
    min_slots: int | None = Field(None, ge=0)
    max_slots: int | None = Field(None, ge=1)
    retry_rules: tuple[RetrySettings, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> QueueSettings:
        if self.min_slots is not None and self.max_slots is not None and self.min_slots > self.max_slots:
            raise ValueError(f"min_slots ({self.min_slots}) is larger than max_slots ({self.max_slots})")
        return self


class RetentionSettings(Table):
    """``[retention]``: seconds after which finished jobs are deleted; those without a figure are kept.

    What they have cost stays in the ledger.
    """

    completed: float | None = Field(None, ge=0)
    failed: float | None = Field(None, ge=0)
    cancelled: float | None = Field(None, ge=0)
