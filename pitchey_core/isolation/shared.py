"""The one sandbox of this process."""

from __future__ import annotations

import atexit
import os

from pitchey_core.isolation.sandbox import Sandbox

__all__ = ["launcher_pid", "shared_sandbox"]

_shared: dict[int, Sandbox] = {}


def shared_sandbox() -> Sandbox:
    """The sandbox that all jobs of this process use, one after another; made on first use."""
    # By PID: a fork must not talk to the launcher of its parent.
    if os.getpid() not in _shared:
        _shared.clear()
        _shared[os.getpid()] = Sandbox()
        atexit.register(_shared[os.getpid()].close)
    return _shared[os.getpid()]


def launcher_pid() -> int | None:
    """The launcher that stays warm between the jobs of this process, if there is one.

    Only one behind namespaces counts: what its programs leave behind cannot hide below it.
    """
    sandbox = _shared.get(os.getpid())
    return None if sandbox is None else sandbox.warm_launcher
