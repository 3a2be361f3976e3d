"""The runner from a program or a notebook: submit jobs, wait for them, have them worked on in the background."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from pitchey_core.host import Host
from pitchey_core.registry import Registry
from pitchey_runner.library.asynchronous import AsyncJob, AsyncJobs
from pitchey_runner.library.job import Job, Progress
from pitchey_runner.library.jobs import Jobs
from pitchey_runner.store import open_store

__all__ = ["AsyncJob", "AsyncJobs", "Job", "Jobs", "Progress", "open", "open_async"]


def open(  # noqa: A001 - the field's word for it
    url: str | None = None, *, registry: Registry | None = None, **settings: Any
) -> Jobs:
    """Open a job store, and create it where it does not exist.

    ::

        with pitchey_runner.open("jobs.db") as jobs:
            job = jobs.submit("video", input_url="clip.mov", output="out/")
            job.wait()

    Args:
        url: As with ``pitchey-run --store``; default: the setting ``store``.
        registry: The plugins to use; default: all installed ones.
        settings: Further settings, above those of ``pitchey.toml`` and the environment: ``data_dir="…"``.

    Raises:
        ConfigError: A setting is wrong, or the URL names no driver.
        StoreError: The database cannot be used, or its schema is another version's.
    """
    host = Host.from_settings(registry or Registry.load(), store=url, **settings)
    return Jobs(open_store(host.settings.store, host.prices), host)


@asynccontextmanager
async def open_async(
    url: str | None = None, *, registry: Registry | None = None, **settings: Any
) -> AsyncIterator[AsyncJobs]:
    """The same as :func:`open`, for ``async with``."""
    jobs = await anyio.to_thread.run_sync(partial(open, url, registry=registry, **settings))
    try:
        yield AsyncJobs(jobs)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(jobs.close)
