"""Dramatiq on Redis."""

from __future__ import annotations

import os

import body
import dramatiq
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=os.environ["PEER_REDIS"])
dramatiq.set_broker(broker)
work = dramatiq.actor(body.run, actor_name="work", queue_name="bench")


def enqueue(numbers: list[int]) -> None:
    for number in numbers:
        work.send(number)


def left() -> int:
    """Jobs that are still in the store."""
    server = broker.client
    held = sum(server.scard(key) for key in server.scan_iter("dramatiq:__acks__.*.bench"))
    return int(server.llen("dramatiq:bench") + held + server.llen("dramatiq:bench.DQ"))
