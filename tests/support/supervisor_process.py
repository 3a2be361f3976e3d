"""A supervisor in a process of its own, which can be told to die at a certain point.

Usage: ``python supervisor_process.py CONFIG`` with CONFIG a JSON object: ``overrides`` of the settings, and optionally

- ``crash``: ``"before:NAME"`` or ``"after:NAME"`` to kill this process with SIGKILL at the first call of a store method
  (a heartbeat that tells of what a job has used), or of a function of :mod:`os` on outputs; ``"before:NAME:N"`` at the
  N-th;
- ``clock``: a file that says by how many seconds this process's clock is ahead;
- ``answer_seconds``, ``probe_seconds``: how long Postgres may be silent, and how often a listener asks.
"""

from __future__ import annotations

import faulthandler
import itertools
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from pitchey_core.host import Host
from pitchey_core.registry import Registry
from pitchey_runner.store import open_store
from pitchey_runner.supervisor import Supervisor


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _deadly(
    function: Callable[..., Any], when: str, count: int, counts: Callable[..., bool]
) -> Callable[..., Any]:
    left = itertools.count(count - 1, -1)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not counts(*args, **kwargs) or next(left) != 0:
            return function(*args, **kwargs)
        if when == "before":
            _die()
        result = function(*args, **kwargs)
        _die()
        return result

    return wrapper


def _about_outputs(*args: Any, dir_fd: int | None = None, **_: Any) -> bool:
    # Calls of os functions elsewhere (the store, the slots) are not what is to be interrupted.
    paths = [os.fsdecode(arg) for arg in args if isinstance(arg, str | bytes | os.PathLike)]
    paths += [os.readlink(f"/proc/self/fd/{fd}") for fd in (*args[:1], dir_fd) if isinstance(fd, int)]
    return any("out" in path.split(os.sep) for path in paths)


def _of_interest(name: str, *args: Any, **_: Any) -> bool:
    return name != "beat" or any(each.usage is not None for each in args[1])


def arm(store: object, crash: str) -> None:
    """Make the named function deadly."""
    when, name, *number = crash.split(":")
    count = int(number[0]) if number else 1
    if hasattr(store, name):
        setattr(store, name, _deadly(getattr(store, name), when, count, partial(_of_interest, name)))
    else:
        setattr(os, name, _deadly(getattr(os, name), when, count, _about_outputs))


def step(file: Path) -> None:
    """Set this process's clock by a file."""
    right = time.time_ns

    def wrong() -> int:
        return right() + int(float(file.read_text()) * 1e9)

    time.time_ns = wrong
    time.time = lambda: wrong() / 1e9


def hurry(answer_seconds: float, probe_seconds: float) -> None:
    """Give a silent server less time."""
    from pitchey_runner.store.postgres import changes, watchdog

    watchdog.ANSWER_SECONDS = answer_seconds
    changes._PROBE_SECONDS = probe_seconds


def main() -> None:
    config = json.loads(sys.argv[1])
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    host = Host.from_settings(Registry.load(), **config["overrides"])
    if "clock" in config:
        step(Path(config["clock"]))
    if "answer_seconds" in config:
        hurry(config["answer_seconds"], config["probe_seconds"])
    with open_store(config["overrides"]["store"]) as store:
        if config["crash"]:
            arm(store, config["crash"])
        supervisor = Supervisor(store, host, backoff_base=0.05, batch_id=config.get("batch_id"))

        async def run() -> None:
            await supervisor.run(drain=config.get("drain", True))

        anyio.run(run)


if __name__ == "__main__":
    main()
