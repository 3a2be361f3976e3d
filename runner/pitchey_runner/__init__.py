"""The local job runner: a durable store, a supervisor, and the ``pitchey-run`` command.

::

    import pitchey_runner

    with pitchey_runner.open("jobs.db") as jobs, jobs.work():
        job = jobs.submit("video", input_url="clip.mov", quality="720p", output="out/")
        job.wait()
        job.result.artifacts

Everything here is imported when it is first used, so ``import pitchey_runner`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pitchey_runner.library import AsyncJob as AsyncJob
    from pitchey_runner.library import AsyncJobs as AsyncJobs
    from pitchey_runner.library import Job as Job
    from pitchey_runner.library import Jobs as Jobs
    from pitchey_runner.library import Progress as Progress
    from pitchey_runner.library import open as open  # noqa: A004 - the field's word for it
    from pitchey_runner.library import open_async as open_async
    from pitchey_runner.store.interface import JobState as JobState
    from pitchey_runner.store.interface import Priority as Priority

_HOME = {
    **dict.fromkeys(["AsyncJob", "AsyncJobs", "Job", "Jobs", "Progress", "open", "open_async"], "library"),
    **dict.fromkeys(["JobState", "Priority"], "store.interface"),
}

__all__ = sorted(_HOME)  # type checkers read the imports above


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
