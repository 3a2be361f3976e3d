"""Short messages between the owner, its launcher and the sandboxes, with descriptors. One message is one packet."""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Sequence
from typing import Any

__all__ = ["MOST_BYTES", "receive", "send"]

MOST_BYTES = 128 * 1024
_MOST_DESCRIPTORS = 16


def send(channel: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one message.

    Raises:
        OSError: The other side is gone, or the message is longer than :data:`MOST_BYTES`.
    """
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    channel.sendmsg([json.dumps(message).encode()], ancillary)


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next message with its descriptors, which close on exec; ``None`` when the other side is gone."""
    room = socket.CMSG_LEN(_MOST_DESCRIPTORS * array.array("i").itemsize)
    data, ancillary, _, _ = channel.recvmsg(MOST_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    if not data:
        for each in descriptors:
            os.close(each)
        return None
    return json.loads(data), list(descriptors)
