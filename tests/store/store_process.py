"""A process that works on a store until it is killed or its time is up, for the crash and contention tests.

It writes a line per answer it got: what a line says was promised. Arguments: path, name, seconds.
"""

from __future__ import annotations

import os
import sys
import time

from pitchey_core.pricing import Usage
from pitchey_runner.store import open_store
from pitchey_runner.testing.store_samples import completed, job, worker


def main(path: str, name: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    slowest = 0.0
    me = worker(name)
    with open_store(path) as store:
        store.register_worker(me)
        while time.monotonic() < end:
            begin = time.monotonic()
            say("enqueued", *store.enqueue([job(), job(batch_id=name)]))
            claims = [each.claim for each in store.claim(me, "video", 3)]
            say("claimed", *(claim.job_id for claim in claims))
            ends = [completed(claim, usage=Usage(wall_us=10), cost_nanos=7) for claim in claims]
            assert all(store.settle(ends))
            say("settled", *(claim.job_id for claim in claims))
            slowest = max(slowest, time.monotonic() - begin)
    say("slowest", f"{slowest:.3f}")


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
