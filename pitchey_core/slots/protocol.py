"""How a host, a warden and a job's process talk: length-prefixed JSON over an inherited descriptor.

Frames are JSON objects with a ``kind``. JSON rather than pickle, and no shared state: a slot may be the interpreter of
another virtual environment, or one day on another host.

==============  ==========================================================================  ==================
kind            fields                                                                      direction
==============  ==========================================================================  ==================
``ready``       ``version``, ``pid``: the warden is up                                      warden → host
``limits``      ``enforced_by``: what limits the memory of what runs from now on            warden → host
``run``         ``orders``: packed job orders; ``together``: a batch processor takes them   host → warden → job
                in one call, else they run one after another
``cancel``      ``key``, ``grace_seconds``: stop that job; kill it after the grace          host → warden → job
``lease``       ``until``: CLOCK_BOOTTIME in seconds; past it the warden kills the tree     host → warden
``freeze``      stop what runs; its wall clock stands still                                 host → warden
``thaw``        let it go on                                                                host → warden
``warm``        ``spec``: load that processor ahead of its first job                        host → warden → job
``progress``    ``key``, ``fraction``, ``message``, ``figures``                             job → warden → host
``stats``       ``cpu_us``, ``memory_bytes``: of the running tree, each second              warden → host
``done``        ``key``, ``facts``, ``manifest``, ``usage``, ``error``, ``log_path``        job → warden → host
                ``alone``: nothing that the job started is left; ``kept``: PID of a
                launcher of sandboxes that stays warm (both for the warden)
``go``          what a job left behind is gone, the next one may begin                      warden → job
``died``        ``error``, ``usage``, ``log_path``: the process of the job is gone          warden → host
                ``unrun``: keys of those that had not begun
==============  ==========================================================================  ==================
"""

from __future__ import annotations

import struct
from typing import Any

from pitchey_core.fast_json import read_json, write_json

__all__ = ["MAX_FRAME_BYTES", "PROTOCOL_VERSION", "FrameReader", "ProtocolError", "decode", "encode"]

PROTOCOL_VERSION = 3
MAX_FRAME_BYTES = 64 * 1024**2
_HEADER = struct.Struct("!I")


class ProtocolError(Exception):
    """What arrived is not a frame of this protocol."""


def encode(frame: dict[str, Any]) -> bytes:
    """One frame as bytes."""
    body = write_json(frame)
    if len(body) > MAX_FRAME_BYTES:
        raise ProtocolError(
            f"a {frame.get('kind')} frame of {len(body)} bytes; the most is {MAX_FRAME_BYTES}"
        )
    return _HEADER.pack(len(body)) + body


def decode(data: bytes) -> dict[str, Any]:
    """The inverse of :func:`encode`.

    Raises:
        ProtocolError: It is no frame.
    """
    try:
        frame = read_json(data[_HEADER.size :])
    except ValueError as error:
        raise ProtocolError(f"not JSON: {error}") from error
    if not isinstance(frame, dict) or "kind" not in frame:
        raise ProtocolError("a frame without a kind")
    return frame


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Frames that are complete with ``data``, in order.

        Raises:
            ProtocolError: The stream is not of this protocol; nothing after it can be trusted.
        """
        return [decode(each) for each in self.cut(data)]

    def cut(self, data: bytes) -> list[bytes]:
        """Like :meth:`feed`, but each as :func:`encode` had made it, for whoever passes it on."""
        self._buffer += data
        frames = []
        start = 0
        while len(self._buffer) - start >= _HEADER.size:
            (length,) = _HEADER.unpack_from(self._buffer, start)
            if length > MAX_FRAME_BYTES:
                raise ProtocolError(f"a frame of {length} bytes; the most is {MAX_FRAME_BYTES}")
            end = start + _HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[start:end]))
            start = end
        del self._buffer[:start]
        return frames
