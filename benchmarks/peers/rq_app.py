"""RQ on Redis."""

from __future__ import annotations

import os

import body
import redis
from rq import Queue
from rq.registry import StartedJobRegistry

server = redis.Redis.from_url(os.environ["PEER_REDIS"])
queue = Queue("bench", connection=server)


def enqueue(numbers: list[int]) -> None:
    for number in numbers:
        queue.enqueue(body.run, number)


def left() -> int:
    """Jobs that are still in the store."""
    running = StartedJobRegistry(queue=queue).get_job_count(cleanup=False)
    return len(queue) + int(running) + int(server.llen(queue.intermediate_queue_key))
