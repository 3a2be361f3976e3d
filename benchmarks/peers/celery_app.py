"""Celery on Redis, acknowledging late: the setting under which a killed worker's jobs can come back at all."""

from __future__ import annotations

import os
from typing import Any

import body
import redis
from celery import Celery

app: Any = Celery(broker=os.environ["PEER_REDIS"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=int(os.environ.get("PEER_AHEAD", "4")),
    broker_connection_retry_on_startup=True,
)
task = app.task(name="work")(body.run)


def enqueue(numbers: list[int]) -> None:
    for number in numbers:
        task.delay(number)


def left() -> int:
    """Jobs that are still in the store."""
    server = redis.Redis.from_url(os.environ["PEER_REDIS"])
    return int(server.llen("celery")) + int(server.hlen("unacked"))
