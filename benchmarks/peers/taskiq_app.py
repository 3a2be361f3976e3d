"""taskiq on Redis: a stream, whose entries stay until they are acknowledged, or a list, which they leave at once."""

from __future__ import annotations

import asyncio
import functools
import os

import body
import redis
from taskiq_redis import ListQueueBroker, RedisStreamBroker

_URL = os.environ["PEER_REDIS"]
_STREAM = os.environ.get("PEER_KIND") == "stream"
# From the stream's beginning: the jobs are there before the workers' group is.
broker = (
    RedisStreamBroker(url=_URL, queue_name="bench", consumer_id="0")
    if _STREAM
    else ListQueueBroker(url=_URL, queue_name="bench")
)


async def run(number: int) -> None:
    """Off the loop: it sleeps as the jobs of the others do."""
    if number < 0:
        body.run(number)
    else:
        await asyncio.to_thread(body.run, number)


work = broker.task(task_name="work")(run)


def enqueue(numbers: list[int]) -> None:
    async def every() -> None:
        for number in numbers:
            await work.kiq(number)

    _started().run_until_complete(every())


@functools.cache
def _started() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(broker.startup())
    return loop


def left() -> int:
    """Jobs that are still in the store."""
    server = redis.Redis.from_url(_URL)
    if not _STREAM:
        return int(server.llen("bench"))
    (group,) = server.xinfo_groups("bench")
    return int(group["lag"] or 0) + int(group["pending"])
