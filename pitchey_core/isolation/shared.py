"""The one sandbox of this process."""

from __future__ import annotations

import atexit
import os

from pitchey_core.isolation.sandbox import Sandbox

__all__ = ["shared_sandbox"]

_shared: dict[int, Sandbox] = {}


def shared_sandbox() -> Sandbox:
    """The sandbox that all jobs of this process use, one after another; made on first use."""
    # By PID: a fork must not talk to the launcher of its parent.
    if os.getpid() not in _shared:
        _shared.clear()
        _shared[os.getpid()] = Sandbox()
        atexit.register(_shared[os.getpid()].close)
    return _shared[os.getpid()]
