"""What one call of ``pitchey-run`` works with. Everything is loaded when it is first asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pitchey_core.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from pitchey_core.host import Host
    from pitchey_core.registry import Registry
    from pitchey_core.settings import LoadedSettings, Settings
    from pitchey_runner.store.interface import JobRecord, JobStore

__all__ = ["Invocation", "existing_job", "resolve_id"]


@dataclass
class Invocation:
    """The options that every verb has, and what follows from them.

    Attributes:
        store_url: As given with ``--store``.
        json: As given; ``None``: JSON unless stdout is a terminal.
        debug: Show tracebacks and detailed logs.
    """

    store_url: str | None = None
    json: bool | None = None
    debug: bool = False

    @property
    def as_json(self) -> bool:
        return self.json if self.json is not None else not sys.stdout.isatty()

    @property
    def live(self) -> bool:
        """Whether progress bars make sense."""
        return not self.json and sys.stderr.isatty()

    @cached_property
    def registry(self) -> Registry:
        from pitchey_core.registry import Registry

        return Registry.load()

    @cached_property
    def loaded(self) -> LoadedSettings:
        from pitchey_core.settings import load_settings

        return load_settings(overrides={"store": self.store_url})

    def settings(self, **overrides: str | None) -> Settings:
        """The settings with some values of the verb's own."""
        from pitchey_core.settings import load_settings

        return load_settings(overrides=overrides).settings

    @cached_property
    def host(self) -> Host:
        from pitchey_core.host import Host

        return Host(self.registry, self.loaded.settings)

    def job_types(self, names: Iterable[str]) -> list[str]:
        """Names of processors for names or aliases."""
        return [self.registry.spec(name).name for name in names]

    def open_store(self, *, patience: float = 0.0) -> JobStore:
        """The job store; the caller closes it.

        Args:
            patience: Seconds to wait for a server that is away.
        """
        from pitchey_runner.store import open_store

        settings = self.loaded.settings
        return open_store(settings.store, settings.prices.as_price_book(), patience=patience)


def resolve_id(store: JobStore, prefix: str) -> str:
    """The one job whose id is, or begins with, ``prefix``.

    Raises:
        UnknownName: There is none.
        UsageError: There are several.
    """
    if store.get(prefix) is not None:
        return prefix
    found = store.find(prefix) if prefix else []
    if not found:
        raise UnknownName("job", prefix, (), remedy="pitchey-run list shows the jobs of this store")
    if len(found) > 1:
        raise UsageError(f"job {prefix!r} is ambiguous", remedy="one of: " + ", ".join(found))
    return found[0]


def existing_job(store: JobStore, job_id: str) -> JobRecord:
    """The record of a job.

    Raises:
        UnknownName: It is not there, or no longer.
    """
    record = store.get(job_id)
    if record is None:
        raise UnknownName("job", job_id, (), remedy="pitchey-run list shows the jobs of this store")
    return record
