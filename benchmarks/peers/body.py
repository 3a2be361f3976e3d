"""What a job of every peer does: it leaves a mark in a file, so counting asks no store and costs a microsecond."""

from __future__ import annotations

import functools
import os
import time

SLOW_SECONDS = 0.05


@functools.cache
def _marks() -> int:
    return os.open(os.environ["PEER_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def run(number: int) -> None:
    """Nothing, for a number below zero; else a short sleep, at the end of which the number is noted."""
    if number < 0:
        os.write(_marks(), b".")
        return
    time.sleep(SLOW_SECONDS)
    os.write(_marks(), b"%d\n" % number)
